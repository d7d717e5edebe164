"""Runs one call to its end: whatever a skill does, the turn gets an answer within its timeout + 1 s.

The cancel contract. A skill runs in a task of its own. When its time is up the task is cancelled and has half
a second to clean up; a coroutine that swallows the cancellation is then closed, a thread is left behind and
counted (`duihua.skills.threads`). When the *turn* is cancelled, so is the skill, and CancelledError goes on
to the caller; a CancelledError that the skill raises by itself is a failure like any other. The one thing
that cannot be helped is an async skill that blocks the event loop: sync work belongs into a plain `def`.
An async generator is closed (`aclose`) like any other coroutine is ended, whatever it still yields.

What a call attached counts only when the call is `done`: a skill that fails shows nothing.

What the model reads is either the skill's own text (result, `SkillError`, `BadArguments`) or a generic line.
The log gets where a skill failed, but no message of an exception: it may hold what a person wrote.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from duihua.messages import Call
from duihua.ports import Skill
from duihua.redact import where
from duihua.skills import results
from duihua.skills.complaint import clipped
from duihua.skills.contract import AskUser, BadArguments, Context, SkillError
from duihua.skills.files import Files, Room

log = logging.getLogger(__name__)

MAX_RESULT = 8_000
"""Characters of a result that a model is shown, unless the caller says otherwise."""

_GRACE = 0.5  # seconds to clean up in
_PROGRESS = 500  # characters of one report
_REPORTS = 1_000  # of one call
_ended: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks but weakly


async def run(
    call: Call,
    skill: Skill | None,
    context: Context,
    *,
    known: Iterable[str] = (),
    limit: int = MAX_RESULT,
    on_error: Callable[[BaseException], None] | None = None,
    room: Room | None = None,
    keep: Callable[[bytes], None] | None = None,
) -> Call:
    """The call with its state (`done` or `failed`) and the text the model will read.

    Args:
        call: what the model asked for.
        skill: the skill of that name, None if there is none.
        context: its `idempotency_key` and `deadline` are set here; a `deadline` given (the turn's) is kept.
            Its `progress` and `attach` are told what the skill reports and, when it is done, each attachment,
            bounded, cleaned and with an id.
        known: the names there are, for the answer to an unknown one.
        limit: characters of the result, at most.
        on_error: is told an exception that the model sees a generic line for.
        room: what the turn's calls may still leave behind.
        keep: is given the whole of a result that is clipped, as UTF-8; None: `read_more` is not offered.

    Raises:
        AskUser: the skill wants a person's consent.
    """
    if skill is None:
        return _failed(call, _unknown(call.name, tuple(known)), limit)
    loop = asyncio.get_running_loop()
    timeout = skill.timeout if not context.deadline else min(skill.timeout, context.deadline - loop.time())
    if timeout <= 0:
        return _failed(call, f"{skill.name} was not started: no time is left in this turn.", limit)
    report, room = _Report(context.progress), room or Room()
    files, show = Files(call.id, room), context.attach
    context = replace(
        context,
        idempotency_key=call.id,
        deadline=loop.time() + timeout,
        progress=report.progress,
        attach=files.add,
    )
    task = loop.create_task(_outcome(skill, call.arguments, context, files))
    try:
        await asyncio.wait((task,), timeout=timeout)
        late = not task.done()
        if late:
            await _end(task, skill)
    except asyncio.CancelledError:
        await _end(task, skill)
        raise
    finally:
        report.left = 0
        files.close()
    ended = task.done() and not task.cancelled()
    text, error = task.result() if ended else ("", asyncio.CancelledError())
    if isinstance(error, AskUser):
        raise error
    if isinstance(error, SkillError):
        return _failed(call, str(error) or f"{skill.name} failed.", limit)
    if late and error is not None:
        return _failed(call, _too_late(skill, timeout), limit)
    if error is not None:
        log.error("skill %s failed: %s", skill.name, where(error))
        if on_error is not None:
            on_error(error)
        return _failed(call, _generic(skill), limit)
    for file in files.kept:
        show(file)
    notes = "\n".join(files.notes)
    limit = max(limit - len(notes) - 1, 0) if notes else limit
    if len(text) > limit and keep is not None and room.take(len(data := results.whole(text))):
        keep(data)
        text = results.opened(text, limit, short(call.id))
    said = results.clipped(text, limit)
    return replace(call, state="done", result=f"{said}\n{notes}" if said and notes else said or notes)


def short(call: str) -> str:
    """A call's id within its session, as a model is told it."""
    return call.partition(".")[2]


def needs_consent(skill: Skill, call: Call) -> bool:
    """Whether a person must consent to this call first. A predicate that raises counts as yes.

    Wrong arguments need none: `run` will send them back to the model.
    """
    try:
        return bool(skill.confirm(skill.validate(call.arguments)))
    except BadArguments:
        return False
    except Exception as e:
        log.error("the consent predicate of skill %s failed: %s", skill.name, where(e))
        return True


async def _outcome(
    skill: Skill, arguments: str, context: Context, files: Files
) -> tuple[str, BaseException | None]:
    try:
        return results.text(await skill.run(skill.validate(arguments), context), files), None
    except BaseException as e:  # SystemExit must not reach the loop; CancelledError is judged by `run`
        return "", e


async def _end(task: asyncio.Task[Any], skill: Skill) -> None:
    task.cancel()
    await asyncio.wait((task,), timeout=_GRACE)
    if task.done():
        return
    _ended.add(task)
    task.add_done_callback(_forget)
    coroutine: Any = task.get_coro()
    with suppress(RuntimeError):  # it waits even then: it never gets to know that nobody listens
        coroutine.close()  # raises GeneratorExit where the skill waits; `_outcome` swallows what comes of it
    task.cancel()  # wakes the task, which finds its coroutine closed
    log.warning("skill %s ignored its cancellation and was closed", skill.name)


def _forget(task: asyncio.Task[Any]) -> None:
    _ended.discard(task)
    if not task.cancelled():
        task.exception()


class _Report:
    """Progress of a running call, bounded; a call that is over reports no more."""

    __slots__ = ("left", "tell")

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.left = tell, _REPORTS

    def progress(self, text: object) -> None:
        if self.left > 0:
            self.left -= 1
            self.tell(clipped(str(text), _PROGRESS))


def _failed(call: Call, text: str, limit: int) -> Call:
    return replace(call, state="failed", result=results.clipped(text, limit))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if not known:
        return f"There is no skill {clipped(name, 64)!r}; none are offered here."
    near = difflib.get_close_matches(name[:64], known, n=3, cutoff=0.4) or known[:10]
    return f"There is no skill {clipped(name, 64)!r}. Nearest: {', '.join(near)}."


def _too_late(skill: Skill, timeout: float) -> str:
    return f"{skill.name} gave no answer within {timeout:.3g} seconds and was given up.{_warning(skill)}"


def _generic(skill: Skill) -> str:
    return f"{skill.name} failed inside, through no fault of the arguments.{_warning(skill)}"


def _warning(skill: Skill) -> str:
    return " It may have taken effect all the same: check before repeating it." * (skill.effect == "write")
