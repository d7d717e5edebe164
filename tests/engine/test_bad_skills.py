"""Whatever a skill does, its turn ends with an answer."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator, Field, model_serializer

from duihua import AskUser, Attachment, SkillError, skill
from duihua.events import SkillFinished, TurnFinished
from duihua.ports import CallDelta, Skill
from duihua.skills.contract import Context
from duihua.testing import ScriptedModel, scripted_engine
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


def leaves(given: Any = None) -> Any:
    sys.exit(3)


def interrupts(given: Any = None) -> Any:
    raise KeyboardInterrupt


def hangs(given: Any = None) -> Any:
    NEVER.wait(30)


class Wordless(SkillError):
    """Cannot be told."""

    __str__ = leaves


class Questionless(AskUser):
    """Cannot be asked."""

    __str__ = interrupts


class Slow(BaseModel):
    """Takes its time to become JSON."""

    @model_serializer
    def dump(self) -> dict[str, Any]:
        return hangs()


@skill(effect="read", confirm=leaves)
def predicate_leaves() -> str:
    """Ends the program before it is asked."""
    return "ran"


@skill(effect="read", confirm=interrupts)
async def predicate_interrupts() -> str:
    """As Ctrl-C does, before it is asked."""
    return "ran"


@skill(effect="read", timeout=0.1, confirm=hangs)
async def predicate_hangs() -> str:
    """Thinks for ever about consent."""
    return "ran"


@skill(effect="read")
def validator_leaves(n: Annotated[int, BeforeValidator(leaves)] = Field(1, validate_default=True)) -> str:
    """Ends the program while its arguments are read."""
    return "ran"


@skill(effect="read", timeout=0.1)
async def validator_hangs(n: Annotated[int, BeforeValidator(hangs)] = Field(1, validate_default=True)) -> str:
    """Reads its arguments for ever."""
    return "ran"


@skill(effect="read", timeout=0.1)
async def serializer_hangs() -> Any:
    """Returns what takes for ever to write."""
    return Slow()


@skill(effect="read")
async def error_leaves() -> str:
    """Raises what ends the program when it is told."""
    raise Wordless


@skill(effect="read")
def question_interrupts() -> str:
    """Asks what cannot be asked."""
    raise Questionless


@skill(effect="read")
def report_leaves(context: Context) -> str:
    """Reports what ends the program when it is shown."""
    context.progress(type("Report", (), {"__str__": leaves})())  # type: ignore[arg-type]
    return "ran"


OWN_CODE = [
    predicate_leaves, predicate_interrupts, predicate_hangs, validator_leaves, validator_hangs,
    serializer_hangs, error_leaves, question_interrupts, report_leaves,
]  # fmt: skip
BAD: list[tuple[Skill, str]] = [
    (hang, "failed"), (wait, "failed"), (stubborn, "failed"), (leave, "failed"), (leave_async, "failed"),
    (interrupt, "failed"), (odd, "failed"), (endless, "failed"), (huge, "done"), (chatty, "done"),
    (tables, "done"), (no_number, "done"), (yielding, "failed"), (stuffed, "done"), (wrong_file, "failed"),
    (printing, "done"), *((bad, "failed") for bad in OWN_CODE),
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


def test_a_real_interrupt_ends_the_program_while_a_predicate_thinks() -> None:
    @skill(effect="read", confirm=lambda arguments: signal.raise_signal(signal.SIGINT))
    def fine() -> str:
        """Is interrupted by the person at the keyboard."""
        return "ran"

    async def main() -> None:
        model = ScriptedModel([CallDelta(0, "", "fine", "{}"), "never said"])
        async with scripted_engine(model, skills=[fine]) as engine:
            await engine.ask("a", "go")
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
