from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import enum
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, model_serializer

from duihua.errors import AskUser, SkillError
from duihua.messages import Call
from duihua.ports import Skill
from duihua.skills import Context, run, skill
from duihua.skills import schema as schema_module
from duihua.skills.threads import Threads


def a_call(name: str = "f", arguments: str = "") -> Call:
    return Call(id="1.1.0.0", name=name, arguments=arguments)


def quick(function: Callable[..., Any]) -> Skill:
    """A skill with almost no time."""
    return skill(effect="read", timeout=0.05)(function)


async def result_of(made: Skill, arguments: str = "", **options: Any) -> Call:
    return await run(a_call(made.name, arguments), made, Context(), **options)


def returning(value: Any) -> Skill:
    @skill
    async def f() -> Any:
        """Returns it."""
        return value

    return f


def raising(error: BaseException, sync: bool = False) -> Skill:
    if sync:

        @skill
        def f() -> None:
            """Raises it."""
            raise error
    else:

        @skill
        async def f() -> None:
            """Raises it."""
            raise error

    return f


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """A pool of two threads for the sync skills of one test."""
    pool = Threads(size=2, patience=3)
    monkeypatch.setattr(schema_module, "THREADS", pool)
    return pool


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """An event that nobody sets while the test runs."""
    event = threading.Event()
    yield event
    event.set()


class Color(enum.Enum):
    RED = "red"


class Model(BaseModel):
    n: int
    day: date = date(2025, 3, 7)


