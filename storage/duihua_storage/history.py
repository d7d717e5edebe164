"""What was said: turns with their steps and calls, read along a path, one by one, or by an input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import orjson
from sqlalchemy import CTE, Column, FromClause, Select, func, select, union_all

from duihua.codec import decode, decode_usage
from duihua.messages import Author, Call, Step, Turn, TurnRef, Usage, call_id
from duihua.ports import Progress, StoredCall
from duihua_storage.expressions import const, number, numbers
from duihua_storage.sessions import name_of
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import inbox, sessions, skill_calls, steps, turns

B, C, P, S, T = inbox.c, skill_calls.c, steps.c, sessions.c, turns.c


# ---------------------------------------------------------------- turns

_KEPT = (T.session_id, T.seq, T.parent, T.state, T.finish, T.input, T.started, T.no_recall, T.author_id)


def rows_of(turns: FromClause) -> Select[*tuple[Any, ...]]:
    """SQL: rows of `turns` as `turns_of` reads them, the author's id and name last."""
    author = func.coalesce(turns.c.author_id, S.owner_id)
    kept = [turns.c[column.name] for column in _KEPT[:-1]]
    return select(*kept, author, name_of(author)).join_from(turns, sessions, S.id == turns.c.session_id)


def walk(*columns: Column[Any]) -> CTE:
    """SQL: the turns from `h` towards the beginning, at most `n`, none before `f`, one lookup for each."""
    last = (
        select(*columns, const(1).label("depth"))
        .where(T.session_id == number("s"), T.seq == number("h"), T.seq >= number("f"))
        .cte("walk", recursive=True)
    )
    return last.union_all(
        select(*columns, last.c.depth + const(1)).where(
            T.session_id == number("s"),
            T.seq == last.c.parent,
            T.seq >= number("f"),
            last.c.depth < number("n"),
        )
    )


_walk = walk(*_KEPT)
_PATH = Statement(rows_of(_walk).order_by(_walk.c.seq))
_ONE = Statement(rows_of(turns).where(T.session_id == number("s"), T.seq == number("q")))
_child = turns.alias("child")
_HEADS = Statement(
    rows_of(turns)
    .where(
        T.session_id == number("s"),
        T.state != const("cleared"),
        T.seq.not_in(
            select(_child.c.parent).where(
                _child.c.session_id == number("s"), _child.c.state != const("cleared")
            )
        ),
    )
    .order_by(T.seq.desc())
)
_STEPS = Statement(
    select(P.seq, P.step, P.content, P.model)
    .where(P.session_id == number("s"), P.seq.op("IN")(numbers("qs")))
    .order_by(P.seq, P.step)
)
_CALLS = Statement(
    select(C.seq, C.step, C.idx, C.name, C.arguments, C.state, C.result, C.effect)
    .where(C.session_id == number("s"), C.seq.op("IN")(numbers("qs")))
    .order_by(C.seq, C.step, C.idx)
)


_THESE = Statement(
    rows_of(turns)
    .where(T.session_id == number("s"), T.seq.op("IN")(numbers("qs")), T.state != const("cleared"))
    .order_by(T.seq)
)


def path(session: int, head: int, since: int, limit: int) -> Tx[Sequence[Turn]]:
    """The newest turns on a path, oldest first, in three queries whatever its length."""
    rows = yield _PATH, {"s": session, "h": head, "f": since, "n": limit}
    return (yield from turns_of(session, rows))


def turns_of(session: int, rows: Sequence[Any]) -> Tx[list[Turn]]:
    """The turns of a session's rows, with their steps."""
    said = yield from steps_of(session, [row[1] for row in rows])
    return [_turn(row, said.get(row[1], ())) for row in rows]


def turn(ref: TurnRef) -> Tx[Turn | None]:
    """One turn with its steps."""
    rows = yield _ONE, {"s": ref.session, "q": ref.seq}
    if not rows:
        return None
    said = yield from steps_of(ref.session, [ref.seq])
    return _turn(rows[0], said.get(ref.seq, ()))


def said(refs: Sequence[TurnRef]) -> Tx[Sequence[Turn]]:
    """Turns of several sessions, with their steps."""
    out: list[Turn] = []
    by_session: dict[int, list[int]] = {}
    for ref in refs:
        by_session.setdefault(ref.session, []).append(ref.seq)
    for session, seqs in sorted(by_session.items()):
        rows = yield _THESE, {"s": session, "qs": orjson.dumps(seqs).decode()}
        out += yield from turns_of(session, rows)
    return out


def heads(session: int) -> Tx[Sequence[Turn]]:
    """The turns that no other continues, newest first, without their steps."""
    rows = yield _HEADS, {"s": session}
    return [_turn(row, ()) for row in rows]


