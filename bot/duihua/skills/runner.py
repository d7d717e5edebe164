"""Runs one call to its end: whatever a skill does, the turn gets an answer within its timeout + 1 s.

A skill's own code is entered in one place (`_contained`), in a task of its own: its function, and also the
validators of its types, its consent predicate, the serializers of what it returns, the words of what it
raises. Whatever comes out of there, SystemExit too, is a value. Predicates, validators and serializers run in
a thread, save where they are known to be none of the skill's: constants, plain types, small plain results.

The cancel contract. When a skill's time is up its task is cancelled and has half a second to clean up; a
coroutine that swallows the cancellation is then closed, a thread is left behind and counted
(`duihua.skills.threads`). When the *turn* is cancelled, so is the skill, and CancelledError goes on to the
caller; a CancelledError that the skill raises by itself is a failure like any other. What cannot be helped is
code that blocks the event loop in an async skill, or keeps Python's lock in a thread: sync work belongs into
a plain `def`, what computes for long into a process of its own.
An async generator is closed (`aclose`) like any other coroutine is ended, whatever it still yields.

What a call attached counts only when the call is `done`: a skill that fails shows nothing.

What the model reads is either the skill's own text (result, `SkillError`, `BadArguments`) or a generic line.
The log gets where a skill failed, but no message of an exception: it may hold what a person wrote.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from duihua.messages import Call
from duihua.ports import Skill, always, never
from duihua.redact import where
from duihua.skills import results
from duihua.skills.complaint import clipped
from duihua.skills.contract import AskUser, BadArguments, Context, SkillError
from duihua.skills.files import Files, Room
from duihua.skills.offspring import inside
from duihua.skills.threads import THREADS

log = logging.getLogger(__name__)

MAX_RESULT = 8_000
"""Characters of a result that a model is shown, unless the caller says otherwise."""
QUESTION = 2_000
"""Characters of the question that an `AskUser` puts to a person."""

_GRACE = 0.5  # seconds to clean up in
_REPORTS = 1_000  # of one call
_PLAINLY = (SkillError, BadArguments, AskUser)  # whose words are no code but ours
_ended: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks but weakly


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of a piece of a skill's own code; `words` are an error's, or where it was raised."""

    value: Any = None
    error: BaseException | None = None
    words: str = ""
    late: bool = False


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
    begin: Callable[[Mapping[str, Any], bool], Awaitable[Call | None]] | None = None,
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
        begin: is awaited before the function itself is entered, with the arguments and whether a person is
            asked instead; a call that it returns is the outcome.

    Raises:
        AskUser: a person must consent first, and `context.approved` does not say that one has. The text is
            the skill's question, empty if `Skill.confirm` asks; at most QUESTION characters.
    """
    if skill is None:
        return _failed(call, _unknown(call.name, tuple(known)), limit)
    loop = asyncio.get_running_loop()
    timeout = skill.timeout if not context.deadline else min(skill.timeout, context.deadline - loop.time())
    if timeout <= 0:
        return _failed(call, f"{skill.name} was not started: no time is left in this turn.", limit)
    fail = partial(_failure, call, skill, timeout, limit, on_error)
    began = loop.time()
    judged = await _judged(skill, call.arguments, context.approved, timeout)
    if judged.error is not None:
        return fail(judged, entered=False)
    arguments, asks = judged.value
    left = timeout - (loop.time() - began)
    if begin is not None and (settled := await begin(arguments, asks)) is not None:
        return settled
    if asks:
        raise AskUser("")
    report, room = _Report(context.progress), room or Room()
    files, show = Files(call.id, room), context.attach
    context = replace(
        context,
        idempotency_key=call.id,
        deadline=loop.time() + left,
        progress=report.progress,
        attach=files.add,
    )
    try:
        ended = await _within(left, skill, partial(_outcome, skill, arguments, context, files))
    finally:
        report.left = 0
        files.close()
    if isinstance(ended.error, AskUser):
        raise AskUser(ended.words) from None
    if ended.error is not None:
        return fail(ended, entered=True)
    text: str = ended.value
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


async def read(skill: Skill, arguments: str) -> Mapping[str, Any] | None:
    """The arguments as the skill reads them; None if they do not fit."""
    judged = await _judged(skill, arguments, True, skill.timeout)
    return None if judged.error is not None else judged.value[0]


def needs_consent(skill: Skill, arguments: Mapping[str, Any]) -> bool:
    """Whether a person must consent to a call with these arguments. A predicate that raises counts as yes."""
    try:
        return bool(skill.confirm(arguments))
    except Exception as e:
        log.error("the consent predicate of skill %s failed: %s", skill.name, where(e))
        return True


async def _judged(skill: Skill, arguments: str, approved: bool, timeout: float) -> _Ended:
    """The arguments, read once, and whether a person must consent; wrong ones go back to the model."""
    judge = partial(_judge, skill, arguments, approved)
    if skill.plain and (approved or skill.confirm is never or skill.confirm is always):
        return await _contained(skill, partial(_at_once, judge))
    return await _within(timeout, skill, partial(THREADS.run, judge, skill.name))


def _judge(skill: Skill, arguments: str, approved: bool) -> tuple[Mapping[str, Any], bool]:
    values = skill.validate(arguments)
    return values, not approved and needs_consent(skill, values)


async def _at_once(work: Callable[[], Any]) -> Any:
    return work()


async def _outcome(skill: Skill, arguments: Mapping[str, Any], context: Context, files: Files) -> str:
    value = await skill.run(arguments, context)
    if results.simple(value):
        return results.text(value, files)
    return await THREADS.run(partial(results.text, value, files), skill.name)


async def _within(timeout: float, skill: Skill, work: Callable[[], Awaitable[Any]]) -> _Ended:
    """Awaits a skill's own code in a task of its own, no longer than that."""
    task = asyncio.get_running_loop().create_task(_contained(skill, work), context=inside())
    try:
        await asyncio.wait((task,), timeout=timeout)
        late = not task.done()
        if late:
            await _end(task, skill)
    except asyncio.CancelledError:
        await _end(task, skill)
        raise
    ended = task.result() if task.done() and not task.cancelled() else _Ended(error=asyncio.CancelledError())
    return replace(ended, late=late) if late else ended


