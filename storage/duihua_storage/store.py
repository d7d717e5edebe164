"""The Store: one class for both databases, one method per transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from duihua.admission import Asked, Change, Pairing, Standing
from duihua.arrivals import Arrival, Quarantined, Stalled
from duihua.chats import Chat, Heard
from duihua.codec import encode
from duihua.errors import StorageError
from duihua.memories import Choice, Chore, FactBook, FactChange, Identity, Kept, Matches, Note, Place
from duihua.messages import Address, Attachment, Call, CallState, Effect, Part, Step, Turn, TurnRef, Usage
from duihua.ports import (
    Accepted,
    AuditedCall,
    Fence,
    Held,
    Input,
    Outcome,
    Progress,
    Send,
    SessionInfo,
    Store,
    StoredCall,
    StoredTask,
    TaskKind,
    TaskState,
    Work,
)
from duihua.reminders import Armed
from duihua.showing import Shown, Taken
from duihua_storage import (
    access,
    arrivals,
    audit,
    chats,
    editing,
    erasure,
    export,
    facts,
    files,
    fork,
    history,
    holds,
    index,
    intake,
    journal,
    notes,
    outbox,
    people,
    reminders,
    reruns,
    served,
    sessions,
    shown,
    stalled,
    tasks,
    undoing,
    upkeep,
    values,
    vectors,
)
from duihua_storage import (
    lease as leases,
)
from duihua_storage.cache import SegmentCache
from duihua_storage.sessions import Known
from duihua_storage.statement import Driver

log = logging.getLogger(__name__)
REMEMBERED = 4096
THREE_DAYS = 3 * 86_400_000


class SqlStore:
    """`duihua.ports.Store` on SQLite or PostgreSQL.

    Args:
        url: `sqlite+aiosqlite:///path`, `sqlite+aiosqlite://` (in memory) or `postgresql+psycopg://...`.
        synchronous: of SQLite: NORMAL survives the end of the process, FULL that of the machine, too.
        upgrade: whether `open()` makes and upgrades the tables; None: on SQLite only.
        lease: of a session in ms, as the engine uses it.

    Raises:
        StorageError: the URL names no database that is known here, or its driver is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        upgrade: bool | None = None,
        lease: int = 15_000,
    ) -> None:
        self._db = _driver(url, synchronous, upgrade, lease)
        self._known: dict[Address, Known] = {}
        self._segments = SegmentCache()
        self._erased = False

    async def open(self) -> None:
        """Connects; brings an SQLite file's tables up to date. Raises StorageError."""
        await self._db.open()

    async def aclose(self) -> None:
        """Finishes what was accepted and closes; after an erase, leaves nothing of it in the files."""
        try:
            if self._erased:
                await self.scrub()
        except StorageError as e:
            log.warning("%s", e)
        finally:
            await self._db.aclose()

    # ------------------------------------------------------------ inputs and leases

    async def accept(self, input: Input, *, cap: int = 50, token: str = "", lease: int = 15_000) -> Accepted:
        """Writes the input down. With a `token`, an idle session is claimed in the same transaction.

        Raises:
            SessionBusy: `cap` inputs wait already.
        """
        known, body = self._known.get(input.address), encode(input.parts)
        try:
            accepted, now_known = await self._db.write(
                lambda: intake.accept(input, known, body, cap, token, lease), "accept"
            )
        except intake.Seen:
            return await self._db.read(lambda: intake.earlier(input))
        self._erased = self._erased or bool(input.heard)
        if now_known is not known:
            self._remember(input.address, now_known)
        return accepted

    def _remember(self, address: Address, known: Known) -> None:
        self._known.pop(address, None)
        self._known[address] = known
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    async def attachments(self, ids: Sequence[str], *, session: int = 0) -> Sequence[Attachment]:
        """The stored attachments of these ids; those that were erased are missing.

        `session`: only those of this session; 0: of any.
        """
        return await self._db.read(lambda: files.read(ids, session)) if ids else ()

    async def claim(self, session: int, token: str, *, lease: int) -> Work | None:
        """Takes the session if it has work and no live lease. A cut turn goes on with attempt + 1."""
        return await self._db.write(lambda: leases.claim(session, token, lease), "claim")

    async def renew(self, claims: Sequence[tuple[int, str]], *, lease: int) -> Sequence[Held]:
        """Prolongs the (session, token) pairs that are really running; returns those still held."""
        return await self._db.write(lambda: leases.renew(claims, lease), "renew") if claims else ()

    async def release(self, session: int, token: str) -> None:
        """Gives the lease back without finishing: the turn stays cut and goes on elsewhere."""
        await self._db.write(lambda: leases.release(session, token), "release")

    async def due(self, *, limit: int = 100) -> Sequence[int]:
        """Sessions whose input has waited for a second without a live lease, the longest wait first."""
        return await self._db.read(lambda: leases.due(limit))

    async def leases(self) -> Sequence[tuple[int, str]]:
        """(session, token) of all live leases, whoever holds them."""
        return await self._db.read(leases.live)

    async def stop(self, session: int, by: int = 0, *, turn: int = 0, waiting: int = 0) -> TurnRef | None:
        """Asks the running turn to stop, or `turn` alone; its worker learns it when it renews.

        `waiting`: only if the input of this id still waits for its turn.
        """
        return await self._db.write(lambda: leases.stop(session, by, turn, waiting), "stop")

    async def sweep(self, older: int = THREE_DAYS) -> int:
        """Drops the keys of answered inputs older than `older` ms: the same input would be new again.

        So it does with arrivals', and with what has been in quarantine for 30 days. Chats without a
        conversation in which nothing is set are forgotten after 30 days, too.
        """
        return await self._db.write(lambda: intake.sweep(older), "sweep")

    # ------------------------------------------------------------ the running turn

    async def step(
        self, fence: Fence, number: int, step: Step, *, usage: Usage, micros: int = 0, expires: int = 0
    ) -> None:
        """Journals an answer with its calls, before a skill runs. `usage` and `micros` are its own."""
        await self._db.write(lambda: journal.step(fence, number, step, usage, micros, expires), "step")

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
        await self._db.write(
            lambda: journal.call(fence, call, state, result, expires, files, took, effect, skill), "call"
        )

    async def partial(self, fence: Fence, text: str) -> None:
        """The text so far, for late readers in other processes."""
        await self._db.write(lambda: journal.partial(fence, text), "partial")

    async def finish(self, fence: Fence, outcome: Outcome, *, lease: int) -> Work | None:
        """Ends the turn; takes the next input in the same transaction, or drops the lease.

        `outcome.usage` is what no `step()` has journaled yet.
        """
        self._erased |= bool(outcome.erase) or outcome.state == "cleared"
        return await self._db.write(lambda: journal.finish(fence, outcome, lease), "finish")

    # ------------------------------------------------------------ forgetting

    async def erase(
        self, session: int, turns: Sequence[int] | None = None, *, fence: Fence | None = None
    ) -> int:
        """Erases turns (None: all, waiting inputs too) with everything derived; returns how many."""
        self._erased = True
        return await self._db.write(lambda: erasure.erase(session, turns, fence), "erase")

    async def forget_user(self, user: int) -> int:
        """Erases a person: sessions, identities, facts, everything derived. Returns the sessions erased."""
        self._erased = True
        count = await self._db.write(lambda: erasure.forget_user(user), "erase")
        self._known.clear()
        return count

    async def scrub(self) -> None:
        """After an erase: leaves no erased text in the files. Raises StorageError while others read them."""
        self._segments.clear()
        await self._db.scrub()
        self._erased = False

    # ------------------------------------------------------------ memory

    async def unkept(self, *, limit: int = 100) -> Sequence[int]:
        """Sessions with ended turns whose upkeep is due and that nobody works on now."""
        return await self._db.read(lambda: upkeep.unkept(limit))

    async def chore(self, session: int, *, limit: int = 50) -> Chore | None:
        """What upkeep has before it, with at most `limit` turns; None if there is no such session."""
        return await self._db.read(lambda: upkeep.chore(session, limit))

    async def spent(self, session: int, model: str, usage: Usage, micros: int) -> None:
        """Counts what upkeep used of a model for a session."""
        await self._db.write(lambda: journal.spent(session, model, usage, micros), "usage")

    async def keep(self, chore: Chore, kept: Kept) -> bool:
        """Writes what upkeep made of a chore. False: someone else was faster, or something was erased."""
        try:
            return await self._db.write(lambda: upkeep.keep(chore, kept), "keep")
        except upkeep.Outdated:
            return False

    async def notes(self, session: int) -> Sequence[Note]:
        """All notes of a session, of all its paths."""
        return await self._db.read(lambda: notes.read(session))

    async def put_notes(
        self, session: int, generation: int, new: Sequence[Note], gone: Sequence[Note] = ()
    ) -> bool:
        """Writes notes and drops those that were folded into them. False: something was erased meanwhile."""
        return await self._db.write(lambda: notes.put(session, generation, new, gone), "notes")

    async def facts(self, owner: int, *, superseded: bool = False) -> FactBook:
        """What is known about an owner, oldest first; `superseded`: with its history."""
        return await self._db.read(lambda: facts.book(owner, superseded))

    async def put_facts(self, owner: int, version: int, changes: Sequence[FactChange]) -> bool:
        """Applies changes. False: the facts have changed since `version`; nothing is written."""
        return await self._db.write(lambda: facts.put(owner, version, changes), "facts")

    async def drop_facts(self, owner: int, which: Sequence[int], said: Sequence[TurnRef] = ()) -> int:
        """Erases facts with the history that led to them; returns how many.

        `said`: turns that go out of memory with them; other facts that rest on these stay.
        """
        self._erased = True
        return await self._db.write(lambda: upkeep.drop_facts(owner, which, said), "erase")

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
        self._erased = True
        return await self._db.write(lambda: erasure.forget_these(owners, facts, said, turns), "erase")

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
        """The documents of an owner that hold the terms, of `rows` pairs at most, the rarest terms first."""
        return await self._db.read(
            lambda: index.match(self._segments, owner, terms, rows, between, choose, facts=facts)
        )

    async def said(self, refs: Sequence[TurnRef]) -> Sequence[Turn]:
        """These turns with their steps, as far as they are still there."""
        return await self._db.read(lambda: history.said(refs)) if refs else ()

    async def since(self, session: int, at: int) -> Sequence[Turn]:
        """The turns of a session, on all its paths, that began at `at` (ms UTC) or later, oldest first."""
        return await self._db.read(lambda: upkeep.since(session, at))

    async def withdraw(self, refs: Sequence[TurnRef], facts: Sequence[int] = ()) -> None:
        """Takes turns out of long-term memory: off record, out of the index, no source of facts any more."""
        self._erased = True
        await self._db.write(lambda: upkeep.withdraw(refs, facts), "erase")

    async def vectors(self, refs: Sequence[TurnRef], model: str) -> Mapping[Place, bytes]:
        """The stored embeddings of turns, as little-endian 32-bit floats."""
        return await self._db.read(lambda: vectors.read(refs, model)) if refs else {}

    async def put_vectors(self, owner: int, model: str, given: Mapping[Place, bytes]) -> None:
        """Keeps embeddings of turns that are still in the owner's index."""
        await self._db.write(lambda: vectors.put(owner, model, given), "vectors")

    async def switch_memory(self, user: int, on: bool) -> None:
        """Turns a person's long-term memory on or off; what is stored stays."""
        await self._db.write(lambda: people.switch(user, on), "memory")

    async def offer_link(self, user: int, code: str, *, seconds: int) -> None:
        """Lets another identity join this person by a code, once, for a while. Only its hash is kept."""
        await self._db.write(lambda: people.offer(user, code, seconds), "link")

    async def void(self, code: str) -> bool:
        """Ends a code of `offer_link` or `invite` that others have seen; False: it was none."""
        return await self._db.write(lambda: people.void(code), "link")

    async def link(self, user: int, code: str) -> int | None:
        """Joins the person `user` to the one who has the code; None: no such code, or too old."""
        joined = await self._db.write(lambda: people.link(user, code), "link")
        self._known.clear()
        return joined

    async def identities(self, tenant: str, external: str = "", *, limit: int = 10_000) -> Sequence[Identity]:
        """Who is known at the front ends; `external`: only those of this id there."""
        return await self._db.read(lambda: sessions.identities_of(tenant, external, limit))

    async def export(self, user: int, *, files: bool = False) -> Mapping[str, Any]:
        """Everything stored about a person, as plain data; `files`: with the bytes of attachments."""
        return await self._db.read(lambda: export.export(user, files))

    # ------------------------------------------------------------ what was said

    async def path(self, session: int, head: int, *, since: int = 0, limit: int = 200) -> Sequence[Turn]:
        """The newest `limit` turns on the path of `head` with seq >= since, oldest first."""
        return await self._db.read(lambda: history.path(session, head, since, limit)) if head else ()

    async def turn(self, ref: TurnRef) -> Turn | None:
        """One turn with its steps."""
        return await self._db.read(lambda: history.turn(ref))

    async def written(self, call: str, name: str) -> Sequence[Call]:
        """The writes `name` that other answers to the input of this call's turn have done, oldest first."""
        return await self._db.read(lambda: reruns.written(call, name))

    async def heads(self, session: int) -> Sequence[Turn]:
        """The ends of all paths of the session, newest first, without steps."""
        return await self._db.read(lambda: history.heads(session))

    async def progress(self, inbox: int) -> Progress:
        """Where an input stands."""
        return await self._db.read(lambda: history.progress(inbox))

    async def waiting(self, session: int) -> Sequence[int]:
        """The ids of the session's inputs that have no answer yet, oldest first."""
        return await self._db.read(lambda: history.waiting(session))

    async def stored_call(self, call: str) -> StoredCall | None:
        """A call by its id."""
        return await self._db.read(lambda: history.stored_call(call))

    async def held(self, session: int) -> Sequence[StoredCall]:
        """The calls of the session that wait for a decision, oldest first."""
        return await self._db.read(lambda: history.held(session))

    async def log_call(self, session: int, call: Call, *, approved: bool = False) -> str:
        """Writes down a call that no conversation led to, and that runs now; returns its id."""
        return await self._db.write(lambda: served.begin(session, call, approved), "log_call")

    async def log_result(self, call: Call, took: int) -> None:
        """Sets state and result of such a call, by its id; `took`: ms."""
        await self._db.write(lambda: served.end(call, took), "log_result")

    async def audit(
        self, tenant: str, *, user: int = 0, session: str = "", limit: int = 50
    ) -> Sequence[AuditedCall]:
        """The newest calls, the last one first; of one person, or of the session with this key."""
        return await self._db.read(lambda: audit.audit(tenant, user, session, limit))

    # ------------------------------------------------------------ sessions and people

    async def session(self, address: Address) -> SessionInfo | None:
        """The session at an address, None if it never had an input."""
        found = await self._db.read(lambda: sessions.session(address))
        if found is not None and address.shared and not found.address.shared:
            return await self.ensure(address)  # it is no one person's any more
        return found

    async def ensure(self, address: Address, external: str = "", name: str = "") -> SessionInfo:
        """The session at an address, made if it is not there."""
        return await self._db.write(lambda: sessions.ensure(address, external, name), "ensure")

    async def sessions(self, owner: int) -> Sequence[SessionInfo]:
        """A user's sessions, the last touched first."""
        return await self._db.read(lambda: sessions.owned(owner))

    async def settings(self, session: int, settings: Mapping[str, Any]) -> None:
        """Replaces the session's own settings. Raises NotFound."""
        await self._db.write(lambda: sessions.put_settings(session, settings), "settings")

    async def move_head(self, session: int, head: int) -> None:
        """Points the session at another turn of its own (0: an empty path). Raises NotFound.

        A turn that runs meanwhile does not move it again when it ends.
        """
        await self._db.write(lambda: undoing.move(session, head), "head")

    async def undo(self, session: int, *, key: tuple[str, str] | None = None) -> bool:
        """Takes the last turn of the path back, out of memory too, once for a key (source, id)."""
        self._erased = True
        return await self._db.write(lambda: undoing.undo(session, key), "erase")

    async def fork(self, session: int, head: int, to: Address) -> SessionInfo:
        """Copies the path of `head` into a new session. Raises SessionBusy if it exists with turns."""
        return await self._db.write(lambda: fork.fork(session, head, to), "fork")

    async def user(self, tenant: str, front: str, external: str) -> int | None:
        """users.id of an identity."""
        return await self._db.read(lambda: sessions.user(tenant, front, external))

    async def usage(self, owner: int) -> Sequence[tuple[str, int, Usage, int]]:
        """(model, turns, usage, micros) of a user over all days."""
        return await self._db.read(lambda: values.usage(owner))

    # ------------------------------------------------------------ access

    async def standing(self, tenant: str, front: str, external: str) -> Standing | None:
        """What is stored of the person with this id at this front end; None: nobody is known by it."""
        return await self._db.read(lambda: access.standing(tenant, front, external))

    async def standing_of(self, user: int) -> Standing | None:
        """What is stored of the person with this users.id."""
        return await self._db.read(lambda: access.standing_of(user))

    async def members(self, tenant: str) -> Sequence[Standing]:
        """Everybody with a role, by role and id."""
        return await self._db.read(lambda: access.members(tenant))

    async def ask(
        self, address: Address, external: str, name: str, code: str, *, at: int, expires: int, most: int
    ) -> tuple[Asked, Pairing | None]:
        """Writes down that a stranger wants to be let in, with the hash of the code that they are told."""
        return await self._db.write(
            lambda: access.ask(address, external, name, code, at, expires, most), "access"
        )

    async def pairings(self, tenant: str, *, at: int) -> Sequence[Pairing]:
        """Those that wait, the oldest first."""
        return await self._db.read(lambda: access.waiting(tenant, at))

    async def decide_pairing(
        self, tenant: str, yes: bool, *, at: int, by: int, notice: bytes, id: int = 0, code: str = ""
    ) -> Pairing | None:
        """Lets in whoever waits under this id or code, or declines them for a day; None: nobody waits."""
        return await self._db.write(lambda: access.decide(tenant, yes, at, by, notice, id, code), "access")

    async def set_role(
        self, tenant: str, front: str, external: str, role: str, *, at: int, by: int, over: Sequence[str]
    ) -> Standing:
        """Gives a person a role if theirs is one of `over`; returns what they were before."""
        return await self._db.write(
            lambda: access.set_role(tenant, front, external, role, at, by, over), "access"
        )

    async def unblock(self, tenant: str, front: str, external: str, *, at: int, by: int) -> str:
        """Gives a blocked person back that they were a user, or nobody; empty: they are not blocked."""
        return await self._db.write(lambda: access.unblock(tenant, front, external, at, by), "access")

    async def invite(self, tenant: str, role: str, code: str, *, at: int, expires: int) -> None:
        """Keeps the hash of a code by which somebody gets a role, once."""
        await self._db.write(lambda: access.invite(tenant, role, code, at, expires), "access")

    async def redeem(
        self, tenant: str, front: str, external: str, name: str, code: str, *, at: int
    ) -> str | None:
        """Uses an invitation up; returns the person's role then. None: no such code."""
        return await self._db.write(lambda: access.redeem(tenant, front, external, name, code, at), "access")

    async def access_log(self, tenant: str, *, limit: int = 50) -> Sequence[Change]:
        """The newest changes of roles, the last one first."""
        return await self._db.read(lambda: access.log(tenant, limit))

    # ------------------------------------------------------------ what front ends were handed, and show

    async def hold(self, source: str, token: str, *, lease: int) -> bool:
        """Takes, or renews, the right to work on a source for `lease` ms; False: another token has it."""
        return await self._db.write(lambda: holds.hold(source, token, lease), "hold")

    async def holder(self, source: str) -> str:
        """The token that has it now; empty: none."""
        return await self._db.read(lambda: holds.holder(source))

    async def let_go(self, source: str, token: str) -> None:
        """Gives the right back; nothing if it is another's."""
        await self._db.write(lambda: holds.let_go(source, token), "hold")

    async def arrive(self, source: str, updates: Sequence[tuple[str, str, bytes]]) -> int:
        """Keeps (key, author, body) of each update, all or none; returns how many are new."""
        return await self._db.write(lambda: arrivals.arrive(source, updates), "arrive") if updates else 0

    async def arrived(self, source: str, *, after: int = 0, limit: int = 100) -> Sequence[Arrival]:
        """The open ones with an id above `after`, oldest first."""
        return await self._db.read(lambda: arrivals.arrived(source, after, limit))

    async def settle_arrivals(self, ids: Sequence[int], *, error: str = "") -> None:
        """They are worked through: body and author go. With an `error` they are put into quarantine."""
        if ids:
            await self._db.write(lambda: arrivals.settle(ids, error), "settle")

    async def quarantine(self, *, limit: int = 50) -> Sequence[Quarantined]:
        """The newest in quarantine, the last one first."""
        return await self._db.read(lambda: arrivals.quarantine(limit))

    async def stalled(self, source: str) -> Stalled:
        """What waits longest of a source, and in the sessions that belong to it."""
        return await self._db.read(lambda: stalled.stalled(source))

    async def show(self, ref: TurnRef, part: int, external: str = "") -> None:
        """Writes down that a part is about to be sent, or, with its id, that it was."""
        await self._db.write(lambda: shown.show(ref, part, external), "show")

    async def shown(self, ref: TurnRef) -> Sequence[Shown]:
        """The messages of a turn's answer, by part."""
        return await self._db.read(lambda: shown.of_turn(ref))

    async def unshow(self, ref: TurnRef, parts: Sequence[int]) -> None:
        """These are no more."""
        await self._db.write(lambda: shown.unshow(ref, parts), "show")

    async def reshow(self, ref: TurnRef, to: TurnRef) -> None:
        """Another turn of the session takes over the messages; nothing happens if it has some of its own."""
        await self._db.write(lambda: shown.reshow(ref, to), "show")

    async def shown_in(self, session: int, external: str) -> int:
        """The number of the turn that a message belongs to; 0: none."""
        return await self._db.read(lambda: shown.shown_in(session, external))

    async def owed_before(self, ref: TurnRef) -> bool:
        """Whether something from before a turn of its session is still to be sent."""
        return await self._db.read(lambda: shown.owed_before(ref))

    async def lost(self, *, limit: int = 100) -> Sequence[tuple[TurnRef, int]]:
        """(turn, part) of finished turns' messages that were about to be sent and never confirmed."""
        return await self._db.read(lambda: shown.lost(limit))

    async def taken(self, tenant: str, source: str, source_id: str) -> Taken | None:
        """What became of an input with this key; None: there is none, it was erased, or its key is swept."""
        return await self._db.read(lambda: editing.taken(tenant, source, source_id))

    async def known(self, tenant: str, source: str, ids: Sequence[str]) -> Sequence[str]:
        """Those of the ids by which something was handed in: `taken` may tell what became of it."""
        return await self._db.read(lambda: editing.known(tenant, source, ids))

    async def edited(self, ref: TurnRef) -> bool:
        """Whether another turn stands in the place of this one, or will: see `Session.edit`."""
        return await self._db.read(lambda: editing.edited(ref))

    async def amend(
        self,
        tenant: str,
        source: str,
        source_id: str,
        parts: tuple[Part, ...],
        attachments: Sequence[Attachment] = (),
    ) -> bool:
        """Replaces what a waiting input says; False: no such input waits (any more), nothing is changed."""
        body = encode(parts)
        return await self._db.write(
            lambda: editing.amend(tenant, source, source_id, parts, body, attachments), "amend"
        )

    # ------------------------------------------------------------ chats

    async def chat(self, address: Address) -> Chat | None:
        """What is known of a chat; None: nothing."""
        return await self._db.read(lambda: chats.chat(address))

    async def change_chat(
        self,
        address: Address,
        *,
        settings: Mapping[str, Any] | None = None,
        lang: str | None = None,
        gone: bool | None = None,
    ) -> Chat:
        """Changes what is given, and nothing else; returns what is known of the chat now."""
        return await self._db.write(lambda: chats.change(address, settings or {}, lang, gone), "chat")

    async def move_chat(self, address: Address, chat: str) -> Sequence[tuple[int, Address]]:
        """Gives a chat another id; returns (session, former address) of what has moved with it."""
        moved = await self._db.write(lambda: chats.move(address, chat), "move")
        for _, old in moved:
            self._known.pop(old, None)
            self._known.pop(replace(old, chat=chat), None)
        return moved

    async def overhear(
        self, session: int, key: str, external: str, name: str, text: str, *, most: int, age: int
    ) -> None:
        """Keeps what somebody said in a session, once per `key`; of all only the newest `most`."""
        await self._db.write(
            lambda: chats.overhear(session, key, external, name, text, most, age), "overhear"
        )

    async def overheard(self, session: int, *, age: int) -> Sequence[Heard]:
        """What was said there in the last `age` ms, oldest first."""
        return await self._db.read(lambda: chats.overheard(session, age))

    async def unhear(self, session: int, upto: int = 0) -> None:
        """Erases what was overheard, up to the one with this id; 0: all."""
        self._erased = True
        await self._db.write(lambda: chats.unhear(session, upto), "erase")

    async def unhear_chat(self, address: Address) -> None:
        """Erases what was overheard in all conversations of a chat."""
        self._erased = True
        await self._db.write(lambda: chats.unhear_chat(address), "erase")

    # ------------------------------------------------------------ deliveries and small values

    async def take_sends(self, fronts: Sequence[str], *, lease: int, limit: int = 20) -> Sequence[Send]:
        """Outbox rows that are due, marked as being sent for `lease`; of each session only the oldest."""
        return await self._db.write(lambda: outbox.take_sends(fronts, lease, limit), "sends")

    async def take_back(self, source: str, *, within: int) -> None:
        """What a dead process was sending for a source is due now, not what is held for longer."""
        await self._db.write(lambda: outbox.take_back(source, within), "sends")

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
        await self._db.write(lambda: outbox.settle_send(send, state, external_id, delay, error), "send")

    async def new_task(self, tenant: str, owner: int, kind: TaskKind, platform: str, model: str) -> int:
        """Writes down that a task is about to be started (state `starting`); returns its id."""
        return await self._db.write(lambda: tasks.new(tenant, owner, kind, platform, model), "task")

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
        return await self._db.write(
            lambda: tasks.settle(task, state, external_id, echoed, result, error), "task"
        )

    async def task(self, tenant: str, task: int) -> StoredTask | None:
        """One task."""
        return await self._db.read(lambda: tasks.task(tenant, task))

    async def tasks(self, tenant: str, *, limit: int = 50) -> Sequence[StoredTask]:
        """The newest tasks, the last one first."""
        return await self._db.read(lambda: tasks.newest(tenant, limit))

    async def forget_task(self, tenant: str, task: int) -> bool:
        """Erases a task with its result; False if there is none."""
        self._erased = True
        return await self._db.write(lambda: tasks.forget(tenant, task), "erase")

    async def arm(self, new: Armed, *, most: int) -> Armed | None:
        """Keeps a reminder, whose id is given here; None: the owner has `most`, or the session is gone."""
        return await self._db.write(lambda: reminders.arm(new, most), "reminder")

    async def armed(self, session: int) -> Sequence[Armed]:
        """The session's reminders, the next one first."""
        return await self._db.read(lambda: reminders.of_session(session))

    async def disarm(self, session: int, id_: int) -> bool:
        """Forgets a reminder of the session; False: there is none of this id."""
        self._erased = True
        return await self._db.write(lambda: reminders.disarm(session, id_), "erase")

    async def next_reminders(self, *, limit: int = 50) -> Sequence[Armed]:
        """Those that are due first, of all sessions."""
        return await self._db.read(lambda: reminders.upcoming(limit))

    async def fire(self, reminder: Armed, again: int, body: bytes) -> bool:
        """Owes `body` to the session's front end, and arms the reminder for `again` or no more.

        False: it does not stand as given any more.
        """
        return await self._db.write(lambda: reminders.fire(reminder, again, body), "reminder")

    async def get_state(self, name: str) -> bytes | None:
        """A small value of the program's own."""
        return await self._db.read(lambda: values.get(name))

    async def put_state(self, name: str, value: bytes) -> None:
        """Keeps a small value of the program's own."""
        await self._db.write(lambda: values.put(name, value), "state")


