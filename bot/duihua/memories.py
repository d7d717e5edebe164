"""What is remembered beyond a conversation's own turns: values, and the borders of memory. Types only.

An *owner* is whose memory it is: a person (`users.id`), or a conversation where others read along (minus its
session's id), so that what somebody said elsewhere never turns up among others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from duihua.messages import Address, Turn, TurnRef, Usage

# ---------------------------------------------------------------- notes

Span = tuple[int, int]
"""The first and the last seq of turns that follow each other on a path."""


@dataclass(frozen=True, slots=True)
class Note:
    """What stays of turns that have left the window: a note (level 0), or the digest of older notes (1).

    It applies to a path that runs through its turns: `upto` is the last of them, `after` the turn before the
    first (0: none), so a path's notes are found from its window backwards. `by`: a model, or `extract`.
    """

    first: int
    upto: int
    after: int
    covers: tuple[Span, ...]
    text: str
    by: str = "extract"
    level: Literal[0, 1] = 0
    at: int = 0  # ms UTC


# ---------------------------------------------------------------- facts

FactKind = Literal["instruction", "profile", "preference", "event", "other"]
"""`instruction`: a standing wish, kept in the person's own words and part of every request; `profile`: what
one has one of (name, home, birthday); `preference`: a liking or disliking."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known about an owner, in one sentence. Times are ms UTC, 0: never.

    `subject` says what it is about (`name`, `home`, `like`): of a kind that has one value, the new one
    replaces the old one, which stays as history (`superseded_by`). `sources` are the turns it rests on;
    `stays`: sessions in which it was also said in a turn that was forgotten while this was to stay, so that
    it does not go with the others.
    """

    id: int
    owner: int
    kind: FactKind
    subject: str
    text: str
    sources: tuple[TurnRef, ...] = ()
    confidence: float = 1.0
    first_seen: int = 0
    last_seen: int = 0
    expires: int = 0
    superseded_by: int = 0
    stays: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found in turns and may become a fact. `at`: when it was said."""

    kind: FactKind
    subject: str
    text: str
    sources: tuple[TurnRef, ...]
    confidence: float = 0.6
    at: int = 0
    expires: int = 0


@dataclass(frozen=True, slots=True)
class FactChange:
    """What a finding does: it says again what is `known` (a fact's id), or is new and `replaces` facts.

    -n among those that it replaces is what the nth change of the same changes writes.
    """

    finding: Finding
    known: int = 0
    replaces: tuple[int, ...] = ()


Place = tuple[int, int]
"""Session and seq: a `TurnRef` where there are thousands."""


@dataclass(frozen=True, slots=True)
class FactBook:
    """The facts of an owner that hold now. Changes are written on top of `version` or not at all.

    `outdated` are the turns in which something was said that holds no more: that, and what holds instead.
    `memo` keeps what is worked out of these very facts; it is a cache and no part of the value.
    """

    version: int
    facts: tuple[Fact, ...] = ()
    outdated: Mapping[Place, Sequence[tuple[Fact, Fact]]] = field(
        default_factory=dict[Place, Sequence[tuple[Fact, Fact]]], compare=False, repr=False
    )
    memo: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)


# ---------------------------------------------------------------- recall


@dataclass(frozen=True, slots=True)
class Document:
    """A turn as recall knows it: its terms and how often each stands in it. `at`: ms UTC.

    `tells`: the person told something in it that is worth being reminded of unasked.
    """

    ref: TurnRef
    at: int
    terms: Mapping[str, int] = field(hash=False)
    tells: bool = False


class Found(NamedTuple):
    """A document that holds some of the terms asked for: bit n of `terms` is set if it holds the nth."""

    at: int
    length: int  # terms in all, repeated ones counted each time
    terms: int = 0
    often: Mapping[int, int] = MappingProxyType({})  # how often, of terms that stand there more than once
    tells: bool = False  # see `Document`


