"""What platforms can do besides chat: every ability of every client, through the engine and over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import pytest

from duihua import ChatEngine
from duihua.abilities import Ability, Drawing, can
from duihua.errors import DuihuaError
from duihua.providers import registry
from duihua.simulator.wire import Keys
from tests.platforms.conftest import Start

CHAT: Mapping[str, str] = {
    "qianfan": "ernie-3.5-8k",
    "qianfan-v2": "ernie-4.0-turbo-8k",
    "modelarts": "DeepSeek-R1",
    "genstudio": "qwq-32b",
    "openai": "gpt-4.1-mini",
    "zhipu": "glm-4.7",
    "dashscope": "qwen-plus",
    "dashscope-compatible": "qwen-plus",
}
"""What is asked where an ability has no usual model."""


async def _complete(engine: ChatEngine, platform: str, model: str) -> bool:
    return bool((await engine.complete("天空为什么是蓝色的", model=model)).text)


async def _moderate(engine: ChatEngine, platform: str, model: str) -> bool:
    return (await engine.moderate("你好", model=model)).level == "pass"


async def _embed(engine: ChatEngine, platform: str, model: str) -> bool:
    first, second = (await engine.embed(["茶", "水"], model=model)).vectors
    return len(first) == len(second) > 8 and first != second


async def _draw(engine: ChatEngine, platform: str, model: str) -> bool:
    return _drawn(await engine.draw("一只猫", model=model, size="1024x1024", n=1))


def _drawn(drawing: Drawing | None) -> bool:
    [picture] = drawing.pictures if drawing else [None]
    return picture is not None and bool(picture.url or picture.data.startswith(b"\x89PNG"))


async def _transcribe(engine: ChatEngine, platform: str, model: str) -> bool:
    return bool((await engine.transcribe(b"RIFF....WAVE", model=model)).text)


async def _count(engine: ChatEngine, platform: str, model: str) -> bool:
    count = await engine.count_tokens("天空为什么是蓝色的", model=model)
    return count.exact and count.tokens > 0


async def _models(engine: ChatEngine, platform: str, model: str) -> bool:
    found = await engine.models(platform, live=True)
    return len(found) > 1 and {info.name.partition("/")[0] for info in found} == {platform}


async def _start(engine: ChatEngine, platform: str, model: str) -> bool:
    task = await engine.result(await engine.start("你好", model=model), wait=True, every=0.01)
    return task.completion is not None and bool(task.completion.text)


async def _start_drawing(engine: ChatEngine, platform: str, model: str) -> bool:
    started = await engine.start_drawing("一只猫", model=model, size="1024x1024", n=1)
    return _drawn((await engine.result(started, wait=True, every=0.01)).drawing)


async def _measure(engine: ChatEngine, platform: str, model: str) -> bool:
    client: Any = engine.platform(platform)
    return await client.context_length(model.partition("/")[2], deadline=engine._deadline()) >= 4_096


TRIED: Mapping[Ability, Callable[[ChatEngine, str, str], Awaitable[bool]]] = {
    "complete": _complete,
    "moderate": _moderate,
    "embed": _embed,
    "draw": _draw,
    "transcribe": _transcribe,
    "count_tokens": _count,
    "list_models": _models,
    "start": _start,
    "start_drawing": _start_drawing,
    "measure": _measure,
}


def test_every_platform_and_ability_is_tried() -> None:
    assert CHAT.keys() == registry.PLATFORMS.keys()
    assert TRIED.keys() == set(get_args(Ability))


@pytest.mark.parametrize("platform", CHAT)
async def test_what_a_client_says_it_can_do_it_does(start: Start, platform: str) -> None:
    keys = Keys()
    signed = {
        "qianfan_access_key_id": keys.access_key_id,  # lists are for those who sign
        "qianfan_access_key_secret": keys.access_key_secret,
    }
    engine, _ = await start(f"{platform}/{CHAT[platform]}", settings=signed if platform == "qianfan" else {})
    client: Any = engine.platform(platform)
    object.__setattr__(client.line.retry, "sleep", lambda seconds: asyncio.sleep(0))
    missed: dict[str, str] = {}
    for ability, tried in TRIED.items():
        if not can(registry.PLATFORMS[platform].client, ability):
            continue
        name = engine.finder.usual(client, platform, ability) or CHAT[platform]
        try:
            if not await tried(engine, platform, f"{platform}/{name}"):
                missed[ability] = "nothing came"
        except DuihuaError as e:
            missed[ability] = f"{type(e).__name__}: {e}"
    assert missed == {}


async def test_every_known_model_that_draws_takes_a_size_and_a_number(start: Start) -> None:
    engine, _ = await start("zhipu/glm-4.7")
    names = [info.name for info in await engine.models() if "draw" in info.abilities]
    assert {name.partition("/")[0] for name in names} == {
        "qianfan",
        "qianfan-v2",
        "modelarts",
        "zhipu",
        "dashscope",
    }
    missed: dict[str, str] = {}
    for name in names:
        client: Any = engine.platform(name.partition("/")[0])
        object.__setattr__(client.line.retry, "sleep", lambda seconds: asyncio.sleep(0))
        image = {"image": "aW1hZ2U="} if "edit" in name else {}
        try:
            drawing = await engine.draw("一只猫", model=name, size="1024x1024", n=1, options=image)
            missed |= {} if _drawn(drawing) else {name: "nothing came"}
        except DuihuaError as e:
            missed[name] = str(e)
    assert missed == {}
