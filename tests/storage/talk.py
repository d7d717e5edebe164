"""Short forms for talking to a store in tests."""

from __future__ import annotations

import itertools
from typing import Any

from duihua.messages import Address, Call, Step, Text, Turn, TurnRef, Usage, call_id
from duihua.ports import Accepted, Input, Outcome, SendBody, Work
from duihua_storage import SqlStore

LEASE = 15_000
_NUMBER = itertools.count(1)


def at(chat: str = "home", front: str = "terminal") -> Address:
    return Address(front, chat)


def token() -> str:
    return f"token-{next(_NUMBER)}"


def said(text: str, chat: str = "home", **fields: Any) -> Input:
    usual = {"source": "test", "source_id": f"{next(_NUMBER)}", "address": at(chat)}
    return Input(**{**usual, "parts": (Text(text),) if text else (), **fields})


async def say(store: SqlStore, text: str, chat: str = "home", **fields: Any) -> Work:
    """Says something in an idle session and claims its turn."""
    accepted = await store.accept(said(text, chat, **fields), token=token())
    assert accepted.work is not None
    return accepted.work


async def queue(store: SqlStore, text: str, chat: str = "home", **fields: Any) -> Accepted:
    """Says something without claiming."""
    return await store.accept(said(text, chat, **fields))


async def end(store: SqlStore, work: Work, text: str = "ok", **fields: Any) -> Work | None:
    """Answers a turn; returns the next one that the same claim goes on with."""
    step = Step((Text(text),), (), "m") if text else None
    fields = {"state": "done", "finish": "stop", "number": 9, "step": step, "model": "m", **fields}
    return await store.finish(work.fence, Outcome(**fields), lease=LEASE)


async def talk(store: SqlStore, *texts: str, chat: str = "home", **fields: Any) -> list[int]:
    """Says and answers one text after the other; returns the turns' numbers."""
    seqs: list[int] = []
    for text in texts:
        work = await say(store, text, chat, **fields)
        await end(store, work, f"re: {text}")
        seqs.append(work.fence.ref.seq)
    return seqs


async def head(store: SqlStore, chat: str = "home") -> int:
    info = await store.session(at(chat))
    assert info is not None
    return info.head


async def history(store: SqlStore, chat: str = "home", **fields: Any) -> list[str]:
    """What was said on the session's path, oldest first."""
    info = await store.session(at(chat))
    assert info is not None
    return [inputs(turn) for turn in await store.path(info.id, info.head, **fields)]


def inputs(turn: Turn) -> str:
    return "".join(part.text for part in turn.input if isinstance(part, Text))


def calling(ref: TurnRef, *states: Any, number: int = 0, text: str = "let me see") -> Step:
    """A step with one call of each state."""
    calls = tuple(
        Call(call_id(ref, number, index), f"skill{index}", '{"a": 1}', state)
        for index, state in enumerate(states)
    )
    return Step((Text(text),), calls, "m")


def sends(*texts: str) -> tuple[SendBody, ...]:
    return tuple(SendBody(part, "message", text.encode()) for part, text in enumerate(texts))


NOTHING = Usage()