@dataclass(frozen=True, slots=True)
class Matches:
    """What an owner's index knows of some terms.

    `documents` and `length` are of the whole index (their number, and the sum of their lengths); `holding[i]`
    is the number of documents that hold term i. `found` may leave out documents that hold only the most
    common of the terms. `turns` and `book` are what was read with it.
    """

    documents: int
    length: int
    holding: Sequence[int]
    found: Mapping[Place, Found]
    turns: Sequence[Turn] = ()
    book: FactBook | None = None


Choice = Callable[[Matches], Sequence[TurnRef]]
"""Which turns are wanted of what was found; it may be asked again, and on any thread."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something recalled, as one readable text with its date. `score`: 0..1, 1 for all that was asked.

    `ref` is the turn it comes from, `fact` the id of the fact that it is (0: none).
    """

    score: float
    text: str
    at: int
    ref: TurnRef | None = None
    fact: int = 0


class Recall(Protocol):
    """Where past turns and facts are found: the one seam for a memory service of your own."""

    async def search(
        self, owner: int, query: str, *, limit: int = 8, before: TurnRef | None = None
    ) -> Sequence[Hit]:
        """The best hits, the best one first.

        Args:
            owner: whose memory; nobody else's is ever looked at.
            query: what was asked, in the person's words.
            limit: hits at most.
            before: turns of this session from this seq on are in the window already and not wanted.
        """
        ...


@runtime_checkable
class RecallsUnasked(Protocol):
    """A `Recall` that knows what is worth telling with an input though nobody asked to search."""

    async def unasked(
        self,
        owner: int,
        query: str,
        *,
        limit: int,
        before: TurnRef | None,
        book: FactBook,
        there: Callable[[Fact], bool],
    ) -> Sequence[Hit]:
        """As `Recall.search`, what is worth telling; of the facts in `book` those that are not `there`."""
        ...


class Remembers(Protocol):
    """The memory of whoever is talking, as skills see it."""

    async def remember(self, text: str) -> None:
        """Keeps a fact."""
        ...

    async def recall(self, query: str, *, limit: int = 5) -> Sequence[Hit]:
        """What is known about `query`, the best first."""
        ...

    async def forget(self, query: str) -> Sequence[str]:
        """Erases the facts that `query` names; returns their texts."""
        ...


# ---------------------------------------------------------------- upkeep


@dataclass(frozen=True, slots=True)
class Chore:
    """A session and its ended turns whose upkeep is due (after `kept`, oldest first).

    It is written by `MemoryStore.keep` as long as nobody did it first and nothing was erased meanwhile.
    """

    session: int
    address: Address
    owner: int  # users.id of the session's owner
    generation: int
    kept: int  # turns up to this seq have had their upkeep
    head: int
    window_from: int
    turns: tuple[Turn, ...]
    title: str = ""
    memory: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What upkeep writes in one transaction.

    `upto`: turns up to this seq have had it. `owner` is whose documents and changes these are, on top of
    `version` of their facts. `off_record`: turns that memory must never know of.
    """

    upto: int
    owner: int = 0
    version: int = 0
    documents: tuple[Document, ...] = ()
    changes: tuple[FactChange, ...] = ()
    off_record: tuple[int, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as one front end knows them. One `user` (users.id) may have several."""

    user: int
    front: str
    external: str
    name: str = ""

    def __str__(self) -> str:
        """For example `telegram/42`."""
        return f"{self.front}/{self.external}"