@dataclasses.dataclass
class Point:
    x: int
    model: Model


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (3, "3"),
        (2**70, "1180591620717411303424"),
        ([2**70, Model(n=1)], '[1180591620717411303424,{"n":1,"day":"2025-03-07"}]'),
        ({"城市": "北京", 1: (True, None)}, '{"城市":"北京","1":[true,null]}'),
        (Model(n=1), '{"n":1,"day":"2025-03-07"}'),
        (Point(1, Model(n=2)), '{"x":1,"model":{"n":2,"day":"2025-03-07"}}'),
        ([Color.RED, date(2025, 3, 7), {1}, Decimal("0.10")], '["red","2025-03-07",[1],"0.10"]'),
        ("half \ud800 emoji", "half ? emoji"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_result_is_text_or_json(value: Any, text: str) -> None:
    done = await result_of(returning(value))
    assert (done.state, done.result) == ("done", text)


class Treacherous(BaseModel):
    @model_serializer
    def dump(self) -> dict[str, Any]:
        sys.exit(1)


circle: list[Any] = []
circle.append(circle)


@pytest.mark.parametrize(
    "value",
    [object(), {1: object()}, b"bytes", circle, Treacherous(), "x".split],
    ids=lambda v: type(v).__name__,
)
async def test_what_has_no_json_form_is_a_failure(value: Any) -> None:
    failed = await result_of(returning(value))
    assert failed.state == "failed"
    assert "failed inside" in failed.result


async def test_a_long_result_is_clipped_with_a_note() -> None:
    done = await result_of(returning("字" * 20_000))
    assert len(done.result) == 8_000
    assert done.result.endswith("[clipped: 20000 characters in all]")
    assert len((await result_of(returning("字" * 200), limit=100)).result) == 100
    assert (await result_of(returning("字" * 100), limit=100)).result == "字" * 100


async def test_the_call_keeps_everything_else() -> None:
    call = Call("7.8.0.1", "f", "{}", effect="read")
    done = await run(call, returning("x"), Context())
    assert done == Call("7.8.0.1", "f", "{}", "done", "x", "read")


async def test_an_unknown_name_gets_the_nearest_ones() -> None:
    failed = await run(a_call("wether"), None, Context(), known=["clock", "weather", "calculator"])
    assert failed.state == "failed"
    assert failed.result == "There is no skill 'wether'. Nearest: weather."


async def test_an_unknown_name_like_none_gets_all_and_is_not_echoed_at_length() -> None:
    failed = await run(a_call("q" * 100_000), None, Context(), known=["clock", "weather"])
    assert "Nearest: clock, weather." in failed.result
    assert len(failed.result) < 200
    assert "none are offered" in (await run(a_call("x"), None, Context())).result


async def test_wrong_arguments_go_back_to_the_model() -> None:
    @skill
    async def f(n: int) -> int:
        """Does it."""
        raise AssertionError("never run")

    failed = await result_of(f, '{"m": 1}')
    assert failed.state == "failed"
    assert "n: missing" in failed.result
    assert "m: there is no such argument" in failed.result


@pytest.mark.parametrize("sync", [False, True])
async def test_a_skill_error_shows_its_text(sync: bool) -> None:
    failed = await result_of(raising(SkillError("the shop is closed"), sync))
    assert (failed.state, failed.result) == ("failed", "the shop is closed")


@pytest.mark.parametrize("sync", [False, True])
async def test_ask_user_goes_to_the_caller(sync: bool) -> None:
    with pytest.raises(AskUser, match="really"):
        await result_of(raising(AskUser("really?"), sync))


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret 4711"),
        SystemExit("secret 4711"),
        KeyboardInterrupt("secret 4711"),
        asyncio.CancelledError("secret 4711"),
        StopIteration("secret 4711"),
        GeneratorExit("secret 4711"),
        BaseException("secret 4711"),
        TimeoutError("secret 4711"),
    ],
    ids=lambda e: type(e).__name__ if isinstance(e, BaseException) else str(e),
)
async def test_any_other_exception_is_a_generic_line_and_a_log_entry(
    error: BaseException, sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[BaseException] = []
    failed = await result_of(raising(error, sync), on_error=seen.append)
    assert failed.state == "failed"
    assert failed.result.startswith("f failed inside")
    assert "4711" not in failed.result
    assert len(seen) == 1
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert type(error).__name__ in record.getMessage()
    assert "test_skill_runner.py" in record.getMessage(), "says where"
    assert "4711" not in caplog.text, "says no value"


async def test_the_log_shows_the_chain_without_values(caplog: pytest.LogCaptureFixture) -> None:
    @skill
    async def f(word: str) -> None:
        """Does it."""
        try:
            raise KeyError(word)
        except KeyError as e:
            raise RuntimeError(f"no {word}") from e

    await result_of(f, '{"word": "4711"}')
    assert "RuntimeError" in caplog.text
    assert "caused by KeyError" in caplog.text
    assert "4711" not in caplog.text


async def test_sys_exit_is_only_a_failure() -> None:
    @skill
    def f() -> None:
        """Exits."""
        sys.exit(3)

    assert (await result_of(f)).state == "failed"


async def test_an_async_skill_that_never_ends_fails_at_its_timeout() -> None:
    ended = asyncio.Event()

    @quick
    async def f() -> None:
        """Waits."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    failed = await result_of(f)
    assert failed.state == "failed"
    assert failed.result == "f gave no answer within 0.05 seconds and was given up."
    assert ended.is_set(), "it was cancelled, and could clean up"


async def test_a_timed_out_write_says_that_it_may_have_happened() -> None:
    @skill(timeout=0.05)
    async def f() -> None:
        """Waits."""
        await asyncio.Event().wait()

    assert "check before repeating" in (await result_of(f)).result


async def test_a_result_that_comes_while_it_is_cancelled_counts() -> None:
    @quick
    async def f() -> str:
        """Waits."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "what I have"

    done = await result_of(f)
    assert (done.state, done.result) == ("done", "what I have")


async def test_a_skill_that_swallows_cancellation_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed = asyncio.Event()

    @quick
    async def f() -> None:
        """Waits."""
        try:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue
        finally:
            closed.set()

    before = asyncio.all_tasks()
    failed = await result_of(f)
    assert "gave no answer" in failed.result
    assert closed.is_set()
    assert "ignored its cancellation" in caplog.text
    left = asyncio.all_tasks() - before
    await asyncio.wait(left) if left else None
    assert not asyncio.all_tasks() - before, "nothing of it lives on"


async def test_a_skill_that_swallows_even_that_lets_the_turn_go_on() -> None:
    swallowed: list[type[BaseException]] = []

    @quick
    async def f() -> None:
        """Waits."""
        while GeneratorExit not in swallowed:
            try:
                await asyncio.Event().wait()
            except BaseException as e:
                swallowed.append(type(e))
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    failed = await result_of(f)
    assert "gave no answer" in failed.result
    assert swallowed == [asyncio.CancelledError, GeneratorExit]
    left = asyncio.all_tasks() - before
    await asyncio.wait(left) if left else None
    assert not asyncio.all_tasks() - before


async def test_cancelling_the_turn_cancels_the_skill_and_goes_on() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @skill
    async def f() -> None:
        """Waits."""
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    turn = asyncio.create_task(result_of(f))
    await started.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert cancelled.is_set()


async def test_cancelling_the_turn_leaves_a_stuck_thread(threads: Threads, stuck: threading.Event) -> None:
    loop, started = asyncio.get_running_loop(), asyncio.Event()

    @skill
    def f() -> None:
        """Waits."""
        loop.call_soon_threadsafe(started.set)
        stuck.wait()

    turn = asyncio.create_task(result_of(f))
    await started.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert threads.abandoned == threads.stuck == 1


async def test_a_sync_skill_runs_in_a_thread_with_the_caller_s_contextvars() -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var")
    var.set("mine")

    @skill
    def f() -> list[Any]:
        """Tells."""
        return [var.get(), threading.current_thread() is threading.main_thread()]

    assert (await result_of(f)).result == '["mine",false]'


async def test_a_sync_function_may_return_an_awaitable() -> None:
    async def later() -> str:
        return "later"

    @skill
    def f() -> Any:
        """Returns one."""
        return later()

    assert (await result_of(f)).result == "later"


async def test_a_stuck_thread_is_counted_and_replaced(threads: Threads, stuck: threading.Event) -> None:
    @quick
    def hang() -> None:
        """Hangs."""
        stuck.wait()

    @skill
    def work(n: int) -> int:
        """Works."""
        return n

    failed = await asyncio.gather(result_of(hang), result_of(hang))
    assert {call.state for call in failed} == {"failed"}
    assert threads.abandoned == threads.stuck == 2
    worked = await asyncio.gather(*(result_of(work, f'{{"n": {n}}}') for n in range(10)))
    assert [call.result for call in worked] == [str(n) for n in range(10)]


async def test_a_skill_that_keeps_hanging_is_refused_and_the_others_are_not(
    threads: Threads, stuck: threading.Event
) -> None:
    @quick
    def hang() -> None:
        """Hangs."""
        stuck.wait()

    @quick
    def work() -> str:
        """Works."""
        return "fine"

    for _ in range(3):
        assert "gave no answer" in (await result_of(hang)).result
    assert "hang is stuck" in (await result_of(hang)).result
    assert threads.abandoned == 3
    assert (await result_of(work)).result == "fine"


async def test_a_call_that_returns_at_last_is_no_longer_stuck(threads: Threads) -> None:
    event, loop = threading.Event(), asyncio.get_running_loop()
    over = asyncio.Event()

    @quick
    def hang() -> None:
        """Hangs."""
        event.wait()
        threading.Thread(target=watch, args=(threading.current_thread(),)).start()

    def watch(thread: threading.Thread) -> None:
        thread.join()
        loop.call_soon_threadsafe(over.set)

    await result_of(hang)
    assert threads.stuck == 1
    event.set()
    await over.wait()
    assert (threads.stuck, threads.abandoned) == (0, 1)


async def test_more_calls_than_threads_are_all_answered() -> None:
    pool = Threads(size=3)
    values = await asyncio.gather(*(pool.run(lambda n=n: n * n, "f") for n in range(500)))
    assert values == [n * n for n in range(500)]


async def test_a_queued_call_that_is_cancelled_never_runs(stuck: threading.Event) -> None:
    pool, ran = Threads(size=1), threading.Event()
    first = asyncio.create_task(pool.run(stuck.wait, "f"))
    second = asyncio.create_task(pool.run(ran.set, "g"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    stuck.set()
    await first
    assert pool.abandoned == 0
    assert not ran.is_set()


async def test_a_queued_call_gets_the_place_of_an_abandoned_one(stuck: threading.Event) -> None:
    pool, loop, started = Threads(size=1), asyncio.get_running_loop(), asyncio.Event()

    def hang() -> None:
        loop.call_soon_threadsafe(started.set)
        stuck.wait()

    first = asyncio.create_task(pool.run(hang, "f"))
    second = asyncio.create_task(pool.run(lambda: 5, "g"))
    await started.wait()
    first.cancel()
    assert await second == 5


async def test_two_calls_never_wait_for_one_idle_thread() -> None:
    pool, meeting = Threads(size=2), threading.Barrier(2, timeout=10)
    await pool.run(threading.get_ident, "f")
    while not pool._idle:  # noqa: ASYNC110 (no event tells that a thread is idle)
        await asyncio.sleep(0)
    await asyncio.gather(pool.run(meeting.wait, "f"), pool.run(meeting.wait, "g"))


async def test_threads_are_used_again() -> None:
    pool = Threads(size=64)
    used = {await pool.run(threading.get_ident, "f") for _ in range(50)}
    assert len(used) < 50


async def test_context_has_key_deadline_and_settings() -> None:
    seen: list[Context] = []

    @skill(timeout=10)
    async def f(ctx: Context) -> None:
        """Looks."""
        seen.append(ctx)

    loop = asyncio.get_running_loop()
    await run(a_call(), f, Context(session="s", settings={"a": "b"}))
    await run(a_call(), f, Context(deadline=loop.time() + 3))
    assert (seen[0].session, seen[0].settings, seen[0].idempotency_key) == ("s", {"a": "b"}, "1.1.0.0")
    assert 3 < seen[0].deadline - loop.time() <= 10
    assert seen[1].deadline - loop.time() <= 3


async def test_a_turn_without_time_starts_no_skill() -> None:
    ran: list[int] = []

    @skill
    async def f() -> None:
        """Runs."""
        ran.append(1)

    failed = await run(a_call(), f, Context(deadline=asyncio.get_running_loop().time() - 1))
    assert failed.state == "failed"
    assert "was not started" in failed.result
    assert ran == []


@pytest.mark.parametrize("sync", [False, True])
async def test_progress_comes_out_on_the_loop_bounded(sync: bool) -> None:
    heard: list[tuple[str, bool]] = []
    kept: list[Context] = []

    def hear(text: str) -> None:
        heard.append((text, threading.current_thread() is threading.main_thread()))

    if sync:

        @skill
        def f(ctx: Context) -> None:
            """Reports."""
            ctx.progress("half")
            ctx.progress("x" * 5_000)
            kept.append(ctx)
    else:

        @skill
        async def f(ctx: Context) -> None:
            """Reports."""
            ctx.progress("half")
            ctx.progress("x" * 5_000)
            kept.append(ctx)

    assert (await run(a_call(), f, Context(progress=hear))).state == "done"
    assert heard[0] == ("half", True)
    assert len(heard[1][0]) == 500
    kept[0].progress("after the end")
    await asyncio.sleep(0)
    assert len(heard) == 2


def consenting(confirm: Any) -> Skill:
    @skill(confirm=confirm)
    def pay(amount: int) -> None:
        """Pays."""

    return pay


async def asks(made: Skill, arguments: str = '{"amount": 5}', **options: Any) -> bool:
    try:
        await run(a_call(made.name, arguments), made, Context(**options))
    except AskUser as e:
        return not str(e)
    return False


async def test_consent_is_asked_by_the_checked_arguments() -> None:
    pay = consenting(lambda arguments: arguments["amount"] > 100)
    assert await asks(pay, '{"amount": "500"}')
    assert not await asks(pay)
    assert not await asks(pay, '{"amount": 500}', approved=True)


async def test_consent_always_or_never() -> None:
    assert await asks(consenting(True))
    assert not await asks(consenting(False))


async def test_a_predicate_that_raises_counts_as_yes(caplog: pytest.LogCaptureFixture) -> None:
    assert await asks(consenting(lambda a: a["4711"]))
    assert "KeyError" in caplog.text


async def test_wrong_arguments_need_no_consent() -> None:
    assert not await asks(consenting(True), "{}")


STUCK = """
import asyncio, threading
from duihua.messages import Call
from duihua.skills import Context, run, skill

@skill(timeout=0.05)
def hang() -> None:
    "Hangs."
    threading.Event().wait()

@skill(timeout=0.05)
async def stubborn() -> None:
    "Swallows."
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def main():
    for made in (hang, stubborn):
        print((await run(Call("1", made.name, ""), made, Context())).state)

asyncio.run(main())
print("over")
"""


def test_a_process_with_stuck_skills_still_exits() -> None:
    result = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.split() == ["failed", "failed", "over"]
