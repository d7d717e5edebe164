"""Acts on one event after the other: says what was said to the session, runs commands, tells what came of it.

Whatever is done here may be done once more after a crash, so all of it bears that: inputs carry their key.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from duihua.codes import codes_in
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
    Listing,
    Present,
    Quit,
    Scene,
    Show,
    Tell,
    UnknownCommand,
    persona_of,
)
from duihua.errors import DuihuaError, StorageError
from duihua.messages import Part
from duihua.rates import Seldom
from duihua.setting_handlers import THINKING
from duihua.telegram.consenting import settled
from duihua.telegram.gathering import Albums
from duihua.telegram.groups import Groups
from duihua.telegram.incoming import Taken
from duihua.telegram.place import FRONT, Place, address_of, place_of, session_of
from duihua.telegram.porter import Porter
from duihua.telegram.preferences import Preferences
from duihua.telegram.pressing import STOP, Presser, button
from duihua.telegram.reading import Reader, brings
from duihua.telegram.replying import thread_of
from duihua.telegram.revising import Before, asked_before, holds_all, made_of, opener, revise, reworded
from duihua.telegram.telling import Teller, explained, left
from duihua.telegram.topics import opened
from duihua.telegram.updates import Event, Me, Moved, Noted, Person, Pressed, Said, Stands, Stopped

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.session import Session
    from duihua.telegram.chats import Chats
    from duihua.telegram.voice import Languages, Voice
    from duihua_prompts import Catalogue

CONFIRM = 600.0
"""Seconds that a question waits for /yes."""
CODE = 64
"""Characters of what may be a code, at most."""
SILENCE = 600.0
"""Seconds between two times that a chat is told that something cannot be read."""
KEPT = 1_000
"""Questions that wait, at most."""


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
        self._teller = Teller(voice, languages)
        self._porter = Porter(engine.access, me, voice, languages)
        self._reader = Reader(engine, voice.api(str(me.id)))
        self._groups = Groups(engine, me, voice, languages, chats)
        self._preferences = Preferences(engine, self._groups, voice, languages, chats)
        self._presser = Presser(
            engine, me, voice, self._teller, self._groups, self._porter, self._preferences
        )
        self.albums = Albums()
        self._chats, self._unheard = chats, Seldom(SILENCE, engine.clock)
        self._asked: OrderedDict[tuple[str, int], tuple[Confirm, float]] = OrderedDict()
        self._stopped = set[str]()  # conversations where the answer to a stop waits to be told

    @property
    def held(self) -> bool:
        """Whether an answer to a command waits until Telegram lets it be said."""
        return self._teller.held

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
                name, turn = button(event.data)
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
        if isinstance(event, Pressed) and await self._presser.shows(event, address) != turn:
            return False
        if self._teller.cut(address.key):
            return True
        if await session_of(self._engine, address, _who(event)).stop(turn):
            return True
        return isinstance(event, Said) and self._reader.stop(address)

    async def stopped(self, event: Said | Stopped, done: bool) -> None:
        """Tells what came of a stop, unless that of another one waits to be told there: many are no more."""
        if not isinstance(event, Said) or event.address.key in self._stopped or not await self._knows(event):
            return
        words, here = self._teller.words(event), event.address.key
        self._stopped.add(here)
        try:
            await self._teller.tell(event, words.t("command.stop.done" if done else "command.stop.nothing"))
        finally:
            self._stopped.discard(here)

    async def pressed(self, event: Pressed, key: str, stopped: bool) -> None:
        """Does what a button is for, unless that was a stop.

        Raises:
            StorageError: it is to be done once more.
        """
        await self._presser.pressed(event, key, stopped)

    async def act(self, event: Said, key: str) -> None:
        """Does what a message asks for. `key` is that of its update.

        Raises:
            StorageError: it is to be done once more.
        """
        what = TABLE.parse(event.text)
        if await self._disclosed(event, what):
            return
        command = isinstance(what, Invocation)
        if (own := await self._groups.said(event, command=command)) is None:
            return
        event = own
        words = self._teller.words(event)
        await self._languages.note(event.address, event.who.lang)
        if not await self._admitted(event, words):
            return
        session = session_of(self._engine, event.address, event.who)
        try:
            await self._said(event, session, words, key)
        except StorageError:
            raise
        except DuihuaError as e:
            await self._teller.tell(event, explained(words, e), reply=True)

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
        await self._teller.tell(event, self._teller.words(event).t("error.internal"), reply=True)

    async def _disclosed(self, said: Said, what: Input | Invocation | UnknownCommand) -> bool:
        """Whether it tells a group a code, which ends then, whoever said it and whatever for."""
        if place_of(said.address).private:
            return False
        codes = codes_in(said.text)
        if isinstance(what, Invocation) and what.command.name == "link" and what.args:
            codes.append(what.args[:CODE])
        session = session_of(self._engine, said.address, said.who)
        if not any([await session.disclosed(code) for code in codes]):  # all of them end
            return False
        await self._teller.tell(said, self._teller.words(said).t("command.link.ended"))
        return True

    async def unread(self, chat: int, who: int) -> None:
        """Tells a chat, now and then, that something cannot be read; 0: nobody knows where, or who said it.

        Raises:
            StorageError: nobody is told.
        """
        address = address_of(self._me.id, Place(chat))
        who = who or max(chat, 0)
        if not chat or not self._unheard.due(chat):
            return
        if who and not await self._engine.access.knows(FRONT, str(who)):
            return
        if not self._unheard.due(chat):  # another came beside it
            return
        self._unheard.said(chat)
        known = await self._engine.store.chat(address)
        if known.gone if known is not None else not who:
            return
        words = await self._languages.at(address)
        await self._teller.heard(lambda: self._voice.say(address, words.t("telegram.unreadable")))

    # ------------------------------------------------------------ what was said

    async def _said(self, said: Said, session: Session, words: Catalogue, key: str) -> None:
        what = TABLE.parse(said.text)
        if said.edited:
            match what:
                case Input(text) if said.called and (text.strip() or said.media):
                    await self._edited(said, text, session, key)
                case Invocation(command, args) if command is ASK and said.called and (args or said.media):
                    await self._edited(said, args, session, key)
                case _:
                    pass
            return
        match what:
            case Input(text):
                if said.called and (text.strip() or said.media):
                    await self._submit(said, text, session, words, key)
            case UnknownCommand():
                if said.called:
                    await self._teller.tell(said, what.line(words))
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
            await self._teller.tell(said, told, reply=True)

    async def _edited(self, said: Said, text: str, session: Session, key: str) -> None:
        """The turn of a message that was changed is done anew, with what it says now."""
        thread = await thread_of(said, session, self._me)
        store, _ = await session.kept()
        first = await opener(said, store, self._me.source)
        if first is None:
            return

        def wanted(was: Before) -> Sequence[Part]:
            now = reworded(was.parts, said, text, later=first is not said)
            return thread.told(said, now, was.parent)

        await revise(first, session, (self._me.source, key), wanted)

    async def _command(
        self, what: Invocation, said: Said, session: Session, words: Catalogue, key: str
    ) -> None:
        asker = said.address.key, said.who.id
        waiting = self._asked.pop(asker, None)
        if waiting and waiting[1] > asyncio.get_running_loop().time() and not what.args:
            if what.command.name == "yes":
                try:
                    answer = await waiting[0].proceed()
                except StorageError:  # the yes comes once more, and is meant for this
                    self._asked[asker] = waiting
                    raise
                await self._answer(answer, said, words)
                return
            if what.command.name == "no":
                await self._teller.tell(said, waiting[0].declined)
                return
        if what.command is SETTINGS:
            await self._teller.heard(lambda: self._preferences.show(said, words))
            return
        if what.command.name == "new" and await opened(self._engine, self._voice, said, words):
            return
        if what.command.role == "owner" and not await self._owns(said):
            await self._teller.tell(said, words.t("telegram.owner_only", name=what.command.name))
            return
        answer = await TABLE.run(what, session, self._engine, words, key=(self._me.source, key))
        await self._answer(answer, said, words)

    async def _answer(self, answer: Answer, said: Said, words: Catalogue) -> None:
        match answer:
            case Show(text):
                await self._teller.tell(said, text)
            case Listing():
                await self._teller.tell(said, answer.flowing)
            case Confirm(question):
                until = asyncio.get_running_loop().time() + CONFIRM
                self._asked[said.address.key, said.who.id] = answer, until
                while len(self._asked) > KEPT:
                    self._asked.popitem(last=False)
                await self._teller.tell(said, words.t("telegram.confirm", question=question))
            case Present(events):
                await left(events)  # it is accepted; the front end shows it like any turn
                if isinstance(answer, Decided):
                    await settled(answer, said.who, said.address, self._engine, self._voice, words)
            case Document():
                if not await self._teller.heard(
                    lambda: self._voice.give(said.address, answer, said.reply_to)
                ):
                    await self._teller.tell(said, words.t("telegram.no_file", name=answer.name))
            case Tell(texts):
                await self._teller.tell_all(texts, said)
            case Quit():
                pass

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
            await self._teller.tell(said, words.t(verdict.tell.code, **verdict.tell.values))
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


def _who(event: Event) -> Person:
    return Person(0) if isinstance(event, Stopped | Moved) else event.who
