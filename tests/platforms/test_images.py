"""An image that is shown to models in the terminal, in each platform's own form."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, Text, image
from duihua.events import Notice, TurnFinished
from duihua.messages import Address
from duihua.plain import Plain
from duihua.simulator.drawing import png
from duihua.terminal import Terminal
from duihua_prompts import Catalogue
from tests.engine.conftest import collect
from tests.platforms.cases import Case
from tests.platforms.conftest import Start

CAT = png("a cat", 16, 16)
SEEING = (
    "zhipu/glm-4.6v",
    "zhipu/glm-4v-flash",
    "dashscope/qwen3-vl-plus",
    "dashscope-compatible/qwen3-vl-plus",
    "openai/gpt-4.1-mini",
    "modelarts/qwen2.5-vl-7b",
    "genstudio/glm-4.5v",
)
BLIND = (
    "zhipu/glm-4.7",
    "dashscope/qwen-plus",
    "dashscope-compatible/qwen-plus",
    "openai/deepseek-reasoner",
    "modelarts/DeepSeek-R1",
    "genstudio/qwq-32b",
    "genstudio/llama-2-7b-chat@biren",
    "qianfan/ernie-3.5-8k",
    "qianfan-v2/ernie-4.0-turbo-8k",
)


async def shown(engine: ChatEngine, words: Catalogue, file: Path) -> tuple[str, str]:
    """What stands on stdout and stderr after `/image FILE question`."""

    async def lines() -> AsyncIterator[str]:
        yield f"/image '{file}' 这是什么？"

    await asyncio.to_thread(file.write_bytes, CAT)
    out, err = io.BytesIO(), io.BytesIO()
    session = engine.session(Address("terminal", "default"))
    await Terminal(engine, session, Plain(words, out, err), words).piped(lines())
    return out.getvalue().decode(), err.getvalue().decode()


@pytest.mark.parametrize("model", SEEING)
async def test_an_image_reaches_a_model_that_sees(start: Start, tmp_path: Path, model: str) -> None:
    engine, simulator = await start(model)
    out, err = await shown(engine, Catalogue("zh"), tmp_path / "my cat.png")
    assert f"[image png {len(CAT)}]" in out, err
    assert [request.outcome for request in simulator.requests if request.model] == ["ok"]


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_a_model_that_is_blind_says_so(start: Start, tmp_path: Path, lang: str) -> None:
    engine, simulator = await start(BLIND[0])
    said = {"zh": "看不了图片", "en": "does not see images"}[lang]
    for model in BLIND:
        await engine.session(Address("terminal", "default")).configure(model=model)
        out, err = await shown(engine, Catalogue(lang), tmp_path / "cat.png")
        assert out == ""
        assert model.lower() in err.lower()
        assert said in err
        assert err.count("\n") == 1
    assert not simulator.requests


async def test_who_answers_instead_sees_too(start: Start) -> None:
    models = "zhipu/glm-4.6v,dashscope/qwen-plus,openai/gpt-4.1-mini"
    nobody = ("ZHIPU_BASE_URL", "http://127.0.0.1:1/api/paas/v4")
    engine, _ = await start(Case(models, settings=(nobody,)))
    zhipu: Any = engine.platform("zhipu")
    object.__setattr__(zhipu.line.retry, "sleep", lambda seconds: asyncio.sleep(0))
    events = await collect(engine.session("a").say([image(CAT), Text("这是什么？")]))
    assert [e.values["to"] for e in events if isinstance(e, Notice) and e.code == "fallback"] == [
        "openai/gpt-4.1-mini"
    ]
    assert isinstance(events[-1], TurnFinished)
    assert "[image png" in events[-1].text
