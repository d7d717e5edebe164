"""Answers on their way to Telegram: what is owed is made so, whatever was shown of it before.

`send` compares what a turn's messages are to be with those that the ledger knows: it changes them, sends what
lacks and deletes what is too much. So it may be cut off anywhere and begun again, and a turn that was done
again changes its old messages. One case is left in which a message can come twice: when the connection broke,
or the process died, after Telegram got it and before we knew its number.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson

from duihua.access import noticed
from duihua.errors import DeliveryError, Gone, NotSent, SendUnknown
from duihua.escapes import one_line
from duihua.events import AnyEvent, TurnFailed, TurnFinished
from duihua.messages import WITHDRAWN, Address, Media, TurnRef
from duihua.redact import redact
from duihua.reminding import told as reminded
from duihua.shown import cleared, end_of, replaced, sentence, thoughts_of
from duihua.telegram.api import Api
from duihua.telegram.calls import LATER, NotRich, Refused
from duihua.telegram.consenting import questions
from duihua.telegram.copying import copied
from duihua.telegram.ledger import FILES, QUESTIONS, Ledger
from duihua.telegram.live import Live, Transport
from duihua.telegram.methods import Button, Buttons, Content
from duihua.telegram.place import FRONT, Place, place_of
from duihua.telegram.text import Formatted, Rich, enriched, has_cjk, joined, render, split
from duihua.telegram.thoughts import ENTITIES, above, quote_of
from duihua.telegram.thoughts import LIMIT as BELOW
from duihua.telegram.topics import unnamed

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.ports import Send
    from duihua.showing import ShownStore
    from duihua.telegram.chats import Chats
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

Streaming = Literal["auto", "draft", "edit", "final"]
Richness = Literal["auto", "always", "never"]

WHILE = 15.0
"""Seconds after which a long answer lets others send before it goes on."""
KEPT = 60.0
"""Seconds for which a view that has ended is kept for whoever sends what is owed."""
LONGEST, EACH = 10_000, 60
"""Characters of a call's arguments that are looked at, and of each that are shown."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a turn's messages are to be: its texts, the buttons under the last one, files, and questions."""

    texts: Sequence[Formatted]
    buttons: Buttons = ()
    files: Sequence[Media] = ()
    questions: Mapping[int, tuple[Formatted, Buttons]] = field(
        default_factory=dict[int, tuple[Formatted, Buttons]]
    )


class TelegramFront:
    """All bots of this process. A `ports.Frontend`.

    Args:
        bots: by their ids.
        words: the words for an address.
        streaming: how running turns are shown; `auto`: by drafts in private chats, else by edits.
        rich: whether answers that text can only imitate become rich messages; `auto`: if nothing in them is
            Chinese, Japanese or Korean, which some apps garble there.
        chats: knows which are closed to the bot; None: none is.
    """

    def __init__(
        self,
        engine: ChatEngine,
        bots: Mapping[str, Api],
        words: Callable[[Address], Catalogue],
        *,
        streaming: Streaming = "auto",
        rich: Richness = "auto",
        chats: Chats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._bots, self._words = engine, bots, words
        self._chats = chats
        self._streaming: Streaming = streaming
        self._rich: Richness = rich
        self._clock = clock
        self._live: dict[tuple[int, TurnRef], Live] = {}
        self._leaving: dict[tuple[int, TurnRef], asyncio.TimerHandle] = {}  # views that have ended

    @property
    def name(self) -> str:
        """The `front` of its addresses."""
        return FRONT

    async def present(
        self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
    ) -> None:
        """Shows a turn live."""
        api = self._bots.get(address.bot)
        if api is None or await self._closed(address):
            return
        words, place = self._words(address), place_of(address)
        book = Ledger(ledger, ref)
        live = Live(
            api,
            place,
            book,
            self._transport(place),
            status=self._status(words),
            stop=words.t("telegram.stop"),
            gone=words.t("telegram.gone"),
            clock=self._clock,
        )
        key = id(ledger), ref
        self._live[key] = live
        try:
            await book.load()
            if (await self._engine.session(address).settings()).get("thoughts"):
                live.show_thoughts()
            await live.follow(events)
        finally:
            if self._live.get(key) is live:  # else what is owed is being sent, or the turn was begun anew
                # What it knows of the messages serves whoever sends that, which happens soon.
                loop = asyncio.get_running_loop()
                self._leaving[key] = loop.call_later(KEPT, self._let_go, key, live)

    def _let_go(self, key: tuple[int, TurnRef], live: Live) -> None:
        if self._live.get(key) is live:  # a turn that was begun anew has another one
            self._known(key)

    def _known(self, key: tuple[int, TurnRef]) -> Live | None:
        """The view of a turn, if there was one here; it is not kept any longer."""
        if (leaving := self._leaving.pop(key, None)) is not None:
            leaving.cancel()
        return self._live.pop(key, None)

    def _status(self, words: Catalogue) -> Callable[[str, str], str]:
        """Tells what a call does, by the name of its skill and its arguments."""

        def told(name: str, arguments: str) -> str:
            skill = self._engine.registry.get(name)
            return status(words, skill.title(words.lang) if skill is not None else name, arguments)

        return told

    def _transport(self, place: Place) -> Transport:
        if self._streaming in ("edit", "final"):
            return self._streaming
        return "draft" if place.private else "edit"

    async def send(self, send: Send, ledger: ShownStore) -> str:
        """Makes a turn's messages what they are to be, or tells a notice; the first message's id.

        Raises:
            NotSent: not all is there yet. Gone: it never will be.
        """
        api = self._bots.get(send.address.bot)
        if api is None:
            raise NotSent("this bot does not run here", 30.0)
        if await self._closed(send.address):
            raise Gone("the chat is closed to the bot")
        until = self._clock() + WHILE
        live = self._known((id(ledger), send.ref))
        if live is not None:
            await live.finish()
        if send.kind == "message" and _cut(send) and await ledger.edited(send.ref):
            return ""  # the answer that takes its place takes over what it shows
        book = live.ledger if live is not None else Ledger(ledger, send.ref)
        await book.load()
        place, words = place_of(send.address), self._words(send.address)
        if send.kind == "notice":
            wanted = _Wanted([Formatted(self._notice(send, words))])
        elif send.kind == "delete":
            wanted = _Wanted([])
        else:
            wanted = await self._wanted(send, words, live)
            book.replaces = replaced(send)
        texts, buttons = wanted.texts, wanted.buttons
        try:
            await book.take_over(api, place)
            rich = self._enriched(send, texts, book) if api.rich else None
            contents: Sequence[Content] = texts if rich is None else [rich]
            if live is not None and live.drafted and len(contents) - 1 in book.ids:
                await book.drop(api, place, [len(contents) - 1])  # sent anew, it takes the draft's place
            try:
                await self._settle(api, place, book, contents, buttons, until)
            except NotRich:
                await self._settle(api, place, book, texts, buttons, until)
            await self._attach(api, place, book, send, wanted, until)
            await self._ask(api, place, book, wanted.questions, until)
        except SendUnknown as e:  # rather twice than never
            log.warning("a message to chat %s may come twice: %s", place.chat, e)
            raise NotSent(str(e), LATER) from None
        except Gone:
            if self._chats is not None:
                await self._chats.put(send.address, gone=True)
            raise
        except NotSent:
            raise
        except DeliveryError:
            if send.kind == "message":
                await self._apologise(api, place, words)
            raise
        return str(book.ids.get(0, ""))

    async def _apologise(self, api: Api, place: Place, words: Catalogue) -> None:
        """Tells, if that is not refused too, that an answer cannot be delivered."""
        try:
            async with api.turn(place):
                await api.send(place, Formatted(words.t("telegram.undelivered")))
        except DeliveryError as e:
            log.warning("chat %s was not told of a lost answer: %s", place.chat, type(e).__name__)

    async def entitle(self, address: Address, title: str) -> None:
        """Names the topic of a conversation after it, if we have opened it; once."""
        api = self._bots.get(address.bot)
        if api is not None and await unnamed(self._engine, address):
            name = one_line(render(title).text, LONGEST) or title  # a name would show the markup
            await api.name_topic(place_of(address), name)

    async def _closed(self, address: Address) -> bool:
        """Whether nothing can be sent there until somebody writes."""
        return self._chats is not None and (await self._chats.of(address)).gone

    def _notice(self, send: Send, words: Catalogue) -> str:
        if (line := noticed(send)) is not None:
            return words.t(line.code, **line.values)
        return sentence(reminded(send, self._engine.clock()), words)

    async def _wanted(self, send: Send, words: Catalogue, live: Live | None) -> _Wanted:
        from duihua_prompts import error_line

        end, gone = end_of(send), cleared(send)
        notes = [error_line(words, end) if isinstance(end, TurnFailed) else sentence(end, words)]
        if gone is not None:
            notes.append(sentence(gone, words))
        if isinstance(end, TurnFailed):
            return _Wanted(split(Formatted("\n\n".join(notes))), _again(words, send.ref))
        buttons: Buttons = _again(words, send.ref)
        asked: Mapping[int, tuple[Formatted, Buttons]] = {}
        left = False
        if end.finish == "approval":
            asked = await questions(self._engine, self._engine.session(send.address), send.ref, words)
            if left := not asked and await self._waits(send.ref):
                notes.append(words.t("notice.left"))
        if end.finish == "length":
            buttons = ((Button(words.t("telegram.continue"), data=f"continue:{send.ref.seq}"),), *buttons)
        notes = [note for note in notes if note]
        thoughts = thoughts_of(send)
        texts = live.whole(end.text) if live is not None and not notes else None
        if texts is None:
            whole = joined([render(end.text), *(Formatted(note) for note in notes)])
            room = (BELOW, ENTITIES) if thoughts else ()
            texts = split(whole, *room) if whole.text.strip() else []
        if end.finish in ("stop", "length", "stopped") and (copy := copied(texts, alone=not notes)):
            buttons = (*buttons[:-1], (Button(words.t("telegram.copy"), copy=copy), *buttons[-1]))
        if end.finish == "stop" and not (texts or end.attachments):  # markup that shows nothing
            texts = [Formatted(words.t("notice.empty"))]
        if thoughts:
            texts = above(quote_of(thoughts), texts)
        if asked or left or end.finish == "flagged":  # that is to be decided first, or never
            return _Wanted(texts, (), end.attachments, asked)
        return _Wanted(texts, buttons, end.attachments)

    async def _waits(self, ref: TurnRef) -> bool:
        """Whether calls of a turn wait, or waited, for consent: where nobody can be asked, it was left."""
        turn = await self._engine.store.turn(ref)
        calls = [call for step in turn.steps for call in step.calls] if turn is not None else []
        return any(call.state == "held" or call.result == WITHDRAWN for call in calls)

    def _enriched(self, send: Send, texts: Sequence[Formatted], book: Ledger) -> Rich | None:
        """The answer as one rich message, where the setting allows it and text would be worse."""
        if self._rich == "never" or send.kind in ("notice", "delete"):
            return None
        if isinstance(end := end_of(send), TurnFailed):
            return None
        if self._rich == "auto" and has_cjk(end.text):
            return None
        if sum(part < QUESTIONS for part in book.ids) > 1:  # readers have them: none is to vanish
            return None
        made = enriched(end.text)
        if made is None or not (made.needed or len(texts) > 1):
            return None
        # What stands beside the answer, such as a note, has its place in the text alone.
        return made if list(texts) == split(render(end.text)) else None

    async def _settle(
        self, api: Api, place: Place, book: Ledger, texts: Sequence[Content], buttons: Buttons, until: float
    ) -> None:
        for part, text in enumerate(texts):
            under = buttons if part == len(texts) - 1 else ()
            if book.says(part, text, under):
                continue
            self._in_time(until)
            async with api.turn(place):
                await book.put(api, place, part, text, under)
        extra = sorted(part for part in book.ids if len(texts) <= part < QUESTIONS)
        await book.drop(api, place, extra)

    async def _ask(
        self,
        api: Api,
        place: Place,
        book: Ledger,
        questions: Mapping[int, tuple[Formatted, Buttons]],
        until: float,
    ) -> None:
        for part, (text, buttons) in questions.items():
            if part not in book.ids:
                self._in_time(until)
                async with api.turn(place):
                    await book.put(api, place, part, text, buttons)

    async def _attach(
        self, api: Api, place: Place, book: Ledger, send: Send, wanted: _Wanted, until: float
    ) -> None:
        words = self._words(send.address)
        session = self._engine.session(send.address)
        for number, media in enumerate(wanted.files):
            part = FILES + number
            if part in book.ids or (file := await session.attachment(media.attachment)) is None:
                continue
            self._in_time(until)
            try:
                async with api.turn(place):
                    await book.attach(api, place, part, file)
            except Refused as e:  # the others go all the same, and a word stands in its place
                log.warning("a file of an answer cannot be sent: %s", e)
                name = one_line(file.name, EACH) or f"#{number + 1}"
                why = words.t("telegram.file_large" if e.large else "telegram.file_refused", name=name)
                async with api.turn(place):
                    await book.put(api, place, part, Formatted(why))

    def _in_time(self, until: float) -> None:
        """Raises NotSent when it is time to let others send: what is there stays, the rest is still owed."""
        if self._clock() > until:
            raise NotSent("a long answer goes on", 0.0)


def _cut(send: Send) -> bool:
    end = end_of(send)
    return isinstance(end, TurnFinished) and end.finish == "stopped"


# ---------------------------------------------------------------- words


def status(words: Catalogue, title: str, arguments: str) -> str:
    """One quiet line about a call: `查询天气：北京 …`. What a model made up is bounded, no secret is told."""
    try:
        given: Any = orjson.loads(redact(arguments)) if len(arguments) <= LONGEST else {}
    except orjson.JSONDecodeError:
        given = {}
    values = list(cast("dict[str, Any]", given).values()) if isinstance(given, dict) else []
    told = " ".join(
        one_line(str(value), EACH)
        for value in values
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    )
    if told.strip():
        return words.t("telegram.skill", name=one_line(title, EACH), arguments=told)
    return words.t("telegram.skill_alone", name=one_line(title, EACH))


def _again(words: Catalogue, ref: TurnRef) -> Buttons:
    return ((Button(words.t("telegram.again"), data=f"again:{ref.seq}"),),)