def open_store(
    url: str,
    *,
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
    upgrade: bool | None = None,
    lease: int = 15_000,
) -> Store:
    """The store of a database URL; call its `open()` before anything else. Arguments as of `SqlStore`."""
    return SqlStore(url, synchronous=synchronous, upgrade=upgrade, lease=lease)


def _driver(url: str, synchronous: Literal["NORMAL", "FULL"], upgrade: bool | None, lease: int) -> Driver:
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        from duihua_storage.sqlite import Sqlite

        return Sqlite(parsed, synchronous=synchronous, migrate=upgrade is not False)
    from duihua_storage.postgres import Postgres

    return Postgres(parsed, migrate=upgrade is True, lease=lease)


def parse(url: str) -> URL:
    """A database URL, checked.

    Raises:
        StorageError: it is no URL, or of a database or driver that is not known here.
    """
    known = "sqlite+aiosqlite:///duihua.db or postgresql+psycopg://user:password@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StorageError(f"DUIHUA_DATABASE_URL is no URL of a database: use {known}") from None
    if parsed.drivername not in SCHEMES:
        raise StorageError(f"no database is known as {parsed.drivername}: use {known}")
    return parsed


SCHEMES = frozenset({"sqlite", "sqlite+aiosqlite", "postgres", "postgresql", "postgresql+psycopg"})
