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
from typing import TYPE_CHECKING, Any, Literal

import orjson

from duihua.access import noticed
from duihua.errors import Gone, NotSent, SendUnknown
from duihua.events import AnyEvent, TurnFailed
from duihua.messages import Address, Media, TurnRef
from duihua.reminding import told as reminded
from duihua.shown import cleared, end_of, sentence
from duihua.telegram.api import LATER, Api, Button, Buttons
from duihua.telegram.live import Ledger, Live, Transport
from duihua.telegram.place import FRONT, Place, place_of
from duihua.telegram.text import Formatted, joined, render, split
from duihua.telegram.topics import unnamed

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.ports import Send
    from duihua.showing import ShownStore
    from duihua.telegram.chats import Chats
    from duihua_prompts import Catalogue

log = logging.getLogger(__name__)

Streaming = Literal["auto", "draft", "edit", "final"]

WHILE = 15.0
"""Seconds after which a long answer lets others send before it goes on."""
_FILES = 1_000
"""Parts from this number on are files."""


class TelegramFront:
    """All bots of this process. A `ports.Frontend`.

    Args:
        bots: by their ids.
        words: the words for an address.
        streaming: how running turns are shown; `auto`: by drafts in private chats, else by edits.
        chats: knows which are closed to the bot; None: none is.
    """

    def __init__(
        self,
        engine: ChatEngine,
        bots: Mapping[str, Api],
        words: Callable[[Address], Catalogue],
        *,
        streaming: Streaming = "auto",
        chats: Chats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._bots, self._words = engine, bots, words
        self._chats = chats
        self._streaming: Streaming = streaming
        self._clock = clock
        self._live: dict[tuple[int, TurnRef], Live] = {}

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
            status=lambda name, arguments: _status(words, name, arguments),
            stop=words.t("telegram.stop"),
            clock=self._clock,
        )
        key = id(ledger), ref
        self._live[key] = live
        try:
            await book.load()
            await live.follow(events)
        finally:
            # What it knows of the messages serves whoever sends what is owed, which happens soon.
            asyncio.get_running_loop().call_later(60, self._live.pop, key, None)

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
        live = self._live.pop((id(ledger), send.ref), None)
        if live is not None:
            await live.finish()
        book = live.ledger if live is not None else Ledger(ledger, send.ref)
        await book.load()
        place, words = place_of(send.address), self._words(send.address)
        if send.kind == "notice":
            texts, files, buttons = [Formatted(self._notice(send, words))], (), ()
        elif send.kind == "delete":
            texts, files, buttons = [], (), ()
        else:
            texts, files, buttons = await self._wanted(send, words, live)
        try:
            await self._settle(api, place, book, texts, buttons)
            await self._attach(api, place, book, send, files)
        except SendUnknown as e:  # rather twice than never
            log.warning("a message to chat %s may come twice: %s", place.chat, e)
            raise NotSent(str(e), LATER) from None
        except Gone:
            if self._chats is not None:
                await self._chats.put(send.address, gone=True)
            raise
        return str(book.ids.get(0, ""))

    async def entitle(self, address: Address, title: str) -> None:
        """Names the topic of a conversation after it, if we have opened it; once."""
        api = self._bots.get(address.bot)
        if api is not None and await unnamed(self._engine, address):
            await api.name_topic(place_of(address), title)

    async def _closed(self, address: Address) -> bool:
        """Whether nothing can be sent there until somebody writes."""
        return self._chats is not None and (await self._chats.of(address)).gone

    def _notice(self, send: Send, words: Catalogue) -> str:
        if (line := noticed(send)) is not None:
            return words.t(line.code, **line.values)
        return sentence(reminded(send, self._engine.clock()), words)

    async def _wanted(
        self, send: Send, words: Catalogue, live: Live | None
    ) -> tuple[Sequence[Formatted], Sequence[Media], Buttons]:
        """The messages that an answer comes to, its files, and the buttons under it."""
        from duihua_prompts import error_line

        end = end_of(send)
        if isinstance(end, TurnFailed):
            return split(Formatted(error_line(words, end))), (), _again(words, send.ref)
        notes = [sentence(end, words)]
        if (gone := cleared(send)) is not None:
            notes = [sentence(gone, words)]
        buttons: Buttons = _again(words, send.ref)
        if end.finish == "approval":
            for held in await self._engine.session(send.address).held():
                if held.ref == send.ref:
                    notes.append(_question(words, held.call.name, held.call.arguments))
                    buttons = _decisions(words, held.call.id)
        if end.finish == "length":
            buttons = ((Button(words.t("telegram.continue"), data=f"continue:{send.ref.seq}"),), *buttons)
        notes = [note for note in notes if note]
        texts = live.whole(end.text) if live is not None and not notes else None
        if texts is None:
            whole = joined([render(end.text), *(Formatted(note) for note in notes)])
            texts = split(whole) if whole.text.strip() else []
        return texts, end.attachments, buttons if end.finish != "flagged" else ()

    async def _settle(
        self, api: Api, place: Place, book: Ledger, texts: Sequence[Formatted], buttons: Buttons
    ) -> None:
        until = self._clock() + WHILE
        for part, text in enumerate(texts):
            under = buttons if part == len(texts) - 1 else ()
            if book.says(part, text, under):
                continue
            if self._clock() > until:
                raise NotSent("a long answer goes on", 0.0)
            async with api.turn(place):
                await book.put(api, place, part, text, under)
        extra = sorted(part for part in book.ids if len(texts) <= part < _FILES)
        if extra:
            await api.delete(place, [book.ids[part] for part in extra])
            await book.store.unshow(book.ref, extra)
            for part in extra:
                del book.ids[part]

    async def _attach(self, api: Api, place: Place, book: Ledger, send: Send, files: Sequence[Media]) -> None:
        session = self._engine.session(send.address)
        for number, media in enumerate(files):
            part = _FILES + number
            if part in book.ids or (file := await session.attachment(media.attachment)) is None:
                continue
            async with api.turn(place):
                await book.store.show(book.ref, part)
                try:
                    message = await api.file(place, file)
                except (NotSent, Gone):
                    await book.store.unshow(book.ref, [part])
                    raise
                await book.store.show(book.ref, part, str(message))
                book.ids[part] = message


# ---------------------------------------------------------------- words


def _status(words: Catalogue, name: str, arguments: str) -> str:
    """One quiet line: `weather: 北京 …`."""
    try:
        given: Any = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        given = {}
    values: list[Any] = list(given.values()) if isinstance(given, dict) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] (JSON)
    told = " ".join(str(value) for value in values if isinstance(value, str | int | float))
    return words.t("telegram.skill", name=name, arguments=told)


def _question(words: Catalogue, name: str, arguments: str) -> str:
    return words.t("telegram.approve", name=name, arguments=arguments)


def _again(words: Catalogue, ref: TurnRef) -> Buttons:
    return ((Button(words.t("telegram.again"), data=f"again:{ref.seq}"),),)


def _decisions(words: Catalogue, call: str) -> Buttons:
    return (
        (
            Button(words.t("telegram.yes"), data=f"yes:{call}"),
            Button(words.t("telegram.no"), data=f"no:{call}"),
        ),
    )
