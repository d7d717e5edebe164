"""What the next request of a conversation would hold, part by part: where tokens go, what is known why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Literal, cast

import orjson

from duihua.brief import Brief, window_limit
from duihua.briefs import Briefs
from duihua.composition import NOTHING
from duihua.memories import Hit
from duihua.messages import Address, Part, Text, Turn, TurnRef
from duihua.naming import speaker
from duihua.ports import SessionInfo, Store
from duihua.recollection import NOBODY, Recollection
from duihua.skills.gate import Administrator
from duihua.tokens import estimate

PartKind = Literal["persona", "memory", "skills", "turn", "recalled", "question"]


@dataclass(frozen=True, slots=True)
class ContextPart:
    """One part of a request. `tokens`: its share of the estimate; `turn`: its number, 0 if it has none."""

    kind: PartKind
    text: str
    tokens: int
    turn: int = 0


@dataclass(frozen=True, slots=True)
class ContextView:
    """What the next request would hold.

    Attributes:
        model: `provider/model`.
        system: the system text, as far as the wire has a field for it.
        messages: as they are sent.
        turns: messages[i] comes from this turn, None: from none.
        skills: names of those that are offered.
        tokens: of all, as they count against the limit: estimated, with a margin.
        expected: of all, without that margin.
        limit: tokens that a request of this model may have, None: not documented.
        start: number of the turn at which the window starts.
        parts: the same in its parts, in the order of the request.
        recalled: where each recalled line comes from.
        offered: the skills as they are sent beside the messages, if the wire has a place for them.
        counted: tokens by the platform's own count, None: it was not asked, or does not count.
    """

    model: str
    system: str
    messages: tuple[Mapping[str, Any], ...]
    turns: tuple[int | None, ...]
    skills: tuple[str, ...]
    tokens: int
    limit: int | None
    start: int
    expected: int = 0
    parts: tuple[ContextPart, ...] = ()
    recalled: tuple[Hit, ...] = ()
    offered: str = ""
    counted: int | None = None

    @property
    def text(self) -> str:
        """All that is sent as text: the system text, the skills, the messages' contents."""
        said = [_content(message) for message in self.messages]
        return "\n".join(part for part in (self.system, self.offered, *said) if part)


class Previews:
    """Shows the next request of any session.

    Args:
        store: where sessions are.
        recollection: what memory adds.
        briefs: what turns are answered with.
        is_admin: who is an administrator.
    """

    def __init__(
        self, store: Store, recollection: Recollection, briefs: Briefs, is_admin: Administrator
    ) -> None:
        self._store, self._recollection = store, recollection
        self._briefs, self._is_admin = briefs, is_admin

    async def of(self, address: Address, content: str, name: str = "", *, external: str = "") -> ContextView:
        """What the next request of a session would hold if `name` said `content`."""
        info = await self._store.session(address)
        if info is not None and not address.shared:
            who = info.owner
        else:
            user = await self._store.user(address.tenant, address.front, external or address.chat)
            who = user or 0
        if info is None and who:  # nothing was said there yet, but the person is known
            info = SessionInfo(0, address.key, address, who, 0, 0, 0)
        shared = address.shared
        brief = self._briefs.of(
            info.settings if info else {},
            "" if shared else name,
            admin=self._briefs.restricted and await self._is_admin(address, who),
            shared=shared,
        )
        said = (*((speaker(name),) if shared else ()), Text(content))
        return await _preview(self._store, self._recollection, brief, info, content, said)


async def _preview(
    store: Store,
    recollection: Recollection,
    brief: Brief,
    info: SessionInfo | None,
    content: str,
    said: tuple[Part, ...],
) -> ContextView:
    """What a session's next request would hold if `content` were said; `info` is None for a new session.

    `said`: its parts.
    """
    dialect = brief.dialect
    past: Sequence[Turn] = ()
    current = Turn(TurnRef(info.id if info else 0, 0), input=said, state="running")
    remembered, holder = NOTHING, NOBODY
    start = info.window_from if info else 0
    if info is not None:
        past = await store.path(info.id, info.head, since=start, limit=window_limit(dialect))
        newest = info.head + 1
        current = Turn(TurnRef(info.id, newest), info.head, input=said, state="running")
        holder = recollection.holder(info)
        remembered = await recollection.of(holder, current, past, locale=brief.locale)
    tools = brief.offered(past, current)
    composed, _ = await recollection.compose(
        holder, brief, (*past, current), tools, remembered=remembered, start=start
    )
    packed = composed.packed
    messages = tuple(orjson.loads(message) for message in packed.messages)
    parts = [_part("persona", composed.persona), _part("memory", composed.memory)]
    parts += [_part("skills", orjson.dumps(dict(tool.schema)).decode()) for tool in tools]
    for message, ref in zip(messages, packed.rounds, strict=True):
        if ref is not None and ref != current.ref:
            parts.append(_part("turn", _content(message), ref.seq))
    parts += [_part("recalled", composed.recalled), _part("question", content)]
    return ContextView(
        model=dialect.name,
        system=orjson.loads(packed.system) if packed.system else "",
        messages=messages,
        turns=tuple(_seq(ref, current) for ref in packed.rounds),
        skills=tuple(tool.name for tool in tools),
        tokens=packed.tokens,
        limit=dialect.soft.tokens,
        start=packed.start if packed.start != current.ref.seq else 0,
        expected=recollection.expected(dialect.name, packed),
        parts=_shared(packed.tokens, [part for part in parts if part.text]),
        recalled=composed.shown,
        offered=dialect.lower(tools).decode(),
    )


def _part(kind: PartKind, text: str, turn: int = 0) -> ContextPart:
    return ContextPart(kind, text, 0, turn)


def _shared(tokens: int, parts: Sequence[ContextPart]) -> tuple[ContextPart, ...]:
    """The parts with their tokens, which come to all: the frames of messages go with their texts."""
    sizes = [estimate(part.text) for part in parts]
    ends = [round(tokens * upto / (sum(sizes) or 1)) for upto in accumulate(sizes, initial=0.0)]
    return tuple(
        replace(part, tokens=end - begin) for part, (begin, end) in zip(parts, pairwise(ends), strict=True)
    )


def _seq(ref: TurnRef | None, current: Turn) -> int | None:
    return None if ref is None or ref == current.ref else ref.seq


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message in whatever form its wire has, its calls as JSON."""
    content = message.get("content")
    if isinstance(content, str):
        said = content
    else:
        blocks = cast("list[Any]", content) if isinstance(content, list) else []
        texts = (cast("dict[str, Any]", block).get("text") for block in blocks if isinstance(block, dict))
        said = "\n".join(str(text) for text in texts if text)
    calls = message.get("function_call") or message.get("tool_calls")
    return f"{said}\n{orjson.dumps(calls).decode()}" if calls else said