async def _contained(skill: Skill, work: Callable[[], Awaitable[Any]]) -> _Ended:
    """The one place where a skill's own code is entered: nothing that it raises gets out of here."""
    try:
        try:
            return _Ended(await work())
        except BaseException as e:  # SystemExit must not reach the loop
            return _Ended(error=e, words=await _words(skill, e))
    except BaseException as e:  # even telling what it raised is the skill's own code
        return _Ended(error=e)


async def _words(skill: Skill, error: BaseException) -> str:
    """The text of an error that is for the model or a person, else where it was raised."""
    if isinstance(error, AskUser):
        limit = QUESTION
    elif isinstance(error, SkillError):
        limit = results.KEPT
    else:
        return where(error)
    if type(error) in _PLAINLY and results.simple(error.args):
        return clipped(str(error), limit)
    return await THREADS.run(lambda: clipped(results.exact(error), limit), skill.name)


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
            self.tell(results.reported(text))


def _failure(
    call: Call,
    skill: Skill,
    timeout: float,
    limit: int,
    on_error: Callable[[BaseException], None] | None,
    ended: _Ended,
    *,
    entered: bool,
) -> Call:
    """A failed call. `entered`: the function itself was, so it may have done something."""
    error = ended.error
    if isinstance(error, SkillError):
        return _failed(call, ended.words or f"{skill.name} failed.", limit)
    warning = entered and skill.effect == "write"
    if ended.late:
        return _failed(call, _too_late(skill, timeout) + _WARNING * warning, limit)
    log.error("skill %s failed: %s", skill.name, ended.words or type(error).__qualname__)
    if on_error is not None and error is not None:
        on_error(error)
    return _failed(call, _generic(skill) + _WARNING * warning, limit)


def _failed(call: Call, text: str, limit: int) -> Call:
    return replace(call, state="failed", result=results.clipped(text, limit))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if not known:
        return f"There is no skill {clipped(name, 64)!r}; none are offered here."
    near = difflib.get_close_matches(name[:64], known, n=3, cutoff=0.4) or known[:10]
    return f"There is no skill {clipped(name, 64)!r}. Nearest: {', '.join(near)}."


def _too_late(skill: Skill, timeout: float) -> str:
    return f"{skill.name} gave no answer within {timeout:.3g} seconds and was given up."


def _generic(skill: Skill) -> str:
    return f"{skill.name} failed inside, through no fault of the arguments."


_WARNING = " It may have taken effect all the same: check before repeating it."
