"""Turns that stand in each other's place: a retry or an edit, the turn it re-ran, and what re-ran that one.

They are known by the number of the first of them, `turns.rerun_of`: the parent alone does not tell, because
the first turn of every conversation has none, and a reply to an older turn has the one of another.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from duihua.codec import decode
from duihua.messages import Call, Decision, TurnRef, call_id
from duihua_storage.expressions import const, number, word
from duihua_storage.history import parse_call
from duihua_storage.statement import Statement, Tx
from duihua_storage.tables import skill_calls, turns

C, T = skill_calls.c, turns.c

FIRST = func.coalesce(T.rerun_of, T.seq)
"""SQL: the first of the turns that a turn stands in the place of; itself, if it re-runs none."""

_ONE = Statement(select(FIRST, T.input).where(T.session_id == number("s"), T.seq == number("q")))
_WRITES = Statement(
    select(C.seq, C.step, C.idx, C.arguments, C.result)
    .where(
        C.session_id == number("s"),
        C.seq >= number("f"),
        C.name == word("n"),
        C.state == const("done"),
        C.effect == const("write"),
    )
    .order_by(C.seq, C.step, C.idx)
)
_TREE = Statement(
    select(T.seq, T.parent, FIRST).where(T.session_id == number("s"), T.seq >= number("f")).order_by(T.seq)
)


def written(call: str, name: str) -> Tx[Sequence[Call]]:
    """The writes `name` that were done in the place of the turn of `call`, oldest first.

    They are those of the turns that it re-runs, or that re-ran it, and of all that followed these. A turn
    that carries out a decision answers the same input as the turn that asked.
    """
    key = parse_call(call)
    out: list[Call] = []
    while key is not None:
        session, seq = key["s"], key["q"]
        rows = yield _ONE, {"s": session, "q": seq}
        if not rows:
            break
        first, input = rows[0]
        out += yield from _in_place(session, seq, first, name)
        decision = next((part for part in decode(input) if isinstance(part, Decision)), None)
        asked = parse_call(decision.call) if decision else None
        key = asked if asked and asked["s"] == session and asked["q"] < seq else None
    return sorted(out, key=_place)


def _in_place(session: int, seq: int, first: int, name: str) -> Tx[list[Call]]:
    where = {"s": session, "f": first}
    calls = yield _WRITES, {**where, "n": name}
    if not any(row[0] != seq for row in calls):
        return []
    tree = yield _TREE, where
    others: set[int] = set()  # a turn comes after its parent, so one pass finds all that follow
    for at, parent, group in tree:
        if at != seq and (group == first or parent in others):
            others.add(at)
    return [
        Call(
            call_id(TurnRef(session, at), *place), name, arguments.decode(), "done", (result or b"").decode()
        )
        for at, *place, arguments, result in calls
        if at in others
    ]


def _place(call: Call) -> tuple[int, ...]:
    return tuple(map(int, call.id.split(".")))
