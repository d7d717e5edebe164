"""The handle of one conversation: every verb there is. Cheap to make, keeps nothing but names.

Here is what it says, stops and takes back. What else it can do stands by its noun: what is stored
(`stored_session`), settings (`settings_session`), the person (`person_session`), memory (`memory_session`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from duihua.errors import NotFound
from duihua.events import AnyEvent
from duihua.following import Reply, follow, reply
from duihua.handing_in import Ticket, accept, checked, overhear, overheard
from duihua.memory_session import MemorySession
from duihua.messages import Address, Attachment, Decision, Part, Text, TurnRef
from duihua.options import ModelOptions
from duihua.person_session import PersonSession
from duihua.place import Place
from duihua.settings_session import SettingsSession
from duihua.stored_session import StoredSession

if TYPE_CHECKING:
    from duihua.engine import ChatEngine


class Session(StoredSession, SettingsSession, PersonSession, MemorySession):
    """One conversation. Any number of handles may point to the same one, in any process.

    A turn belongs to its session, not to who reads it: leaving an iterator never stops a turn, `stop()` does.
    """

    __slots__ = ()

    def __init__(self, engine: ChatEngine, address: Address, *, name: str = "", external: str = "") -> None:
        external = external.encode("utf-8", "replace").decode().replace("\0", "")
        super().__init__(Place(engine, address, name, external))

    # ------------------------------------------------------------ talking

    async def say(
        self,
        content: str | Sequence[Part | Attachment],
        *,
        options: ModelOptions | None = None,
        reply_to: int | None = None,
    ) -> AsyncGenerator[AnyEvent, None]:
        """Says something; yields the turn's events to its end. Once it yields, the input is durable.

        Raises:
            SessionBusy: too many inputs wait already.
            InputTooLong: larger than the model takes at all.
            UnsupportedInput: an attachment that the model does not take.
            InvalidOptions: an option outside of the model's range.
        """
        async for event in self.events(await self.submit(content, options=options, reply_to=reply_to)):
            yield event

    async def ask(
        self,
        content: str | Sequence[Part | Attachment],
        *,
        options: ModelOptions | None = None,
        reply_to: int | None = None,
    ) -> Reply:
        """Says something and returns the whole reply.

        Raises:
            TurnError: the turn ended without an answer; and what `say` raises.
        """
        return await reply(
            self._place, self.events(await self.submit(content, options=options, reply_to=reply_to))
        )

    async def submit(
        self,
        content: str | Sequence[Part | Attachment],
        *,
        options: ModelOptions | None = None,
        reply_to: int | None = None,
        key: tuple[str, str] | None = None,
    ) -> Ticket:
        """Hands an input in and returns once it is durable; `events` reads the turn that answers it.

        Args:
            content: text, or parts and attachments (`duihua.image`).
            options: model options of this input alone.
            reply_to: number of the turn to go on from; None: where the conversation stands.
            key: (source, id) that names this input for ever; the same key again is a duplicate.
        """
        parts, files = await checked(self._place, content, options)
        heard, upto = await overheard(self._place, parts)
        said = *heard, *parts
        return await accept(
            self._place, "message", said, reply_to=reply_to, key=key, attachments=files, heard=upto
        )

    async def overhear(self, text: str, *, key: str) -> None:
        """Keeps something that was said, but not to the model, where several people talk.

        The next `submit` gives the last of it to the model; `forget` and `ChatEngine.unhear_chat` erase it.
        Nothing is kept of what is said before there is a conversation.

        Args:
            text: what was said.
            key: of the message, within the conversation.
        """
        await overhear(self._place, text, key)

    async def edit(
        self,
        turn: int,
        content: str | Sequence[Part | Attachment] | None = None,
        *,
        key: tuple[str, str] | None = None,
    ) -> Ticket:
        """Says something else in place of what a turn was asked; it is answered anew, as a sibling.

        The turn stays stored and is remembered no more; if it still runs, it is stopped. The conversation
        goes on from the new answer, which a front end shows in the place of the old one, where it can.
        What still waits for its turn is changed by `amend`.

        Args:
            turn: number of the turn; `Store.taken` finds it by the key of the input.
            content: as of `submit`; None: the same once more.
            key: as of `submit`: of the edit, not of what is edited.

        Raises:
            NotFound: no such turn in this conversation, or it was erased; and what `submit` raises.
        """
        parts, files = await checked(self._place, content) if content is not None else ((), ())
        _, info = await self._place.found("turn", str(turn))
        await self._place.turn(info, turn)
        await self.stop(turn)
        return await accept(self._place, "edit", parts, reply_to=turn, key=key, attachments=files)

    async def amend(self, content: str | Sequence[Part | Attachment], *, key: tuple[str, str]) -> bool:
        """Changes what an input says while it waits for its turn: an edited one, or one that came in pieces.

        False: none with this key waits (any more); nothing is changed, and `edit` may help.

        Args:
            content: all that it says from now on. `Store.taken` has what it says so far; of that, a `Media`
                part keeps its attachment.
            key: of the input.

        Raises:
            As `submit`.
        """
        parts, files = await checked(self._place, content)
        engine = await self._place.engine()
        return await engine.store.amend(self.address.tenant, *key, parts, files)

    def events(self, ticket: Ticket) -> AsyncGenerator[AnyEvent, None]:
        """Attaches to the turn that answers an input, running, waiting or done, in whatever process."""
        return follow(self._place.home, self.address.key, ticket)

    async def retry(self) -> AsyncGenerator[AnyEvent, None]:
        """Answers the last input anew, as a sibling of the first answer, which stays stored."""
        async for event in self.events(await self.again()):
            yield event

    async def again(self, turn: int = 0, *, key: tuple[str, str] | None = None) -> Ticket:
        """As `retry`, of the last input or of a turn, but returns once the wish is durable.

        Args:
            turn: its number; 0: the last one.
            key: as of `submit`.

        Raises:
            NotFound: nothing was said yet, or there is no such turn (any more).
        """
        _, info = await self._place.found("turn", "retry")
        if turn:
            await self._place.turn(info, turn)
        elif not info.head:
            raise NotFound("turn", "retry")
        return await accept(self._place, "retry", (), reply_to=turn or info.head, key=key)

    async def continue_(self) -> AsyncGenerator[AnyEvent, None]:
        """Lets the model go on with an answer that was cut."""
        async for event in self.events(await self.go_on()):
            yield event

    async def go_on(self, turn: int = 0, *, key: tuple[str, str] | None = None) -> Ticket:
        """As `continue_`, with the last answer or that of a turn, but returns once the wish is durable.

        Args:
            turn: its number; 0: the last one.
            key: as of `submit`.

        Raises:
            NotFound: nothing was said yet, or there is no such turn (any more).
        """
        engine, info = await self._place.found("turn", "continue")
        if turn:
            await self._place.turn(info, turn)
        text = "继续" if engine.locale == "zh" else "Continue."
        return await accept(self._place, "continue", (Text(text),), reply_to=turn or None, key=key)

    async def decide(self, call: str, approve: bool) -> Ticket:
        """Answers a held call, once; the turn that carries the decision out is read by `events`.

        Raises:
            NotFound: no such call in this session.
        """
        engine, info = await self._place.look()
        stored = await engine.store.stored_call(call)
        if stored is None or info is None or stored.ref.session != info.id:
            raise NotFound("call", call)
        # Each person decides once: who may not has not decided for those who may.
        source, id_ = f"decision/{info.id}.{info.generation}/{self._place.external}", call
        while True:
            ticket = await accept(self._place, "decision", (Decision(call, approve),), key=(source, id_))
            if ticket.new or not await self._in_vain(ticket, call):
                return ticket
            id_ = f"{call}/{ticket.inbox}"

    async def _in_vain(self, ticket: Ticket, call: str) -> bool:
        """Whether a decision's turn was over (stopped, say) before it came to the call."""
        engine = await self._place.engine()
        progress = await engine.store.progress(ticket.inbox)
        stored = await engine.store.stored_call(call)
        return progress.state == "done" and stored is not None and stored.call.state == "held"

    async def stop(self, turn: int = 0) -> bool:
        """Stops the running turn, or the one of this number alone; it ends with what was said.

        False: it does not run.
        """
        engine, info = await self._place.look()
        if info is None:
            return False
        ref = await engine.store.stop(info.id, turn=turn)
        if ref is None:
            return False
        engine.lanes.stop(ref)
        return True

    # ------------------------------------------------------------ the path

    async def undo(self, *, key: tuple[str, str] | None = None) -> bool:
        """Takes the last turn back (a running one is stopped first); it stays stored as a branch.

        Args:
            key: as of `submit`: with the same one it is taken back once.
        """
        if await self.stop():
            for ticket in await self.waiting():
                async for _ in self.events(ticket):
                    pass
        engine, info = await self._place.look()
        if info is None or not await engine.store.undo(info.id, key=key):
            return False
        engine.history.drop(TurnRef(info.id, 0))  # as `new`
        return True

    async def new(self) -> None:
        """Starts an empty path; the old one stays stored."""
        engine, info = await self._place.look()
        if info is not None:
            await engine.upkeep.settle(info.id)  # what was said is remembered from the first word on
            await engine.store.move_head(info.id, 0)
            engine.history.drop(TurnRef(info.id, 0))  # what waited for consent is withdrawn

    async def fork(self, to: str | Address) -> Session:
        """Copies the conversation into a new session.

        Raises:
            NotFound: there is nothing to copy.
            SessionBusy: the other session exists and holds turns.
        """
        engine, info = await self._place.found("session", self.address.key)
        other = engine.session(to)
        copy = await engine.store.fork(info.id, info.head, other.address)
        engine.drop(other.address, copy.id)
        return other

    async def forget(self) -> int:
        """Erases the conversation with everything derived from it; returns how many turns went."""
        engine, info = await self._place.look()
        return await engine.roster.forget(info) if info is not None else 0
