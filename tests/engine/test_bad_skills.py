"""Whatever a skill does, its turn ends with an answer."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from duihua import Attachment, skill
from duihua.events import SkillFinished, TurnFinished
from duihua.ports import CallDelta, Skill
from duihua.skills.contract import Context
from tests.engine.conftest import Make, collect

NEVER = threading.Event()


@skill(effect="read", timeout=0.1)
def hang() -> str:
    """Blocks its thread."""
    NEVER.wait(30)
    return "late"


@skill(effect="read", timeout=0.1)
async def wait() -> str:
    """Waits without end."""
    await asyncio.Event().wait()
    return "late"


@skill(effect="read", timeout=0.1)
async def stubborn() -> str:
    """Does not let itself be cancelled."""
    for _ in range(3):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    return "late"


@skill(effect="read")
def leave() -> str:
    """Ends the program."""
    sys.exit(3)


@skill(effect="read")
async def leave_async() -> str:
    """Ends the program."""
    raise SystemExit(3)


@skill(effect="read")
def interrupt() -> str:
    """As Ctrl-C does."""
    raise KeyboardInterrupt


@skill(effect="read")
def odd() -> Any:
    """Returns what has no JSON form."""
    return {"lock": threading.Lock()}


@skill(effect="read")
def endless() -> Any:
    """Returns something that contains itself."""
    ring: list[Any] = []
    ring.append(ring)
    return ring


@skill(effect="read")
def huge() -> str:
    """Returns far too much."""
    return "长" * 2_000_000


@skill(effect="read")
def chatty(context: Context) -> str:
    """Reports a lot."""
    for _ in range(5_000):
        context.progress("x" * 5_000)
    return "done"


@skill(effect="read")
def tables() -> Any:
    """Returns 50 MB of JSON."""
    return [{"n": 1.5, "text": "x" * 1_000}] * 50_000


@skill(effect="read")
def no_number() -> Any:
    """Returns what JSON has no word for."""
    return {"nan": float("nan")}


@skill(effect="read", timeout=0.1)
async def yielding() -> AsyncGenerator[str, None]:
    """Reports without end."""
    while True:
        yield "on"


@skill(effect="read")
async def stuffed(context: Context) -> Any:
    """Attaches far too much."""
    context.attach(Attachment(data=b"x" * 50_000_000, name="huge"))
    return [Attachment(data=b"y", name="small")] * 1_000


@skill(effect="read")
async def wrong_file(context: Context) -> str:
    """Attaches what is none."""
    context.attach("a path")  # type: ignore[arg-type]
    return "ok"


@skill(effect="read")
def printing() -> str:
    """Prints."""
    print("noise")
    return "ok"


BAD: list[tuple[Skill, str]] = [
    (hang, "failed"), (wait, "failed"), (stubborn, "failed"), (leave, "failed"), (leave_async, "failed"),
    (interrupt, "failed"), (odd, "failed"), (endless, "failed"), (huge, "done"), (chatty, "done"),
    (tables, "done"), (no_number, "done"), (yielding, "failed"), (stuffed, "done"), (wrong_file, "failed"),
    (printing, "done"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "state"), BAD, ids=[s.name for s, _ in BAD])
async def test_the_turn_ends_with_an_answer(make: Make, bad: Skill, state: str) -> None:
    engine, model = await make([CallDelta(0, "", bad.name, "{}"), "sorry", "still here"], skills=[bad])
    events = await collect(engine.session("a").say("go"))
    assert [e.state for e in events if isinstance(e, SkillFinished)] == [state]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].text == "sorry"
    assert sum(len(m) for m in model.requests[1].packed.messages) < 100_000
    assert (await engine.ask("a", "and now?")).text == "still here"
    NEVER.set()
    NEVER.clear()
