"""What is kept in memory of conversations: the newest, and no more bytes than it may."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any, cast

import pytest

from duihua.history import EACH, History, size
from duihua.messages import Call, Step, Text, Turn, TurnRef
from duihua.ports import Fence
from tests.dialects import V2


class Stored:
    """A store that is only asked for paths, and knows none: what comes from here was not kept."""

    async def path(self, session: int, head: int, **_: Any) -> Sequence[Turn]:
        return ()


def history(limit: int) -> History:
    return History(cast(Any, Stored()), limit)


def turn(session: int, seq: int, text: str = "hi") -> Turn:
    return Turn(TurnRef(session, seq), seq - 1, input=(Text(text),), steps=(Step((Text("hello"),)),))


def fence(session: int, seq: int) -> Fence:
    return Fence(TurnRef(session, seq), 1, "t")


async def talk(history: History, session: int, turns: int, *, since: int = 0) -> None:
    """A conversation, turn by turn, as a turn at work reads and appends it."""
    for seq in range(1, turns + 1):
        at = fence(session, seq)
        past = await history.before(at, seq - 1, since=since, limit=100)
        history.append(at, past, turn(session, seq), since=since)


async def kept(history: History, session: int, head: int) -> list[int]:
    return [one.ref.seq for one in await history.before(fence(session, head + 1), head, since=0, limit=9)]


async def test_what_was_not_used_for_the_longest_time_makes_room() -> None:
    own = history(5 * size(turn(1, 1)))
    await talk(own, 1, 2)
    await talk(own, 2, 2)
    assert await kept(own, 1, 2) == [1, 2]
    await talk(own, 3, 2)
    assert await kept(own, 2, 2) == []
    assert await kept(own, 1, 2) == [1, 2]
    assert await kept(own, 3, 2) == [1, 2]


async def test_turns_that_leave_the_window_and_sessions_that_are_dropped_make_room() -> None:
    own = history(4 * size(turn(1, 1)))
    for seq in range(1, 40):
        past = await own.before(fence(1, seq), seq - 1, since=0, limit=100)
        assert [one.ref.seq for one in past] == [*range(max(1, seq - 2), seq)]
        own.append(fence(1, seq), past, turn(1, seq), since=seq - 1)
    assert await kept(own, 1, 39) == [38, 39]
    own.drop(TurnRef(1, 0))
    await talk(own, 2, 2)
    await talk(own, 3, 2)
    assert await kept(own, 1, 39) == []
    assert await kept(own, 2, 2) == [1, 2]
    assert await kept(own, 3, 2) == [1, 2]


async def test_a_conversation_that_is_too_large_leaves_the_others_alone() -> None:
    own = history(4 * EACH)
    await talk(own, 1, 1)
    own.append(fence(2, 1), (), turn(2, 1, "long" * EACH), since=0)
    assert await kept(own, 2, 1) == []
    assert await kept(own, 1, 1) == [1]


@pytest.mark.parametrize("text", ["how are you? " * 60, "你好吗" * 250, "好😀" * 400, "hi"])
def test_a_turn_is_counted_as_about_what_it_takes(text: str) -> None:
    # as a stored turn comes: every text its own, rendered for the request that follows
    def made(seq: int) -> Turn:
        own, said, result = f"{seq} {text}", f"{text} {seq}", f"{seq}: {text}"
        call = Call(f"1.{seq}.0.0", "f", f'{{"x":{seq}}}', "done", result)
        return Turn(TurnRef(1, seq), seq - 1, None, (Text(own),), (Step((), (call,)), Step((Text(said),))))

    V2.pack("", [made(1)])
    tracemalloc.start()
    turns = [made(seq) for seq in range(1, 31)]
    for one in turns:
        V2.pack("", (one, turn(1, 99)))
    taken = tracemalloc.get_traced_memory()[0] / len(turns)
    tracemalloc.stop()
    assert 0.6 < size(turns[0]) / taken < 1.6
