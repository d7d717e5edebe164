"""What a running turn writes, each write under its fence: steps, calls, the text so far, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, case, func, null, select, update

from duihua.codec import encode, encode_usage
from duihua.errors import NotFound, Superseded
from duihua.messages import SETTLED, Attachment, CallState, Effect, Step, Usage
from duihua.ports import Fence, Outcome, Work
from duihua_storage import consents, files
from duihua_storage.erasure import erase_turns
from duihua_storage.expressions import blob, const, now, number, word
from duihua_storage.fence import MINE, guarded, key, superseded
from duihua_storage.history import parse_call
from duihua_storage.lease import ROW, SessionRow, take
from duihua_storage.outbox import OWE
from duihua_storage.statement import Op, Statement, Tx
from duihua_storage.tables import inbox, sessions, skill_calls, steps, turns
from duihua_storage.tables import usage as usages

S, T, B, P, C, U = sessions.c, turns.c, inbox.c, steps.c, skill_calls.c, usages.c
_DAY = 86_400_000
NOTHING = Usage()


_unsettled = C.state.not_in([const(state) for state in sorted(SETTLED)])

# ---------------------------------------------------------------- steps and calls


def _step(insert: Any) -> Any:
    new = insert(steps).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        step=bindparam("st"),
        content=bindparam("c"),
        model=bindparam("m"),
        usage=bindparam("u"),
        at=now(),
    )
    said = {column: new.excluded[column] for column in ("content", "model", "usage", "at")}
    return new.on_conflict_do_update(index_elements=[P.session_id, P.seq, P.step], set_=said)


_author = (  # of the turn that writes
    select(func.coalesce(T.author_id, S.owner_id))
    .join_from(sessions, turns, T.session_id == S.id)
    .where(S.id == bindparam("s"), T.seq == number("own"))
    .scalar_subquery()
)


def _call(insert: Any) -> Any:
    new = insert(skill_calls).values(
        session_id=bindparam("s"),
        seq=bindparam("q"),
        step=bindparam("st"),
        idx=bindparam("ix"),
        name=bindparam("na"),
        effect=bindparam("e"),
        state=bindparam("sta"),
        arguments=bindparam("ar"),
        result=bindparam("re"),
        asker_id=_author,
        expires=bindparam("x"),
    )
    asked = ("name", "effect", "state", "arguments", "result", "expires")
    return new.on_conflict_do_update(
        index_elements=[C.session_id, C.seq, C.step, C.idx],
        set_={column: new.excluded[column] for column in asked},
        where=_unsettled,
    )


def _use(insert: Any) -> Any:
    new = insert(usages).from_select(
        ["tenant", "day", "owner_id", "model", "turns", "input", "cached", "output", "reasoning", "micros"],
        select(
            S.tenant,
            now().op("/")(const(_DAY)),
            S.owner_id,
            word("m"),
            number("n"),
            number("i"),
            number("ca"),
            number("o"),
            number("r"),
            number("mi"),
        ).where(S.id == bindparam("s")),
    )
    sums = ("turns", "input", "cached", "output", "reasoning", "micros")
    return new.on_conflict_do_update(
        index_elements=[U.tenant, U.day, U.owner_id, U.model],
        set_={column: U[column] + new.excluded[column] for column in sums},
    )


_STEP, _CALL, _USE = Statement(_step), Statement(_call), Statement(_use)
SET_CALL = Statement(
    update(skill_calls)
    .values(
        state=bindparam("sta"),
        result=func.coalesce(blob("re"), C.result),
        started=case(
            (word("sta") == const("running"), now()),
            else_=func.coalesce(C.started, now() - number("took")),  # NULL: it has not run
        ),
        ended=case((number("end") == const(1), now()), else_=C.ended),
        approver_id=case((C.state == const("held"), _author), else_=C.approver_id),
        expires=func.coalesce(number("x"), C.expires),
        effect=func.coalesce(word("e"), C.effect),
        held_for=func.coalesce(word("h"), C.held_for),
    )
    .where(
        C.session_id == bindparam("s"),
        C.seq == bindparam("q"),
        C.step == bindparam("st"),
        C.idx == bindparam("ix"),
        _unsettled,
    )
    .returning(C.idx)
)
_PARTIAL = Statement(
    update(turns)
    .values(partial=bindparam("p"))
    .where(
        MINE,
        select(S.id).where(S.id == T.session_id, S.lease_owner == bindparam("tok")).exists(),
    )
    .returning(T.seq)
)


def step(fence: Fence, number: int, step: Step, used: Usage, micros: int, expires: int) -> Tx[None]:
    """Journals an answer with its calls."""
    ops = journal(fence, number, step, used, expires)
    if used != Usage():
        ops.append((_USE, _used(fence.ref.session, step.model, used, micros, turns=0)))
    yield from guarded(fence, ops)


def journal(fence: Fence, number: int, step: Step, used: Usage = NOTHING, expires: int = 0) -> list[Op]:
    """What writes an answer with its calls."""
    at = {"s": fence.ref.session, "q": fence.ref.seq, "st": number}
    said = {**at, "c": encode(step.parts), "m": step.model, "u": encode_usage(used)}
    ops: list[Op] = [(_STEP, said)]
    for index, call in enumerate(step.calls):
        asked = {
            **at,
            "ix": index,
            "na": call.name,
            "e": call.effect,
            "sta": call.state,
            "ar": call.arguments.encode(),
            "re": call.result.encode() if call.result else None,
            "own": fence.ref.seq,
            "x": expires if expires and call.state == "held" else None,
        }
        ops.append((_CALL, asked))
    return ops


def _used(session: int, model: str, used: Usage, micros: int, *, turns: int) -> dict[str, Any]:
    return {
        "s": session,
        "m": model,
        "n": turns,
        "i": used.input,
        "ca": used.cached,
        "o": used.output,
        "r": used.reasoning,
        "mi": micros,
    }


def spent(session: int, model: str, used: Usage, micros: int) -> Tx[None]:
    """Counts what was used beside any turn."""
    yield _USE, _used(session, model, used, micros, turns=0)


def call(
    fence: Fence,
    call: str,
    state: CallState,
    result: str,
    expires: int = 0,
    given: Sequence[Attachment] = (),
    took: int | None = None,
    effect: Effect | None = None,
    skill: str = "",
) -> Tx[None]:
    """Sets a call of this turn, or a waiting one of an earlier turn of the session."""
    at = parse_call(call)
    if at is None or at["s"] != fence.ref.session or at["q"] > fence.ref.seq:
        raise NotFound("call", call)
    change = {
        "sta": state,
        "re": result.encode() if result else None,
        "own": fence.ref.seq,
        "end": 1 if state in SETTLED else 0,
        "x": expires or None,
        "took": took,
        "e": effect,
        "h": skill or None,
    }
    ops = [(SET_CALL, {**at, **change}), *files.keep(at["s"], at["q"], given)]
    rows, *_ = yield from guarded(fence, ops)
    if not rows:
        raise Superseded(f"call {call} is settled already, or was erased")


def partial(fence: Fence, text: str) -> Tx[None]:
    """Keeps the text so far."""
    rows = yield _PARTIAL, {**key(fence), "p": text.encode()}
    if not rows:
        raise superseded(fence)


# ---------------------------------------------------------------- the end

_stays = select(T.seq).where(T.session_id == S.id, T.seq == bindparam("q"), T.detached == const(0)).exists()
_DONE = Statement(
    update(sessions)
    .values(
        pending=S.pending - number("k"),
        head=case((_stays, number("q")), else_=S.head),
        window_from=case((and_(_stays, number("w") > const(0)), number("w")), else_=S.window_from),
        touched=now(),
        due=case((S.pending > number("k"), now())),
        lease_owner=case((S.pending > number("k"), S.lease_owner)),
        lease_until=case((S.pending > number("k"), now() + number("l")), else_=const(0)),
    )
    .where(S.id == bindparam("s"), S.lease_owner == bindparam("tok"))
    .returning(*ROW)
)
_ENDED = Statement(
    update(turns)
    .values(
        state=bindparam("sta"),
        ended=now(),
        finish=bindparam("f"),
        model=bindparam("m"),
        persona=bindparam("pe"),
        tokens=bindparam("t"),
        error=bindparam("e"),
        partial=null(),
    )
    .where(MINE)
    .returning(T.seq)
)
_ANSWERED = Statement(
    update(inbox)
    .values(state=const("done"))
    .where(B.session_id == bindparam("s"), B.turn_seq == bindparam("q"), B.state == const("taken"))
)
_ROW = Statement(select(*ROW).where(S.id == bindparam("s")))


def finish(fence: Fence, outcome: Outcome, lease: int) -> Tx[Work | None]:
    """Ends the turn with everything that follows from it, and starts the session's next one."""
    mine, own = key(fence), fence.ref.seq
    end = {
        **mine,
        "sta": outcome.state,
        "f": outcome.finish,
        "m": outcome.model,
        "pe": outcome.persona,
        "t": outcome.tokens,
        "e": outcome.error,
    }
    ops: list[Op] = [
        (_DONE, {**mine, "w": outcome.window_from, "l": lease, "k": outcome.inputs}),
        (_ENDED, end),
        (_ANSWERED, mine),
    ]
    if outcome.model or outcome.usage != Usage():  # else the turn ended before a model was chosen
        ops.append((_USE, _used(fence.ref.session, outcome.model, outcome.usage, outcome.micros, turns=1)))
    goes = outcome.state == "cleared" or outcome.erase == "session" or own in outcome.erase
    if outcome.step is not None and not goes:
        ops += journal(fence, outcome.number, outcome.step, outcome.usage, 0)
    if outcome.finish == "approval":
        ops.append(consents.beside(fence.ref))
    rows, ended, *_ = yield ops
    if not rows or not ended:
        raise superseded(fence)
    row = SessionRow(*rows[0])
    if goes or outcome.erase:
        which = None if outcome.erase == "session" else {*outcome.erase, *([own] if goes else ())}
        yield from erase_turns(fence.ref.session, which, keep=own if goes else 0)
        row = SessionRow(*(yield _ROW, {"s": fence.ref.session})[0])
    if outcome.sends:
        yield [(OWE, {**mine, "pa": o.part, "ki": o.kind, "b": o.body}) for o in outcome.sends]
    return (yield from take(row, fence.token)) if row.pending else None
