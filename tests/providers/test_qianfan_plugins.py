"""Qianfan's plugins, which the platform calls deprecated, against the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from duihua import ChatEngine, ModelOptions, Settings
from duihua.errors import ProviderError
from duihua.ports import Finish, Flagged, TextDelta
from duihua.providers import registry
from duihua.providers.http import Transport
from duihua.providers.qianfan_wire import QianfanAnswer
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from duihua.simulator.qianfan_plugins import SERVED
from duihua_storage import open_store
from tests.providers.conftest import ask, collect, event, text, until_error

OWN, OTHER = "erniebot/plugin", f"plugin/{SERVED}"
PLUGINS: dict[str, Any] = {OWN: ["eChart"], OTHER: ["uuid-zhishiku"]}
ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
services = pytest.mark.parametrize("model", [OWN, OTHER])


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def chat(simulator: Simulator, transport: Transport, retry: Retry) -> Any:
    settings = Settings.load(None).replaced(simulator.settings())
    return registry.create("qianfan", settings, transport=transport, retry=retry)


def question(words: str) -> bytes:
    return f'{{"role":"user","content":"{words}"}}'.encode()


@services
@ways
async def test_only_the_chat_is_shown(chat: Any, simulator: Simulator, model: str, stream: bool) -> None:
    options = {"plugins": PLUGINS[model], "stream": stream}
    deltas = await collect(chat.stream(ask(model, question("画一个饼状图"), options=options, user="u")))
    assert "画一个饼状图" in text(deltas)
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].usage.output > 0
    body = simulator.requests[-1].body
    assert (body["plugins"], body["user_id"]) == (PLUGINS[model], "u")


async def test_a_service_of_plugins_gets_question_and_history_apart(chat: Any, simulator: Simulator) -> None:
    before = (question("我叫小明"), '{"role":"assistant","content":"好的"}'.encode())
    options = {"plugins": PLUGINS[OTHER], "temperature": 0.5, "verbose": True}
    asked = ask(OTHER, *before, question("我叫什么名字?"), system='"你是助手"'.encode(), options=options)
    assert "小明" in text(await collect(chat.stream(asked)))
    seen = simulator.requests[-1]
    assert seen.path.endswith(f"/plugin/{SERVED}/")
    assert seen.body == {
        "query": "我叫什么名字?",
        "history": [{"role": "user", "content": "我叫小明"}, {"role": "assistant", "content": "好的"}],
        "llm": {"temperature": 0.5},
        "plugins": PLUGINS[OTHER],
        "stream": True,
        "verbose": True,
    }


@services
@ways
async def test_flags_are_told(chat: Any, model: str, stream: bool) -> None:
    options = {"plugins": PLUGINS[model], "stream": stream}
    deltas = await collect(chat.stream(ask(model, question("x !flag"), options=options)))
    assert Flagged("input", -1) in deltas
    assert deltas[-1].reason == "flagged"


@pytest.mark.parametrize(
    ("model", "options", "words", "code"),
    [
        (OWN, {}, "x", "336001"),
        (OWN, {"plugins": []}, "x", "336003"),
        (OWN, {"plugins": ["nothing"]}, "x", "336003"),
        (OWN, {"plugins": ["eChart"]}, "x" * 4801, "336007"),
        (OTHER, {}, "x" * 1001, "336007"),
        (OTHER, {"plugins": ["eChart"]}, "x", "336003"),
        ("plugin/nothing", {}, "x", "336005"),
    ],
)
async def test_what_the_platform_refuses_is_told(
    chat: Any, model: str, options: dict[str, Any], words: str, code: str
) -> None:
    _, error = await until_error(chat.stream(ask(model, question(words), options=options)))
    assert error.vendor_code == code


@pytest.mark.parametrize("name", ["plugin/../x", "plugin/a/b", "plugin//"])
async def test_ids_that_play_tricks_are_not_sent(chat: Any, simulator: Simulator, name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(chat.stream(ask(name)))
    assert caught.value.category == "not_found"
    assert simulator.counts == {}


def test_what_plugins_say_is_no_answer() -> None:
    answer = QianfanAnswer("m")
    for name in ("pluginMeta", "plugin"):
        said = event(result="aside", is_end=True)
        assert answer.feed(f"event: {name}\n".encode() + said) == []
    assert answer.feed(b"event: chat\n" + event(result="hi", is_end=True)) == [TextDelta("hi")]


def test_an_error_among_the_plugins_events_ends_the_answer() -> None:
    answer = QianfanAnswer("m")
    answer.feed(b"event: plugin\n" + event(error_code=336100, error_msg="busy"))
    assert answer.error is not None
    assert answer.error.category == "overloaded"


async def test_a_conversation_with_plugins(simulator: Simulator, tmp_path: Any) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
    settings = Settings.load(None, database_url=url, lang="en").replaced(simulator.settings())
    options = ModelOptions(extra={"plugins": ["eChart"]})
    async with ChatEngine(f"qianfan/{OWN}", settings=settings, store=open_store(url, upgrade=True)) as engine:
        session = engine.session("a")
        await session.ask("我叫小明", options=options)
        reply = await session.ask("我叫什么名字? 画一个图", options=options)
    assert "小明" in reply.text
    assert simulator.requests[-1].body["messages"][-1]["content"].endswith("画一个图")
