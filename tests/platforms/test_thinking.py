"""Models that put their reasoning into the text of the answer, between tags."""

from __future__ import annotations

import pytest

from duihua.events import TextDelta, ThinkingDelta, TurnFinished
from tests.engine.conftest import collect
from tests.platforms.conftest import Start

ALOUD = ("genstudio/deepseek-r1", "zhipu/glm-z1-air", "modelarts/qwen3-235b-a22b", "openai/qwq-32b")


@pytest.mark.parametrize("model", ALOUD)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_reasoning_in_the_text_is_told_apart(start: Start, model: str, stream: bool) -> None:
    engine, _ = await start(model, settings={"stream": stream})
    events = await collect(engine.session("a").say("我叫小明"))
    thought = "".join(e.text for e in events if isinstance(e, ThinkingDelta))
    said = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert "让我想一想" in thought
    assert isinstance(events[-1], TurnFinished)
    assert said == events[-1].text
    assert "小明" in said
    assert not [text for text in (thought, said) if "think>" in text or "让我想一想" in said]


@pytest.mark.parametrize("model", ["zhipu/glm-4-flash", "genstudio/deepseek-v3", "modelarts/DeepSeek-V3"])
async def test_tags_inside_of_an_answer_are_text(start: Start, model: str) -> None:
    engine, _ = await start(model)
    reply = await engine.session("a").ask("<think>x</think> is a tag")
    assert "<think>x</think>" in reply.text
