"""Acts on one event after the other: says what was said to the session, runs commands, tells what came of it.

Whatever is done here may be done once more after a crash, so all of it bears that: inputs carry their key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from duihua.commands import (
    COMMON,
    Answer,
    Command,
    CommandTable,
    Confirm,
    Decided,
    Document,
    Input,
    Invocation,
    Present,
    Quit,
    Scene,
    Show,
    Tell,
    UnknownCommand,
    persona_of,
)
from duihua.errors import (
    ConfigError,
    DeliveryError,
    DuihuaError,
    InvalidOptions,
    NotSent,
    StorageError,
)
from duihua.escapes import one_line
from duihua.messages import Address, Part, TurnRef
from duihua.plain import explain
from duihua.setting_handlers import THINKING
from duihua.telegram.calls import Refused
from duihua.telegram.consenting import decided, settled
from duihua.telegram.gathering import Albums
from duihua.telegram.groups import Groups
from duihua.telegram.incoming import Taken
from duihua.telegram.place import FRONT, place_of
from duihua.telegram.porter import DECLINE, LET_IN, Porter
from duihua.telegram.preferences import SET, Preferences
from duihua.telegram.reading import Reader, brings
from duihua.telegram.replying import thread_of
from duihua.telegram.revising import Before, asked_before, holds_all, made_of, opener, revise, reworded
from duihua.telegram.text import Formatted, split
from duihua.telegram.topics import opened
from duihua.telegram.updates import Event, Me, Moved, Noted, Person, Pressed, Said, Stands, Stopped

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.session import Session
    from duihua.telegram.chats import Chats
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

STOP = "stop"
"""Begins the data of a button that stops an answer: `stop:7` is about turn 7 alone."""
OF_TURNS = (STOP, "again", "continue", "yes", "no")
"""Begin the data of buttons that are about the turn that their message shows."""
CONFIRM = 600.0
"""Seconds that a question waits for /yes."""
KEPT = 1_000
"""Questions that wait, at most."""
_REASON = 300  # characters of it that are logged
PATIENCE = 30.0
"""Seconds for which one message of the answer to a command is tried: its conversation waits meanwhile. The
turns' own answers are in the outbox instead."""


async def _start(scene: Scene) -> Answer:
    persona = scene.engine.personas.get(await persona_of(scene.session, scene.engine))
    return Show(f"{persona.greeting(scene.words.lang)}\n\n{scene.words.t('telegram.start')}")


async def _ask(scene: Scene) -> Answer:
    return Show(scene.words.t("telegram.ask"))


START = Command("start", _start, ("开始",))


async def _settings(scene: Scene) -> Answer:
    return Show(scene.words.t("telegram.settings.title"))  # the clerk shows a menu instead


ASK = Command("ask", _ask, ("问",), takes=True)
SETTINGS = Command("settings", _settings, ("设置",), role="owner")
TABLE = CommandTable((*COMMON, SETTINGS, THINKING, ASK, START))