def steps_of(session: int, seqs: Sequence[int]) -> Tx[dict[int, tuple[Step, ...]]]:
    """The steps of some turns of a session, with their calls."""
    if not seqs:
        return {}
    which = {"s": session, "qs": orjson.dumps(seqs).decode()}
    rows, called = yield [(_STEPS, which), (_CALLS, which)]
    calls: dict[tuple[int, int], list[Call]] = {}
    for seq, step, index, name, arguments, state, result, effect in called:
        id_ = call_id(TurnRef(session, seq), step, index)
        calls.setdefault((seq, step), []).append(_call(id_, name, arguments, state, result, effect))
    said: dict[int, list[Step]] = {}
    for seq, step, content, model in rows:
        answer = Step(decode(content), tuple(calls.get((seq, step), ())), model or "")
        said.setdefault(seq, []).append(answer)
    return {seq: tuple(answers) for seq, answers in said.items()}


def _turn(row: tuple[Any, ...], said: tuple[Step, ...]) -> Turn:
    session, seq, parent, state, finish, input, started, off_record, author, name = row
    return Turn(
        TurnRef(session, seq),
        parent,
        Author(author, name or ""),
        decode(input),
        said,
        state,
        finish or "",
        started,
        bool(off_record),
    )


def _call(id_: str, name: str, arguments: bytes, state: Any, result: bytes | None, effect: Any) -> Call:
    return Call(id_, name, arguments.decode(), state, (result or b"").decode(), effect)


# ---------------------------------------------------------------- calls

_CALL_COLUMNS = (
    C.session_id,
    C.seq,
    C.step,
    C.idx,
    C.name,
    C.arguments,
    C.state,
    C.result,
    C.effect,
    C.asker_id,
    C.expires,
    C.held_for,
)
_CALL = Statement(
    select(*_CALL_COLUMNS).where(
        C.session_id == number("s"), C.seq == number("q"), C.step == number("st"), C.idx == number("ix")
    )
)
_HELD = Statement(
    select(*_CALL_COLUMNS)
    .where(C.session_id == number("s"), C.state == const("held"))
    .order_by(C.seq, C.step, C.idx)
)

_HEAD = Statement(select(S.head).where(S.id == number("s")))
_ON_PATH = Statement(select(walk(T.seq, T.parent).c.seq))


def parse_call(call: str) -> dict[str, int] | None:
    """The key of a call's row by its id, None if that is no id of a call."""
    numbers_ = call.split(".")
    if len(numbers_) != 4 or not all(n.isascii() and n.isdigit() and len(n) < 19 for n in numbers_):
        return None
    session, seq, step, index = map(int, numbers_)
    if step > 32767 or index > 32767:
        return None
    return {"s": session, "q": seq, "st": step, "ix": index}


def stored_call(call: str) -> Tx[StoredCall | None]:
    """A call by its id."""
    key = parse_call(call)
    if key is None:
        return None
    rows = yield _CALL, key
    return _stored(rows[0]) if rows else None


def held(session: int) -> Tx[Sequence[StoredCall]]:
    """The calls of a session that wait for a decision, oldest first: none of turns that were taken back."""
    rows = yield _HELD, {"s": session}
    if not rows:
        return []
    head = (yield _HEAD, {"s": session})[0][0]
    path = yield _ON_PATH, {"s": session, "h": head, "f": rows[0][1], "n": 2**62}
    stands = {row[0] for row in path}
    return [_stored(row) for row in rows if row[1] in stands]


def _stored(row: tuple[Any, ...]) -> StoredCall:
    session, seq, step, index, name, arguments, state, result, effect, asker, expires, skill = row
    ref = TurnRef(session, seq)
    call = _call(call_id(ref, step, index), name, arguments, state, result, effect)
    return StoredCall(ref, step, index, call, asker or 0, expires or 0, skill or "")


# ---------------------------------------------------------------- inputs

_INPUT = Statement(
    select(B.state, B.session_id, B.turn_seq, T.attempt, T.partial, T.model, T.error)
    .outerjoin_from(inbox, turns, (T.session_id == B.session_id) & (T.seq == B.turn_seq))
    .where(B.id == number("i"))
)
_USAGE = Statement(select(P.usage).where(P.session_id == number("s"), P.seq == number("q")))


def _open(state: str) -> Select[Any]:
    return select(B.id).where(B.session_id == number("s"), B.state == const(state))


_WAITING = Statement(union_all(_open("pending"), _open("taken")))


def progress(input: int) -> Tx[Progress]:
    """Where an input stands."""
    rows = yield _INPUT, {"i": input}
    if not rows:
        return Progress("gone")
    state, session, seq, attempt, partial, model, error = rows[0]
    if state in ("pending", "cancelled"):
        return Progress(state)
    found = yield from turn(TurnRef(session, seq))
    if found is None:
        return Progress("gone")
    used = yield _USAGE, {"s": session, "q": seq}
    return Progress(
        state,
        found,
        attempt,
        (partial or b"").decode(),
        model or "",
        _total(decode_usage(row[0]) for row in used),
        error or "",
    )


def waiting(session: int) -> Tx[Sequence[int]]:
    """The ids of a session's inputs that have no answer yet, oldest first."""
    rows = yield _WAITING, {"s": session}
    return sorted(cast(int, row[0]) for row in rows)


def _total(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())
