"""The handle of one conversation: every verb there is. Cheap to make, keeps nothing but names."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from duihua.codes import new_code
from duihua.errors import InputTooLong, InvalidOptions, NotFound, PrivateSession, TurnError
from duihua.escapes import one_line
from duihua.events import (
    END,
    AnyEvent,
    TurnFailed,
    TurnFinished,
    TurnSnapshot,
    TurnStarted,
)
from duihua.joining import MEANWHILE, Meanwhile
from duihua.memory_session import MemorySession
from duihua.messages import (
    Address,
    Attachment,
    Author,
    Call,
    Cost,
    Decision,
    InputKind,
    Media,
    Options,
    Part,
    Quote,
    Speaker,
    Text,
    Turn,
    TurnRef,
    Usage,
    media_of,
)
from duihua.naming import speaker
from duihua.options import ModelOptions
from duihua.ports import Input, Progress, SessionInfo, Store, StoredCall
from duihua.prices import sums
from duihua.reminders import Reminder

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.preview import ContextView

POLL = 0.25
"""Seconds between two looks at a turn that runs in another process."""

HEARD, LINE, ROOM = 50, 300, 4_000
"""Messages that are overheard in a conversation, characters of each, and characters that a turn is given."""
HEARD_FOR = 24 * 3_600_000
"""Ms for which they are kept."""

CODE_SECONDS = 600
"""How long a code that joins identities is good for."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted input: it is durable. `new` is False if the same input was accepted before.

    `private`: it is kept in memory alone (see `Session.private`).
    """

    session: int
    inbox: int
    new: bool = True
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished turn. `finish`: stop, length, stopped, approval, flagged.

    `model` gave the last answer. `cost` has one sum per currency, as far as prices are known. `alternatives`
    are the other last answers, where `n` asked for several. `attachments` are what skills brought:
    `session.attachment(reply.attachments[0].attachment)` has the bytes.
    """

    text: str
    calls: tuple[Call, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    finish: str = "stop"
    turn: int = 0
    cost: tuple[Cost, ...] = ()
    alternatives: tuple[str, ...] = ()
    attachments: tuple[Media, ...] = ()


class Session(MemorySession):
    """One conversation. Any number of handles may point to the same one, in any process.

    A turn belongs to its session, not to who reads it: leaving an iterator never stops a turn, `stop()` does.
    """

    __slots__ = ("_external", "_home", "_name", "address")

    def __init__(self, engine: ChatEngine, address: Address, *, name: str = "", external: str = "") -> None:
        self._home, self.address = engine, address
        self._name, self._external = name, external.encode("utf-8", "replace").decode().replace("\0", "")

    def __repr__(self) -> str:
        return f"Session({self.address.key!r})"

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
        return await self._reply(self.events(await self.submit(content, options=options, reply_to=reply_to)))

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
        parts, files = await self._checked(content, options)
        heard, upto = await self._heard(parts)
        said = *heard, *parts
        return await self._accept("message", said, reply_to=reply_to, key=key, attachments=files, heard=upto)

    async def overhear(self, text: str, *, key: str) -> None:
        """Keeps something that was said, but not to the model, where several people talk.

        The next `submit` gives the last of it to the model; `forget` and `ChatEngine.unhear_chat` erase it.
        Nothing is kept of what is said before there is a conversation.

        Args:
            text: what was said.
            key: of the message, within the conversation.
        """
        engine = await self._here()
        if (info := await engine.store.session(self.address)) is not None:
            said = self._external, speaker(self._name).name, one_line(text, LINE)
            await engine.store.overhear(info.id, key, *said, most=HEARD, age=HEARD_FOR)

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
        parts, files = await self._checked(content) if content is not None else ((), ())
        await self._turn(await self._found("turn", str(turn)), turn)
        await self.stop(turn)
        return await self._accept("edit", parts, reply_to=turn, key=key, attachments=files)

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
        parts, files = await self._checked(content)
        engine = await self._here()
        return await engine.store.amend(self.address.tenant, *key, parts, files)

    async def events(self, ticket: Ticket) -> AsyncGenerator[AnyEvent, None]:
        """Attaches to the turn that answers an input, running, waiting or done, in whatever process."""
        engine = await self._home.aside() if ticket.private else self._home
        relay, store = engine.relay, engine.store
        begun = False
        shown = ""
        while True:
            channel = relay.of_input(ticket.inbox)
            if channel is not None:
                with channel.reader() as queue:
                    async for event in queue:
                        if begun and isinstance(event, TurnStarted):
                            continue
                        begun = True
                        yield event
                        if isinstance(event, END):
                            return
            progress = await store.progress(ticket.inbox)
            cost = self._cost_of(progress)
            for event in _told(self.address.key, progress, cost, begun=begun, shown=shown):
                begun = True
                shown = event.text if isinstance(event, TurnSnapshot) else shown
                yield event
                if isinstance(event, END):
                    return
            if relay.of_input(ticket.inbox) is None:
                engine.check_open()
                await relay.wait(ticket.inbox, POLL)

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
        info = await self._found("turn", "retry")
        if turn:
            await self._turn(info, turn)
        elif not info.head:
            raise NotFound("turn", "retry")
        return await self._accept("retry", (), reply_to=turn or info.head, key=key)

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
        engine = await self._here()
        info = await self._found("turn", "continue")
        if turn:
            await self._turn(info, turn)
        text = "继续" if engine.locale == "zh" else "Continue."
        return await self._accept("continue", (Text(text),), reply_to=turn or None, key=key)

    async def decide(self, call: str, approve: bool) -> Ticket:
        """Answers a held call, once; the turn that carries the decision out is read by `events`.

        Raises:
            NotFound: no such call in this session.
        """
        engine = await self._here()
        stored = await engine.store.stored_call(call)
        info = await engine.store.session(self.address)
        if stored is None or info is None or stored.ref.session != info.id:
            raise NotFound("call", call)
        # Each person decides once: who may not has not decided for those who may.
        source, id_ = f"decision/{info.id}.{info.generation}/{self._external}", call
        while True:
            ticket = await self._accept("decision", (Decision(call, approve),), key=(source, id_))
            if ticket.new or not await self._in_vain(ticket, call):
                return ticket
            id_ = f"{call}/{ticket.inbox}"

    async def _in_vain(self, ticket: Ticket, call: str) -> bool:
        """Whether a decision's turn was over (stopped, say) before it came to the call."""
        engine = await self._here()
        progress = await engine.store.progress(ticket.inbox)
        stored = await engine.store.stored_call(call)
        return progress.state == "done" and stored is not None and stored.call.state == "held"

    async def stop(self, turn: int = 0) -> bool:
        """Stops the running turn, or the one of this number alone; it ends with what was said.

        False: it does not run.
        """
        engine = await self._here()
        info = await engine.store.session(self.address)
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
        engine = await self._here()
        if await self.stop():
            await self._idle()
        info = await engine.store.session(self.address)
        return info is not None and await engine.store.undo(info.id, key=key)

    async def new(self) -> None:
        """Starts an empty path; the old one stays stored."""
        engine = await self._here()
        if info := await engine.store.session(self.address):
            await engine.upkeep.settle(info.id)  # what was said is remembered from the first word on
            await engine.store.move_head(info.id, 0)

    async def fork(self, to: str | Address) -> Session:
        """Copies the conversation into a new session.

        Raises:
            NotFound: there is nothing to copy.
            SessionBusy: the other session exists and holds turns.
        """
        engine = await self._here()
        info = await self._found("session", self.address.key)
        other = engine.session(to)
        copy = await engine.store.fork(info.id, info.head, other.address)
        engine.roster.drop(other.address, copy.id)
        return other

    async def forget(self) -> int:
        """Erases the conversation with everything derived from it; returns how many turns went."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        if info is None:
            return 0
        return await engine.roster.forget(info)

    # ------------------------------------------------------------ looking

    async def kept(self) -> tuple[Store, SessionInfo | None]:
        """The store that keeps the conversation, another one while it is private, and its row there."""
        engine = await self._here()
        return engine.store, await engine.store.session(self.address)

    async def history(self, limit: int = 50) -> list[Turn]:
        """The newest turns of the current path, oldest first."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        return list(await engine.store.path(info.id, info.head, limit=limit)) if info else []

    async def attachment(self, id_: str) -> Attachment | None:
        """An image or a file of this conversation with its bytes; None: it is not, or no more, here."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        found = await engine.store.attachments([id_], session=info.id) if info else ()
        return found[0] if found else None

    async def context(self, content: str = "", *, count: bool = False) -> ContextView:
        """Exactly what the next request would hold if `content` were said now.

        Args:
            content: the question.
            count: also asks the platform for its own count of the tokens, if it has one.
        """
        engine = await self._here()
        view = await engine.previews.of(self.address, content, self._name, external=self._external)
        if not count:
            return view
        counted = await engine.count_tokens(view.text, model=view.model)
        return replace(view, counted=counted.tokens if counted.exact else None)

    async def waiting(self) -> list[Ticket]:
        """The inputs without an answer yet, oldest first: from before a crash, or from another process."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        if info is None:
            return []
        private = engine is not self._home
        return [Ticket(info.id, inbox, False, private) for inbox in await engine.store.waiting(info.id)]

    async def attended(self) -> bool:
        """Whether another living process of this machine works on the conversation now."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        if info is None or not info.pending:
            return False
        leases = await engine.store.leases()
        return any(id_ == info.id and engine.lanes.fate(token) == "alive" for id_, token in leases)

    async def held(self) -> list[StoredCall]:
        """The calls that wait for `decide`, oldest first; none whose time is over."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        now = engine.clock() * 1000
        waiting = await engine.store.held(info.id) if info else ()
        return [one for one in waiting if not one.expires or one.expires > now]

    async def reminders(self) -> list[Reminder]:
        """The conversation's reminders, the next one first."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        return list(await engine.supplies.reminders(info.id, info.address, info.owner).all()) if info else []

    async def cancel_reminder(self, id_: int) -> bool:
        """Disarms a reminder of the conversation; False: there is none of this id.

        Raises:
            NotYours: several people share the conversation, someone else has set it, and the person whose
                handle this is is no administrator.
        """
        engine = await self._here()
        info = await engine.store.session(self.address)
        if info is None:
            return False
        return await engine.supplies.reminders(info.id, info.address, await self._speaker()).cancel(id_)

    async def usage(self) -> list[tuple[str, int, Usage, Cost | None]]:
        """(model, turns, usage, cost) of the session's owner, over all days; None: no price is known."""
        engine = await self._here()
        info = await engine.store.session(self.address)
        rows = await engine.store.usage(info.owner) if info else ()
        return [(model, turns, used, self._cost(model, micros)) for model, turns, used, micros in rows]

    def _cost_of(self, progress: Progress) -> tuple[Cost, ...]:
        """What a stored turn cost; nothing if several models took part, whose shares are not known."""
        models = {step.model for step in progress.turn.steps} if progress.turn else set[str]()
        one = progress.model if models <= {progress.model} else ""
        return sums([self._home.prices.cost(one, progress.usage)])

    def _cost(self, model: str, micros: int) -> Cost | None:
        price = self._home.prices.of(model)
        return Cost(micros, price.currency) if price else None

    async def settings(self) -> dict[str, Any]:
        """The session's own settings: persona, options, model, as far as they are set."""
        engine = await self._here()
        return dict(await engine.roster.settings(self.address))

    async def configure(
        self,
        *,
        persona: str | None = None,
        options: ModelOptions | None = None,
        model: str | None = None,
        meanwhile: Meanwhile | None = None,
        thoughts: bool | None = None,
    ) -> None:
        """Sets the session's own settings; what is None stays, an empty text or no options unsets.

        Args:
            persona: its name.
            options: of the model.
            model: `provider/model`, or several parted by commas.
            meanwhile: what becomes of what is said while an answer is written. `queue`: it waits for its
                turn; `join`: what waits is answered together; `interrupt`: that answer ends there, and what
                waits is answered together.
            thoughts: whether front ends that can show what a model thinks do so.

        Raises:
            NotFound: no such persona.
            InvalidOptions: an option outside of the model's range, or no such value of `meanwhile`.
            ConfigError: no such platform, or its key is not set.
        """
        engine = await self._here()
        info = await engine.store.session(self.address)
        values = dict(info.settings) if info else {}
        if persona is not None:
            if persona:
                engine.personas.get(persona)
            values["persona"] = persona
        if model is not None:
            values["model"] = model
        if options is not None:
            values["options"] = _plain(options)
        if meanwhile is not None:
            if meanwhile not in MEANWHILE:
                raise InvalidOptions("meanwhile", meanwhile, "queue, join or interrupt")
            values["meanwhile"] = "" if meanwhile == "queue" else meanwhile
        if thoughts is not None:
            values["thoughts"] = thoughts
        if model is not None or options is not None:
            _, _, dialect = engine.platforms.resolve_all(values.get("model") or engine.model)[0]
            dialect.check(ModelOptions.parse(values.get("options") or {}))
        kept = {name: value for name, value in values.items() if value}
        info = await engine.store.ensure(self.address, self._external, self._name)
        await engine.store.settings(info.id, kept)
        engine.roster.drop(self.address, info.id)

    async def private(self, on: bool | None = None) -> bool:
        """Talks in a way that stores and recalls nothing, or ends that; None: the other of the two.

        A private conversation starts empty, lives in the memory of this process and is gone with it, or when
        it is ended. Persona, model and options are those of the conversation.
        """
        info = await self._home.store.ensure(self.address, self._external, self._name)
        now = bool(info.settings.get("private"))
        on = not now if on is None else on
        if on == now:
            return on
        aside = await self._home.aside()
        there = Session(aside, self.address, name=self._name, external=self._external)
        if now:
            await there.forget()
        settings = {name: value for name, value in info.settings.items() if name != "private"}
        if on:
            made = await aside.store.ensure(self.address, self._external, self._name)
            await aside.store.settings(made.id, settings)
            aside.roster.drop(self.address, made.id)
        await self._home.store.settings(info.id, {**settings, "private": True} if on else settings)
        self._home.roster.drop(self.address, info.id)
        return on

    async def link_code(self) -> str:
        """A code by which another identity of the same person joins this one, once, within ten minutes.

        Ask for it only where nobody else reads along.
        """
        code = new_code()
        await self._home.store.offer_link(await self._speaker(), code, seconds=CODE_SECONDS)
        return code

    async def link(self, code: str) -> bool:
        """Joins the person whose handle this is to the one who was given `code`, for good.

        Both share conversations, facts and everything else from then on. False: the code is not right, too
        old or used, or too many were tried.
        """
        info = await self._home.store.ensure(self.address, self._external, self._name)
        await self._home.upkeep.settle(info.id)
        person = await self._home.store.link(await self._speaker(), code)
        if person is None:
            return False
        for known in await self._home.store.sessions(person):
            self._home.roster.drop(known.address, known.id)
        return True

    @property
    def speaker(self) -> str:
        """The person whose handle this is, as `front/id`."""
        return f"{self.address.front}/{self._external or self.address.chat}"

    async def is_admin(self) -> bool:
        """Whether the person whose handle this is is an administrator: by the settings, or by their role."""
        return await self._home.is_admin(self.address, await self._speaker())

    async def is_private(self) -> bool:
        """Whether nothing of what is said now is stored."""
        return bool((await self._home.roster.settings(self.address)).get("private"))

    # ------------------------------------------------------------ inside

    async def _here(self) -> ChatEngine:
        """The engine that keeps the conversation: one that stores nothing while it is private."""
        self._home.check_open()
        settings = await self._home.roster.settings(self.address)
        return await self._home.aside() if settings.get("private") else self._home

    async def _person(self) -> tuple[ChatEngine, SessionInfo]:
        self._home.check_open()
        return self._home, await self._home.store.ensure(self.address, self._external, self._name)

    async def _speaker(self) -> int:
        """users.id of the person whose handle this is: in a shared session not always its owner."""
        engine, info = await self._person()
        if not info.address.shared:
            return info.owner
        at = (self.address.tenant, self.address.front, self._external or self.address.chat)
        user = await engine.store.user(*at)
        if user is None:
            raise NotFound("user", self._external)
        return user

    async def _made(self) -> SessionInfo:
        engine = await self._here()
        return await engine.store.ensure(self.address, self._external, self._name)

    async def _checked(
        self, content: str | Sequence[Part | Attachment], options: ModelOptions | None = None
    ) -> tuple[tuple[Part, ...], tuple[Attachment, ...]]:
        """What is said as parts, with the attachments that come with it; refused if no model takes it."""
        engine = await self._here()
        given = (Text(content),) if isinstance(content, str) else tuple(content)
        files = tuple(part for part in given if isinstance(part, Attachment))
        parts = tuple(part.part if isinstance(part, Attachment) else part for part in given)
        if self.address.shared and not any(isinstance(part, Speaker) for part in parts):
            parts = (speaker(self._name), *parts)
        await engine.check(self.address, parts, options)
        if options is not None and (values := _plain(options)):
            parts = (*parts, Options(values))
        return parts, files

    async def _heard(self, parts: tuple[Part, ...]) -> tuple[tuple[Quote, ...], int]:
        """What was overheard, as far as there is room for it beside `parts`, and up to which id that is."""
        engine = await self._here()
        info = await engine.store.session(self.address) if self.address.shared else None
        heard = await engine.store.overheard(info.id, age=HEARD_FOR) if info else ()
        lines: list[Quote] = []
        room = ROOM
        for one in reversed(heard):
            if (room := room - len(one.text)) < 0:
                break
            lines.insert(0, Quote(one.text, one.name))
        if lines:
            try:
                await engine.check(self.address, (*lines, *parts), None)
            except InputTooLong:
                lines = []
        return tuple(lines), heard[-1].id if heard else 0

    async def _accept(
        self,
        kind: InputKind,
        parts: tuple[Part, ...],
        *,
        reply_to: int | None = None,
        key: tuple[str, str] | None = None,
        attachments: tuple[Attachment, ...] = (),
        heard: int = 0,
    ) -> Ticket:
        source, source_id = key or ("local", secrets.token_hex(16))
        author = Author(0, self._name) if self._external or self._name else None
        input = Input(
            source=source,
            source_id=source_id,
            address=self.address,
            author=author,
            external=self._external,
            kind=kind,
            parts=parts,
            reply_to=reply_to,
            attachments=attachments,
            heard=heard,
        )
        engine = await self._here()
        try:
            accepted = await engine.accept(input)
        except PrivateSession:  # another process made it so: what was known of it here is old
            engine.roster.drop(self.address, 0)
            engine = await self._here()
            accepted = await engine.accept(input)
        ticket = Ticket(accepted.session, accepted.inbox, accepted.new, engine is not self._home)
        if kind == "message" and accepted.work is None:
            await self._interrupt(engine, ticket)
        return ticket

    async def _interrupt(self, engine: ChatEngine, ticket: Ticket) -> None:
        """Stops the answer that an input waits for, if the session is to have it so."""
        if (await engine.roster.settings(self.address)).get("meanwhile") != "interrupt":
            return
        ref = await engine.store.stop(ticket.session, waiting=ticket.inbox)
        if ref is not None:
            engine.lanes.stop(ref)

    async def _reply(self, events: AsyncIterator[AnyEvent]) -> Reply:
        async for event in events:
            if isinstance(event, TurnFailed):
                raise TurnError(event.error, event.values)
            if isinstance(event, TurnFinished):
                calls = await self._calls_of(event.turn) if event.step or event.finish == "approval" else ()
                return Reply(
                    event.text,
                    calls,
                    event.usage,
                    event.model,
                    event.finish,
                    event.turn,
                    event.cost,
                    event.alternatives,
                    event.attachments,
                )
        raise TurnError("superseded")

    async def _calls_of(self, seq: int) -> tuple[Call, ...]:
        engine = await self._here()
        info = await self._found("session", self.address.key)
        turn = await engine.store.turn(TurnRef(info.id, seq))
        return tuple(c for s in turn.steps for c in s.calls) if turn else ()

    async def _found(self, what: str, name: str) -> SessionInfo:
        engine = await self._here()
        info = await engine.store.session(self.address)
        if info is None:
            raise NotFound(what, name)
        return info

    async def _turn(self, info: SessionInfo, number: int) -> Turn:
        engine = await self._here()
        found = await engine.store.turn(TurnRef(info.id, number))
        if found is None or found.state == "cleared":
            raise NotFound("turn", number)
        return found

    async def _idle(self) -> None:
        """Until no input waits."""
        for ticket in await self.waiting():
            async for _ in self.events(ticket):
                pass


def _told(key: str, progress: Progress, cost: tuple[Cost, ...], *, begun: bool, shown: str) -> list[AnyEvent]:
    """What a stored turn tells a reader who does not hear it live."""
    turn = progress.turn
    where: dict[str, Any] = {
        "session": key,
        "turn": turn.ref.seq if turn else 0,
        "attempt": progress.attempt,
    }
    out: list[AnyEvent] = []
    if progress.state == "pending":
        return out
    if turn is None:
        if progress.state == "taken":
            return out
        return [TurnFailed(**where, error="forgotten")]
    if not begun:
        out.append(TurnStarted(**where))
    if turn.state == "running":
        text = progress.partial
        if text and text != shown:
            out.append(TurnSnapshot(**where, text=text))
        return out
    where["step"] = max(0, len(turn.steps) - 1)
    if turn.text and turn.text != shown:
        out.append(TurnSnapshot(**where, text=turn.text))
    if turn.state == "failed":
        out.append(TurnFailed(**where, error=progress.error or "internal"))
    else:
        out.append(
            TurnFinished(
                **where,
                text=turn.text,
                finish=turn.finish,
                model=progress.model,
                usage=progress.usage,
                cost=cost,
                attachments=media_of(turn),
            )
        )
    return out


def _plain(options: ModelOptions) -> dict[str, Any]:
    """Options as plain data that JSON can hold."""
    values = options.given()
    if options.extra:
        values["extra"] = dict(options.extra)
    try:
        plain: dict[str, Any] = orjson.loads(orjson.dumps(values))
    except TypeError:
        raise InvalidOptions("extra", options.extra, "it may hold JSON values only") from None
    return plain
