"""The border to the database: what a store must offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from duihua.admission import AccessStore
from duihua.arrivals import ArrivalStore
from duihua.chats import ChatStore
from duihua.memories import MemoryStore
from duihua.messages import Address, Attachment, Call, CallState, Effect, Step, Turn, TurnRef, Usage
from duihua.reminders import ReminderStore
from duihua.showing import ShownStore
from duihua.stored import (
    Accepted,
    AuditedCall,
    Fence,
    Held,
    Input,
    Outcome,
    Progress,
    Send,
    SessionInfo,
    StoredCall,
    StoredTask,
    TaskKind,
    TaskState,
    Work,
)


class Store(MemoryStore, ReminderStore, ArrivalStore, ShownStore, AccessStore, ChatStore, Protocol):
    """Keeps conversations. Its methods are the turn's transactions, not CRUD: one method, one transaction.

    A Fence that no longer holds raises Superseded and writes nothing. An accepted write is carried out even
    if its caller is cancelled. Durations are milliseconds.
    """

    async def open(self) -> None:
        """Connects; brings an SQLite file's tables up to date. Raises StorageError."""
        ...

    async def aclose(self) -> None:
        """Finishes what was accepted and closes."""
        ...

    async def accept(self, input: Input, *, cap: int = 50, token: str = "", lease: int = 15_000) -> Accepted:
        """Writes the input down. With a `token`, an idle session is claimed in the same transaction.

        Raises SessionBusy when `cap` inputs wait already.
        """
        ...

    async def claim(self, session: int, token: str, *, lease: int) -> Work | None:
        """Takes the session if it has work and no live lease. A cut turn goes on with attempt + 1."""
        ...

    async def renew(self, claims: Sequence[tuple[int, str]], *, lease: int) -> Sequence[Held]:
        """Prolongs the (session, token) pairs that are really running; returns those still held."""
        ...

    async def release(self, session: int, token: str) -> None:
        """Gives the lease back without finishing: the turn stays cut and goes on elsewhere."""
        ...

    async def due(self, *, limit: int = 100) -> Sequence[int]:
        """Sessions whose input has waited for a second without a live lease."""
        ...

    async def step(
        self, fence: Fence, number: int, step: Step, *, usage: Usage, micros: int = 0, expires: int = 0
    ) -> None:
        """Journals an answer with its calls, before a skill runs. `expires` (ms UTC) is for held calls."""
        ...

    async def call(
        self,
        fence: Fence,
        call: str,
        state: CallState,
        result: str = "",
        *,
        expires: int = 0,
        files: Sequence[Attachment] = (),
        took: int | None = None,
        effect: Effect | None = None,
        skill: str = "",
    ) -> None:
        """Sets a call's state and result, by its id. A settled call is never changed: Superseded.

        `expires` (ms UTC) and `skill` (its identity) are for a call that is held from now on, `took` (ms) for
        one that has run; `files` are kept with the call's turn. `effect` is what it turned out to be, None:
        as it was journaled.
        """
        ...

    async def partial(self, fence: Fence, text: str) -> None:
        """The text so far, for late readers in other processes."""
        ...

    async def finish(self, fence: Fence, outcome: Outcome, *, lease: int) -> Work | None:
        """Ends the turn; takes the next input in the same transaction, or drops the lease."""
        ...

    async def erase(
        self, session: int, turns: Sequence[int] | None = None, *, fence: Fence | None = None
    ) -> int:
        """Erases turns (None: all, waiting inputs too) with everything derived; returns how many."""
        ...

    async def stop(self, session: int, by: int = 0, *, turn: int = 0, waiting: int = 0) -> TurnRef | None:
        """Asks the running turn to stop; `turn`: only this one. None: it does not run.

        `waiting`: only if the input of this id still waits for its turn.
        """
        ...

    async def path(self, session: int, head: int, *, since: int = 0, limit: int = 200) -> Sequence[Turn]:
        """The newest `limit` turns on the path of `head` with seq >= since, oldest first."""
        ...

    async def turn(self, ref: TurnRef) -> Turn | None:
        """One turn with its steps."""
        ...

    async def attachments(self, ids: Sequence[str], *, session: int = 0) -> Sequence[Attachment]:
        """The stored attachments of these ids; those that were erased are missing.

        `session`: only those of this session; 0: of any.
        """
        ...

    async def progress(self, inbox: int) -> Progress:
        """Where an input stands."""
        ...

    async def waiting(self, session: int) -> Sequence[int]:
        """The ids of the session's inputs that have no answer yet, oldest first."""
        ...

    async def stored_call(self, call: str) -> StoredCall | None:
        """A call by its id."""
        ...

    async def held(self, session: int) -> Sequence[StoredCall]:
        """The calls of the session that wait for a decision, oldest first: none that was taken back."""
        ...

    async def log_call(self, session: int, call: Call, *, approved: bool = False) -> str:
        """Writes down a call that no conversation led to, and that runs now; returns its id.

        `approved`: its asker consented.
        """
        ...

    async def log_result(self, call: Call, took: int) -> None:
        """Sets state and result of such a call, by its id; `took`: ms."""
        ...

    async def audit(
        self, tenant: str, *, user: int = 0, session: str = "", limit: int = 50
    ) -> Sequence[AuditedCall]:
        """The newest calls, the last one first; of one person, or of the session with this key."""
        ...

    async def session(self, address: Address) -> SessionInfo | None:
        """The session at an address, None if it never had an input."""
        ...

    async def ensure(self, address: Address, external: str = "", name: str = "") -> SessionInfo:
        """The session at an address, made if it is not there."""
        ...

    async def sessions(self, owner: int) -> Sequence[SessionInfo]:
        """A user's sessions, the last touched first."""
        ...

    async def move_head(self, session: int, head: int) -> None:
        """Points the session at another turn of its own (0: an empty path). Raises NotFound."""
        ...

    async def undo(self, session: int, *, key: tuple[str, str] | None = None) -> bool:
        """Takes the last turn of the path back, out of memory too; False: there is none.

        With a key (source, id) as of an input, once: asked for again, it was done already.
        """
        ...

    async def written(self, call: str, name: str) -> Sequence[Call]:
        """The writes `name` that other answers to the input of this call's turn have done, oldest first.

        Other answers are the turns that it re-runs, or that re-ran it, with all that followed them.
        """
        ...

    async def heads(self, session: int) -> Sequence[Turn]:
        """The ends of all paths of the session (turns without a child), newest first, without steps."""
        ...

    async def settings(self, session: int, settings: Mapping[str, Any]) -> None:
        """Replaces the session's own settings."""
        ...

    async def fork(self, session: int, head: int, to: Address) -> SessionInfo:
        """Copies the path of `head` into a new session. Raises SessionBusy if it exists with turns."""
        ...

    async def user(self, tenant: str, front: str, external: str) -> int | None:
        """users.id of an identity."""
        ...

    async def forget_user(self, user: int) -> int:
        """Erases a person: sessions, identities, facts, everything derived. Returns the sessions erased."""
        ...

    async def usage(self, owner: int) -> Sequence[tuple[str, int, Usage, int]]:
        """(model, turns, usage, micros) of a user over all days."""
        ...

    async def take_sends(self, fronts: Sequence[str], *, lease: int, limit: int = 20) -> Sequence[Send]:
        """Outbox rows that are due, marked as being sent for `lease`."""
        ...

    async def take_back(self, source: str, *, within: int) -> None:
        """What was being sent in the sessions of a source is due now, and handed out again.

        Only what was taken for at most `within` ms from now: what was taken since belongs to somebody else.
        """
        ...

    async def settle_send(
        self,
        send: int,
        state: Literal["sent", "unknown", "failed", "pending"],
        *,
        external_id: str = "",
        delay: int = 0,
        error: str = "",
    ) -> None:
        """The result of a send; a body goes as soon as it is sent or has failed for good."""
        ...

    async def new_task(self, tenant: str, owner: int, kind: TaskKind, platform: str, model: str) -> int:
        """Writes down that a task is about to be started (state `starting`); returns its id."""
        ...

    async def settle_task(
        self,
        task: int,
        state: TaskState,
        *,
        external_id: str = "",
        echoed: str = "",
        result: bytes | None = None,
        error: bytes | None = None,
    ) -> bool:
        """Where a task stands now. What is done or failed stays so: False, also if it was forgotten."""
        ...

    async def task(self, tenant: str, task: int) -> StoredTask | None:
        """One task."""
        ...

    async def tasks(self, tenant: str, *, limit: int = 50) -> Sequence[StoredTask]:
        """The newest tasks, the last one first."""
        ...

    async def forget_task(self, tenant: str, task: int) -> bool:
        """Erases a task with its result; False if there is none."""
        ...

    async def get_state(self, name: str) -> bytes | None:
        """A small value of the program's own (calibration, offsets)."""
        ...

    async def put_state(self, name: str, value: bytes) -> None:
        """Keeps a small value of the program's own."""
        ...

    async def leases(self) -> Sequence[tuple[int, str]]:
        """(session, token) of all live leases, whoever holds them."""
        ...

    async def sweep(self) -> int:
        """Deletes the keys of answered inputs after three days, and of arrivals; returns how many inputs'."""
        ...

    async def scrub(self) -> None:
        """After an erase: leaves no erased text in the files (SQLite: truncates the WAL)."""
        ...
