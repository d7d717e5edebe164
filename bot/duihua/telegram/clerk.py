"""Acts on one event after the other: says what was said to the session, runs commands, tells what came of it.

Whatever is done here may be done once more after a crash, so all of it bears that: inputs carry their key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from duihua.commands import (
    COMMON,
    Answer,
    Command,
    CommandTable,
    Confirm,
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
from duihua.errors import DeliveryError, DuihuaError, NotSent, StorageError
from duihua.messages import Address, TurnRef, text_of
from duihua.plain import explain
from duihua.telegram.groups import Groups
from duihua.telegram.place import FRONT, place_of
from duihua.telegram.porter import DECLINE, LET_IN, Porter
from duihua.telegram.preferences import SET, Preferences
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
CONFIRM = 600.0
"""Seconds that a question waits for /yes."""
KEPT = 1_000
"""Questions that wait, and albums that are known, at most."""
TRIES = 3
"""Of telling the answer to a command; the turns' own answers are in the outbox instead."""
ONCE = frozenset({"undo"})
"""Commands that would do more the second time: they are settled before they are carried out."""

Settle = Callable[[], Awaitable[None]]


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
TABLE = CommandTable((*COMMON, SETTINGS, ASK, START))


class Clerk:
    """Acts for one bot.

    Args:
        engine: the conversations.
        me: the bot.
        voice: how people hear of what was done.
        languages: in which words; learns of those who speak.
        chats: what is known of where it is said.
    """

    def __init__(self, engine: ChatEngine, me: Me, voice: Voice, languages: Languages, chats: Chats) -> None:
        self._engine, self._me, self._voice, self._languages = engine, me, voice, languages
        self._chats = chats
        self._porter = Porter(engine.access, me, voice, languages)
        self._groups = Groups(engine, me, voice, languages, chats)
        self._preferences = Preferences(engine, self._groups, voice, languages, chats)
        self._albums: OrderedDict[tuple[str, str], None] = OrderedDict()
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
            case Said() if not self.urgent(event):
                return False
            case _:
                pass
        if event.address is None or not await self._knows(event):
            return False
        if isinstance(event, Pressed) and await self._groups.pressed(event) is None:
            return False
        address = await self._groups.at(event.address, _who(event).id)
        if (telling := self._telling.get(address.key)) is not None and not telling.expired():
            telling.reschedule(asyncio.get_running_loop().time())
            return True
        return await self._session(address, _who(event)).stop(turn)

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
                own = await self._groups.pressed(event)
                if own is not None and own.address is not None:
                    said = await self._button(own, own.address, words, (self._me.source, key), stopped)
                else:
                    said = words.t("telegram.not_yours")
            except StorageError:
                raise
            except DuihuaError as e:
                said = explain(words, e)
        await self._heard(lambda: self._voice.answer(str(self._me.id), event.query, said))

    async def _button(
        self, event: Pressed, address: Address, words: Catalogue, key: tuple[str, str], stopped: bool
    ) -> str:
        name, number = _number(event.data)
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
            case "again" if number:
                await session.again(number, key=key)
            case "continue":
                await session.go_on(key=key)
            case "yes" | "no":
                await session.decide(event.data.partition(":")[2], name == "yes")
            case _:
                pass
        return ""

    async def act(self, event: Said, key: str, settle: Settle) -> None:
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
        verdict = await self._porter.admit(event.address, event.who, event.text)
        if verdict.tell:
            await self._tell(event, words.t(verdict.tell.code, **verdict.tell.values))
        if verdict.asked:
            await self._porter.announce(verdict.asked)
        if not verdict.allowed:
            return
        session = self._session(event.address, event.who)
        try:
            await self._said(event, session, words, key, settle)
        except StorageError:
            raise
        except DuihuaError as e:
            await self._tell(event, explain(words, e), reply=True)

    async def note(self, event: Noted, settle: Settle) -> None:
        """Takes note of what Telegram tells of a chat.

        Raises:
            StorageError: it is to be done once more.
        """
        await self._groups.note(event, settle)

    async def broken(self, event: Said) -> None:
        """Tells that a message could not be worked on, by a fault of ours."""
        await self._tell(event, self._words(event).t("error.internal"), reply=True)

    # ------------------------------------------------------------ what was said

    async def _said(self, said: Said, session: Session, words: Catalogue, key: str, settle: Settle) -> None:
        what = TABLE.parse(said.text)
        if said.edited:
            if isinstance(what, Input) and said.text.strip() and said.called:
                await self._edited(said, what.text, session, key)
            return
        if said.media and said.called and self._begins(said):
            told = words.t("telegram.media_words" if said.text.strip() else "telegram.media")
            await self._tell(said, told, reply=True)
        match what:
            case Input(text):
                if text.strip() and said.called:
                    await self._submit(said, text, session)
            case UnknownCommand():
                if said.called:
                    await self._tell(said, what.line(words))
            case Invocation(command, args) if command is ASK and (args or said.quote):
                await self._submit(said, args, session)
            case Invocation(command, args):
                await self._command(what, said, session, words, key, settle)

    async def _submit(self, said: Said, text: str, session: Session) -> None:
        """Asks the model; `text` is what was said without a command."""
        await session.submit(said.asks(text), key=(self._me.source, said.key))

    async def _edited(self, said: Said, text: str, session: Session, key: str) -> None:
        """The turn of a message that was changed is done anew, with what it says now."""
        source, store = self._me.source, self._engine.store
        taken = await store.taken(said.address.tenant, source, said.key)
        if taken is None:
            return
        parts = said.asks(text)
        if not taken.seq:
            if await session.amend(parts, key=(source, said.key)):
                return
            if (taken := await store.taken(said.address.tenant, source, said.key)) is None or not taken.seq:
                return
        turn = await store.turn(TurnRef(taken.session, taken.seq))
        if turn is None or text_of(turn.input) == text_of(parts):
            return  # a link's preview came, say: what it says is the same
        await session.edit(taken.seq, parts, key=(source, key))

    async def _command(
        self, what: Invocation, said: Said, session: Session, words: Catalogue, key: str, settle: Settle
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
        if what.command.name == "new" and await opened(self._engine, self._voice, said, words, settle):
            return
        if what.command.role == "owner" and not await self._owns(said):
            await self._tell(said, words.t("telegram.owner_only", name=what.command.name))
            return
        if what.command.name in ONCE:
            await settle()
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

    def _begins(self, said: Said) -> bool:
        """Whether it is no further part of an album."""
        album = said.address.key, said.album
        if said.album and album in self._albums:
            return False
        if said.album:
            self._albums[album] = None
            while len(self._albums) > KEPT:
                self._albums.popitem(last=False)
        return True

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
        await self._heard(lambda: self._voice.say(said.address, text, to))

    async def _heard(self, speak: Callable[[], Awaitable[object]]) -> bool:
        """Whether it was said, perhaps; what could not be said after a few tries is let go."""
        for attempt in range(TRIES):
            try:
                await speak()
            except NotSent as e:
                log.warning("an answer to a command was not sent: %s", e)
                if attempt + 1 < TRIES:
                    await asyncio.sleep(e.retry_after)
            except DeliveryError as e:
                log.warning("an answer to a command may not have been sent: %s", type(e).__name__)
                return True
            else:
                return True
        return False


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
