"""Engines learn from what the platform counts, keep it, and pack by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from duihua.errors import StorageError
from duihua.messages import Usage
from duihua.ports import Finish, Request
from tests.engine.conftest import Make

MODEL = "scripted/any"


def raw(request: Request) -> float:
    return request.packed.tokens / request.packed.scale


def counting(factor: float) -> Callable[[Request], tuple[str, Finish]]:
    """A model that answers at length and counts `factor` tokens for an estimated one."""

    def answer(request: Request) -> tuple[str, Finish]:
        return "好的，我知道了。" * 20, Finish("stop", Usage(int(raw(request) * factor), 5))

    return answer


async def test_what_was_learnt_is_known_to_the_next_engine(make: Make) -> None:
    engine, _ = await make(counting(1.6))
    for number in range(3):
        await engine.session("a").ask(f"你好 {number}")
    learnt = engine.calibrations.of(MODEL)
    await engine.aclose()
    again, _ = await make(counting(1.6))
    assert again.calibrations.of(MODEL).count == learnt.count == 3
    assert again.calibrations.of(MODEL).weights == pytest.approx(learnt.weights, rel=0.001)


async def test_a_platform_that_counts_more_gets_less(make: Make) -> None:
    engine, model = await make(counting(1.5))
    session = engine.session("a")
    for _ in range(36):
        await session.ask("今天天气怎么样，我们去公园走走吧。How is the weather? " * 8)
    limit = model.dialect("any").soft.tokens
    assert limit is not None
    sizes = [raw(request) for request in model.requests]
    assert max(sizes) * 1.5 <= limit
    assert max(sizes) * 1.5 > limit * 0.6
    assert engine.calibrations.scale(MODEL, 1) >= 1.5


async def test_a_platform_that_counts_nothing_teaches_nothing(make: Make) -> None:
    engine, _ = await make([("hi", Finish("stop", Usage())), ("hi", Finish("stop", Usage(0, 5)))])
    for _ in range(2):
        await engine.session("a").ask("hello")
    assert engine.calibrations.of(MODEL).count == 0


async def test_what_cannot_be_kept_costs_no_reply(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = await make(counting(1.2))

    async def broken(name: str, value: bytes) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(engine.store, "put_state", broken)
    assert (await engine.session("a").ask("hello")).text
    await engine.calibrations.aclose()
    assert engine.calibrations.of(MODEL).count == 1