class MemoryStore(Protocol):
    """What a store keeps for memory: one method, one transaction. Nothing of an erased turn is written."""

    async def unkept(self, *, limit: int = 100) -> Sequence[int]:
        """Sessions with ended turns whose upkeep is due and that nobody works on now."""
        ...

    async def chore(self, session: int, *, limit: int = 50) -> Chore | None:
        """What upkeep has before it, with at most `limit` turns; None if there is no such session."""
        ...

    async def spent(self, session: int, model: str, usage: Usage, micros: int) -> None:
        """Counts what upkeep used of a model for a session."""
        ...

    async def keep(self, chore: Chore, kept: Kept) -> bool:
        """Writes what upkeep made of a chore. False: someone else was faster, or something was erased."""
        ...

    async def notes(self, session: int) -> Sequence[Note]:
        """All notes of a session, of all its paths."""
        ...

    async def put_notes(
        self, session: int, generation: int, new: Sequence[Note], gone: Sequence[Note] = ()
    ) -> bool:
        """Writes notes and drops those that were folded into them. False: something was erased meanwhile."""
        ...

    async def facts(self, owner: int, *, superseded: bool = False) -> FactBook:
        """What is known about an owner, oldest first; `superseded`: with its history."""
        ...

    async def put_facts(self, owner: int, version: int, changes: Sequence[FactChange]) -> bool:
        """Applies changes. False: the facts have changed since `version`; nothing is written."""
        ...

    async def drop_facts(self, owner: int, which: Sequence[int], said: Sequence[TurnRef] = ()) -> int:
        """Erases facts with the history that led to them; returns how many.

        `said`: turns that go out of memory with them; other facts that rest on these stay.
        """
        ...

    async def forget_these(
        self,
        owners: Sequence[int],
        facts: Sequence[int],
        said: Sequence[TurnRef],
        turns: Sequence[TurnRef] = (),
    ) -> int:
        """Erases facts with their history and the turns they were said in, and turns; returns how many went.

        What else was learnt from `said` stays; with `turns` go the facts that rest on them alone.
        """
        ...

    async def match(
        self,
        owner: int,
        terms: Sequence[str],
        *,
        rows: int = 400,
        between: tuple[int, int] | None = None,
        choose: Choice | None = None,
        facts: bool = False,
    ) -> Matches:
        """The documents that hold the terms, and with `choose` the turns that it wants of them.

        Args:
            owner: whose index.
            terms: as `Document.terms` has them.
            rows: (term, document) pairs at most: the most common terms are left out first.
            between: only documents from the first to before the second time (ms UTC), also without terms.
            choose: which turns to read with it, in the same transaction.
            facts: reads the owner's facts with it, as `facts` does; `choose` gets them.
        """
        ...

    async def said(self, refs: Sequence[TurnRef]) -> Sequence[Turn]:
        """These turns with their steps, as far as they are still there."""
        ...

    async def since(self, session: int, at: int) -> Sequence[Turn]:
        """The turns of a session, on all its paths, that began at `at` (ms UTC) or later, oldest first."""
        ...

    async def withdraw(self, refs: Sequence[TurnRef], facts: Sequence[int] = ()) -> None:
        """Takes turns out of long-term memory: off record, out of the index, no source of facts any more."""
        ...

    async def vectors(self, refs: Sequence[TurnRef], model: str) -> Mapping[Place, bytes]:
        """The stored embeddings of turns, as little-endian 32-bit floats."""
        ...

    async def put_vectors(self, owner: int, model: str, given: Mapping[Place, bytes]) -> None:
        """Keeps embeddings of turns that are still in the owner's index."""
        ...

    async def switch_memory(self, user: int, on: bool) -> None:
        """Turns a person's long-term memory on or off; what is stored stays."""
        ...

    async def offer_link(self, user: int, code: str, *, seconds: int) -> None:
        """Lets another identity join this person by a code, once, for a while. Only its hash is kept."""
        ...

    async def void(self, code: str) -> bool:
        """Ends a code of `offer_link` or `invite` that others have seen; False: it was none."""
        ...

    async def link(self, user: int, code: str) -> int | None:
        """Joins the person `user` to the one who has the code, and returns that one's id.

        None: no such code, or it is too old. Everything of `user` is the other's from then on.
        """
        ...

    async def identities(self, tenant: str, external: str = "", *, limit: int = 10_000) -> Sequence[Identity]:
        """Who is known at the front ends; `external`: only those of this id there."""
        ...

    async def export(self, user: int, *, files: bool = False) -> Mapping[str, Any]:
        """Everything stored about a person, as plain data: texts, numbers, lists, times as ISO 8601 UTC.

        It holds `person`, `sessions` with their turns on all branches, `elsewhere` (what they said in others'
        sessions), `facts` with sources and history, `reminders`, `tasks`, `usage`, and what else is derived.
        `files`: attachments with their bytes, as base64.

        Raises:
            NotFound: there is no such person.
        """
        ...