class Clerk:
    """Acts for one bot.

    Args:
        engine: the conversations.
        me: the bot.
        voice: how people hear of what was done.
        languages: in which words; learns of those who speak.
        chats: what is known of where it is said.

    Attributes:
        albums: what became of them.
    """

    def __init__(self, engine: ChatEngine, me: Me, voice: Voice, languages: Languages, chats: Chats) -> None:
        self._engine, self._me, self._voice, self._languages = engine, me, voice, languages
        self._chats = chats
        self._porter = Porter(engine.access, me, voice, languages)
        self._reader = Reader(engine, voice.api(str(me.id)))
        self._groups = Groups(engine, me, voice, languages, chats)
        self._preferences = Preferences(engine, self._groups, voice, languages, chats)
        self.albums = Albums()
        self._asked: OrderedDict[tuple[str, int], tuple[Confirm, float]] = OrderedDict()
        self._telling: dict[str, asyncio.Timeout] = {}  # commands that tell one thing after the other

    def urgent(self, event: Event) -> bool:
        """Whether it must not wait behind what came earlier in its chat."""
        match event:
            case Said(edited=False):
                what = TABLE.parse(event.text)
                return isinstance(what, Invocation) and what.command.name == STOP
            case Said() | Moved() | Stands():
                return False
            case Pressed() | Stopped():
                return True

    def conversation(self, event: Event) -> str:
        """In which conversation it seems to belong, by what is at hand: one need not wait for another."""
        if event.address is None:
            return ""
        user = event.who.id if isinstance(event, Said | Pressed) else 0
        return self._groups.seems(event.address, user).key

    async def stop(self, event: Event) -> bool:
        """Stops what runs where the event comes from; False: it is no stop, or nothing runs."""
        turn = 0
        match event:
            case Moved() | Stands():
                return False
            case Pressed():
                name, turn = _number(event.data)
                if name != STOP:
                    return False
            case Stopped():
                turn = event.draft
            case Said() if not self.urgent(event):
                return False
            case _:
                pass
        if event.address is None or not await self._knows(event):
            return False
        address = await self._groups.at(event.address, _who(event).id)
        if isinstance(event, Pressed) and await self._shows(event, address) != turn:
            return False
        if (telling := self._telling.get(address.key)) is not None and not telling.expired():
            telling.reschedule(asyncio.get_running_loop().time())
            return True
        if await self._session(address, _who(event)).stop(turn):
            return True
        return isinstance(event, Said) and self._reader.stop(address)

    async def stopped(self, event: Said | Stopped, done: bool) -> None:
        """Tells what came of a stop."""
        if isinstance(event, Said) and await self._knows(event):
            words = self._words(event)
            await self._tell(event, words.t("command.stop.done" if done else "command.stop.nothing"))

    async def pressed(self, event: Pressed, key: str, stopped: bool) -> None:
        """Does what a button is for, unless that was a stop, and ends its spinning with a word.

        Raises:
            StorageError: it is to be done once more.
        """
        words, said = self._words(event), ""
        if event.address is not None:
            try:
                own = await self._groups.at(event.address, event.who.id)
                said = await self._button(event, own, words, (self._me.source, key), stopped)
            except StorageError:
                raise
            except DuihuaError as e:
                said = _explained(words, e)
        await self._heard(lambda: self._voice.answer(str(self._me.id), event.query, said))

    async def _button(
        self, event: Pressed, address: Address, words: Catalogue, key: tuple[str, str], stopped: bool
    ) -> str:
        name, number = _number(event.data)
        shows = await self._shows(event, address) if name in OF_TURNS else 0
        if name in OF_TURNS and address.user and not shows:
            return words.t("telegram.not_yours")
        if name == STOP:
            code = "done" if stopped else "nothing"
            return words.t(f"command.stop.{code}") if await self._knows(event) else ""
        if name in (LET_IN, DECLINE):
            return await self._porter.decided(event, number, words, yes=name == LET_IN)
        verdict = await self._porter.admit(address, event.who, "")
        if not verdict.allowed:
            return words.t(verdict.tell.code, **verdict.tell.values) if verdict.tell else ""
        if name == SET:
            return await self._preferences.pressed(event, address, words)
        session = self._session(address, event.who)
        match name:
            case "again" | "continue" | "yes" | "no" if not shows:
                return words.t("telegram.replaced")
            case "again" | "continue" if number != shows:
                return words.t("telegram.replaced")
            case "again" | "continue":
                return await self._more(event, name, number, session, words, key)
            case "yes" | "no":
                return await decided(event, address, session, self._engine.store, self._voice, words)
            case _:
                pass
        return ""

    async def _more(
        self, event: Pressed, name: str, turn: int, session: Session, words: Catalogue, key: tuple[str, str]
    ) -> str:
        """Lets the answer under which a button was pressed be given again, or go on.

        The last answer is given again in its place; one further up stays, and the new one comes below.
        """
        store, info = await session.kept()
        if info is None or await store.edited(TurnRef(info.id, turn)):
            return words.t("telegram.replaced")
        if name == "continue":
            once = f"continue/{turn}/{info.address.chat}/{event.message}"  # pressed twice, it is meant once
            await session.go_on(turn, key=(self._me.source, once))
        elif turn == info.head and not info.pending:
            await session.edit(turn, key=key)
        else:
            await session.again(turn, key=key)
        return words.t(f"telegram.{name}_begun")

    async def _shows(self, event: Pressed, address: Address) -> int:
        """The turn that the message under which a button was pressed shows now; 0: none of `address`.

        The number on a button says too little: turns are counted anew after all was forgotten, and in each
        conversation of a chat.
        """
        store, info = await self._session(address, event.who).kept()
        return await store.shown_in(info.id, str(event.message)) if info is not None else 0

    async def act(self, event: Said, key: str) -> None:
        """Does what a message asks for. `key` is that of its update.

        Raises:
            StorageError: it is to be done once more.
        """
        command = isinstance(TABLE.parse(event.text), Invocation)
        if (own := await self._groups.said(event, command=command)) is None:
            return
        event = own
        words = self._words(event)
        await self._languages.note(event.address, event.who.lang)
        if not await self._admitted(event, words):
            return
        session = self._session(event.address, event.who)
        try:
            await self._said(event, session, words, key)
        except StorageError:
            raise
        except DuihuaError as e:
            await self._tell(event, _explained(words, e), reply=True)

    async def note(self, event: Noted) -> None:
        """Takes note of what Telegram tells of a chat.

        Raises:
            StorageError: it is to be done once more.
        """
        await self._groups.note(event)

    async def tidy(self) -> None:
        """Does what is to be done now and then. Raises StorageError."""
        await self._porter.tidy()

    async def broken(self, event: Said) -> None:
        """Tells that a message could not be worked on, by a fault of ours."""
        await self._tell(event, self._words(event).t("error.internal"), reply=True)

    # ------------------------------------------------------------ what was said

    async def _said(self, said: Said, session: Session, words: Catalogue, key: str) -> None:
        what = TABLE.parse(said.text)
        if said.edited:
            if isinstance(what, Input) and (said.text.strip() or said.media) and said.called:
                await self._edited(said, what.text, session, key)
            return
        match what:
            case Input(text):
                if said.called and (text.strip() or said.media):
                    await self._submit(said, text, session, words, key)
            case UnknownCommand():
                if said.called:
                    await self._tell(said, what.line(words))
            case Invocation(command, args) if command is ASK and (args or said.quote or brings(said)):
                await self._submit(said, args, session, words, key)
            case Invocation(command, args):
                await self._command(what, said, session, words, key)

    async def _submit(self, said: Said, text: str, session: Session, words: Catalogue, key: str) -> None:
        """Asks the model; `text` is what was said without a command."""
        source = self._me.source
        store, _ = await session.kept()
        costly = brings(said) or len(said.sent) > 1
        before = await asked_before(said, store, source) if costly else None
        private = store is not self._engine.store
        if before is not None and holds_all(before.parts, said, text):
            self.albums.add(said, asked=True, private=private)
            return  # before a crash; to read all of it once more may cost
        found = await self._reader.read(said, text)
        if found is None:
            return
        if isinstance(found, Taken):
            thread = await thread_of(said, session, self._me)
            parts = [*found, *made_of(said, text)]
            if before is None:
                await session.submit(thread.told(said, parts), reply_to=thread.after, key=(source, said.key))
            else:  # one more piece of it has come
                await revise(said, session, (source, key), lambda was: thread.told(said, parts, was.parent))
            self.albums.add(said, asked=True, private=private)
        told = "\n".join(words.t(note.code, **note.values) for note in found.notes)
        if told:
            await self._tell(said, told, reply=True)

    async def _edited(self, said: Said, text: str, session: Session, key: str) -> None:
        """The turn of a message that was changed is done anew, with what it says now."""
        thread = await thread_of(said, session, self._me)
        store, _ = await session.kept()
        first = await opener(said, store, self._me.source)

        def wanted(was: Before) -> Sequence[Part]:
            now = reworded(was.parts, said, text, later=first is not said)
            return thread.told(said, now, was.parent)

        await revise(first, session, (self._me.source, key), wanted)

    async def _command(
        self, what: Invocation, said: Said, session: Session, words: Catalogue, key: str
    ) -> None:
        waiting = self._asked.pop((said.address.key, said.who.id), None)
        if waiting and waiting[1] > asyncio.get_running_loop().time() and not what.args:
            if what.command.name == "yes":
                await self._answer(await waiting[0].proceed(), said, words)
                return
            if what.command.name == "no":
                await self._tell(said, waiting[0].declined)
                return
        if what.command is SETTINGS:
            await self._heard(lambda: self._preferences.show(said, words))
            return
        if what.command.name == "new" and await opened(self._engine, self._voice, said, words):
            return
        if what.command.role == "owner" and not await self._owns(said):
            await self._tell(said, words.t("telegram.owner_only", name=what.command.name))
            return
        answer = await TABLE.run(what, session, self._engine, words, key=(self._me.source, key))
        await self._answer(answer, said, words)

    async def _answer(self, answer: Answer, said: Said, words: Catalogue) -> None:
        match answer:
            case Show(text):
                await self._tell(said, text)
            case Confirm(question):
                until = asyncio.get_running_loop().time() + CONFIRM
                self._asked[said.address.key, said.who.id] = answer, until
                while len(self._asked) > KEPT:
                    self._asked.popitem(last=False)
                await self._tell(said, words.t("telegram.confirm", question=question))
            case Present(events):
                await _left(events)  # it is accepted; the front end shows it like any turn
                if isinstance(answer, Decided):
                    await settled(answer, said.who, said.address, self._engine, self._voice, words)
            case Document():
                if not await self._heard(lambda: self._voice.give(said.address, answer, said.reply_to)):
                    await self._tell(said, words.t("telegram.no_file", name=answer.name))
            case Tell(texts):
                await self._tell_all(texts, said)
            case Quit():
                pass

    async def _tell_all(self, texts: AsyncIterator[str], said: Said) -> None:
        """Tells texts as they come; a stop ends it."""
        key = said.address.key
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._telling[key] = scope
                try:
                    async for text in texts:
                        await self._tell(said, text)
                finally:
                    if self._telling.get(key) is scope:  # a group that moves may have another one here
                        del self._telling[key]
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            await _left(texts)

    # ------------------------------------------------------------ who speaks

    async def _knows(self, event: Said | Pressed | Stopped) -> bool:
        # Only a private chat has drafts, and its id is the person's.
        who = event.address.chat if isinstance(event, Stopped) else str(event.who.id)
        return await self._engine.access.knows(FRONT, who)

    async def _admitted(self, said: Said, words: Catalogue) -> bool:
        """Whether it may go on; tells what there is to tell. An album counts once, however it comes."""
        if said in self.albums:
            return await self._knows(said)
        verdict = await self._porter.admit(said.address, said.who, said.text)
        if verdict.tell:
            await self._tell(said, words.t(verdict.tell.code, **verdict.tell.values))
        if verdict.asked:
            await self._porter.announce(verdict.asked)
        if verdict.allowed:
            self.albums.add(said)
        return verdict.allowed

    async def _owns(self, said: Said) -> bool:
        """Whether who speaks owns the conversation; in a private chat they do."""
        if not said.address.shared:
            return True
        store = self._engine.store
        info = await store.session(said.address)
        user = await store.user(said.address.tenant, said.address.front, str(said.who.id))
        return info is None or (user is not None and info.owner == user)

    def _session(self, address: Address, who: Person) -> Session:
        return self._engine.session(address, name=who.name, external=str(who.id) if who.id else "")

    def _words(self, event: Said | Pressed) -> Catalogue:
        if event.address is None:
            return self._languages.words(event.who.lang)
        return self._languages.of(event.address, event.who.lang)

    # ------------------------------------------------------------ how it is told

    async def _tell(self, said: Said, text: str, *, reply: bool = False) -> None:
        to = said.reply_to if reply or not place_of(said.address).private else 0
        for part in split(Formatted(text)):  # each is tried by itself: what has been said stays said
            if not await self._heard(lambda part=part: self._voice.say(said.address, part.text, to)):
                return

    async def _heard(self, speak: Callable[[], Awaitable[object]]) -> bool:
        """Whether it was said, perhaps; what cannot be said within `PATIENCE` is let go."""
        clock = asyncio.get_running_loop().time
        until = clock() + PATIENCE
        while True:
            try:
                await speak()
            except NotSent as e:
                log.warning("an answer to a command was not sent: %s", e)
                if clock() + e.retry_after > until:
                    return False
                await asyncio.sleep(e.retry_after)
            except Refused as e:
                log.warning("an answer to a command was not sent: %s", e)
                return False
            except DeliveryError as e:
                log.warning("an answer to a command may not have been sent: %s", type(e).__name__)
                return True
            else:
                return True


def _explained(words: Catalogue, error: DuihuaError) -> str:
    """For a person; what only whoever runs the bot can change is logged, for they are not told."""
    if isinstance(error, ConfigError | InvalidOptions):
        log.warning("a setting is wrong: %s", one_line(str(error), _REASON))
    return explain(words, error)


def _number(data: str) -> tuple[str, int]:
    """The name of a button and the number of the turn that it is about; 0: none."""
    name, _, number = data.partition(":")
    return name, int(number) if number.isascii() and number.isdigit() and len(number) < 18 else 0


def _who(event: Event) -> Person:
    return Person(0) if isinstance(event, Stopped | Moved) else event.who


async def _left(iterator: object) -> None:
    """Closes a generator that nobody reads on."""
    if (close := getattr(iterator, "aclose", None)) is not None:
        await close()
