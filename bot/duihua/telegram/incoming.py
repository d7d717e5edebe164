"""What came with a message, as the parts of an input: pictures, documents, voice, places, and what it quotes.

What cannot be taken is told to the person in a clear sentence, and named to the model; the rest is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aiogram.types import Audio, Document, ExternalReplyInfo, Message, PhotoSize, Voice

from duihua.documents import Limits, read_document
from duihua.errors import InputTooLong, UnsupportedInput
from duihua.escapes import name_of, one_line
from duihua.hearing import heard, refuse_unheard
from duihua.messages import Address, Attachment, FileText, Media, Part, Quote, Text
from duihua.pictures import LARGEST, NEWEST, image, mime_of
from duihua.telegram.fetching import fetched
from duihua.telegram.place import Place, address_of
from duihua.telegram.sundries import in_words
from duihua.telegram.updates import quote_of

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.telegram.api import Api

log = logging.getLogger(__name__)

ALBUM = 10
"""Messages of one input that are looked at."""
_SHOWN = 1_000  # characters of what was heard
_NAME = 64
_FITS = 0.7  # of what a model takes: the conversation needs room, too
_TRIES = 6
_SIGHT = Media("image", "", "image/jpeg")


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of the catalogue for the person: `words.t(note.code, **note.values)`."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Refusal(Note):
    """Why nothing of a message can be answered."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the person should know: this."""
        return (self,)


class Taken(list[Part | Attachment]):
    """What was taken of a message, ready for `Session.submit`.

    Attributes:
        notes: what the person should know: what was left out, and what was heard.
    """

    def __init__(self, parts: Iterable[Part | Attachment], notes: Iterable[Note] = ()) -> None:
        super().__init__(parts)
        self.notes: tuple[Note, ...] = tuple(notes)


async def parts_of(
    message: Message | Sequence[Message],
    api: Api,
    engine: ChatEngine,
    *,
    address: Address | None = None,
    text: str | Sequence[str] | None = None,
) -> Taken | Refusal:
    """The parts of an input.

    Args:
        message: a message, or the messages of an album, in their order.
        api: the bot that was sent it.
        engine: whose model is to answer.
        address: the conversation, if it is not that of the chat and topic.
        text: what is said, where that is not the whole text or caption: without the bot's name, say. Pieces
            of it become parts of their own.
    """
    messages = [message] if isinstance(message, Message) else list(message)
    if messages[0].media_group_id:
        messages = messages[:ALBUM]
    first = messages[0]
    if address is None:
        topic = first.message_thread_id if first.is_topic_message else None
        address = address_of(api.bot.id, Place(first.chat.id, topic or 0))
    taking = _Taking(api, engine, address, Limits.of(engine.settings))
    for sent in [*pointed_at(first), *messages]:
        await taking.take(sent)
    if text is None:
        said = dict.fromkeys(told for m in messages if (told := (m.text or m.caption or "").strip()))
        text = "\n".join(said)
    pieces = (text,) if isinstance(text, str) else text
    return await taking.done(quote_of(first), [Text(piece) for piece in pieces if piece.strip()])


def pointed_at(message: Message) -> list[Message | ExternalReplyInfo]:
    """What a reply brings along to be read that the conversation does not have yet."""
    pointed, replied = message.external_reply, message.reply_to_message
    if pointed is None and message.chat.type != "private" and replied is not None:
        pointed = replied if replied.from_user is not None and not replied.from_user.is_bot else None
    if pointed is None:
        return []
    readable = (pointed.photo, pointed.live_photo, pointed.document, pointed.voice, pointed.audio)
    return [pointed] if any(readable) and not pointed.animation else []


@dataclass(slots=True)
class _Taking:
    api: Api
    engine: ChatEngine
    address: Address
    limits: Limits
    parts: list[Part | Attachment] = field(default_factory=list[Part | Attachment])
    notes: list[Note] = field(default_factory=list[Note])
    lacking: list[str] = field(default_factory=list[str])
    pictures: int = 0

    async def take(self, sent: Message | ExternalReplyInfo) -> None:
        """Takes what a message brings beside its text."""
        what = "file"
        try:
            if (photo := sent.photo or (sent.live_photo.photo if sent.live_photo else None)) is not None:
                what = "image"
                await self._photo(photo)
            elif sent.animation or sent.video or sent.video_note or sent.live_photo:
                what = "video"
                raise UnsupportedInput("video")
            elif recording := sent.voice or sent.audio:
                what = "recording"
                await self._recording(recording, recording.duration)
            elif sent.document is not None:
                what = name_of(sent.document.file_name or "", _NAME) or what
                await self._document(sent.document)
            elif words := in_words(sent):
                self.parts.append(Text(f"{words}\n"))
            elif isinstance(sent, Message) and not (sent.text or sent.caption):
                what = "message of another kind"
                raise UnsupportedInput("kind")
        except UnsupportedInput as e:
            log.info("something that was sent along was not taken: %s", e.code)
            self.lacking.append(what)
            note = Note(f"error.input_{e.code}", {k: one_line(v, 200) for k, v in e.values.items()})
            if note not in self.notes:
                self.notes.append(note)

    async def done(self, quote: Quote | None, said: Sequence[Text]) -> Taken | Refusal:
        """All that was taken, with what is said."""
        if not self.parts and not said:
            return (
                Refusal(self.notes[0].code, self.notes[0].values)
                if self.notes
                else Refusal("error.input_kind")
            )
        parts: list[Part | Attachment] = [*([quote] if quote else ()), *self.parts]
        parts += [Text(f"[sent along, but not to be read here: {what}]\n") for what in self.lacking]
        parts += said
        await self._fit(parts)
        for part in parts:
            if isinstance(part, FileText) and part.cut:
                self.notes.append(Note("file.cut", {"name": part.name, "characters": str(len(part.text))}))
        return Taken(parts, self.notes)

    async def _fit(self, parts: list[Part | Attachment]) -> None:
        """Cuts documents until the model takes them; what is too long even so, the session refuses."""
        for _ in range(_TRIES):
            try:
                plain = [part.part if isinstance(part, Attachment) else part for part in parts]
                await self.engine.check(self.address, plain, None)
            except InputTooLong as e:
                files = [(len(p.text), i) for i, p in enumerate(parts) if isinstance(p, FileText) and p.text]
                if not files:
                    return
                size, place = max(files)
                longest = parts[place]
                assert isinstance(longest, FileText)
                keep = int(size * min(_FITS, _FITS * e.limit / e.size))
                parts[place] = replace(longest, text=longest.text[:keep], cut=True)
            else:
                return

    # ------------------------------------------------------------ kinds

    async def _photo(self, sizes: Sequence[PhotoSize]) -> None:
        await self._sees()
        best = max((p for p in sizes if (p.file_size or 0) <= LARGEST), key=_area, default=None)
        if best is None:
            raise UnsupportedInput("too_large", name="photo.jpg", limit=f"{LARGEST >> 20} MB")
        self._picture(await self._bytes(best.file_id, LARGEST, "photo.jpg", best.file_size), "photo.jpg")

    def _picture(self, data: bytes, name: str) -> None:
        if self.pictures >= NEWEST:
            raise UnsupportedInput("many_images", limit=str(NEWEST))
        self.parts.append(image(data, name))
        self.pictures += 1

    async def _sees(self) -> None:
        """Raises UnsupportedInput before anything is fetched: the model does not see, or that is enough."""
        try:
            await self.engine.check(self.address, [_SIGHT], None)
        except InputTooLong:  # that is told by the session, with its numbers
            return
        if self.pictures >= NEWEST:
            raise UnsupportedInput("many_images", limit=str(NEWEST))

    async def _recording(self, sent: Voice | Audio | Document, seconds: int) -> None:
        refuse_unheard(self.engine, seconds, sent.file_size or 0)
        mime = sent.mime_type or "audio/ogg"
        name = name_of(getattr(sent, "file_name", None) or "", _NAME) or "voice.ogg"
        data = await self._bytes(sent.file_id, self.limits.size, name, sent.file_size)
        text = await heard(self.engine, data, name=name, mime=mime)
        self.parts.append(Text(f"{text}\n"))
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        self.notes.append(Note("file.heard", {"text": shown}))

    async def _document(self, sent: Document) -> None:
        name, mime = name_of(sent.file_name or "", _NAME), (sent.mime_type or "").lower()
        kind = mime.partition("/")[0]
        if kind == "audio":
            await self._recording(sent, 0)
            return
        picture = kind == "image" and "svg" not in mime
        if picture:
            await self._sees()
        limit = LARGEST if picture else self.limits.size
        data = await self._bytes(sent.file_id, limit, name, sent.file_size)
        if mime_of(data):
            await self._sees()
            self._picture(data, name)
            return
        left = self.limits.characters - sum(len(p.text) for p in self.parts if isinstance(p, FileText))
        if left <= 0:
            raise UnsupportedInput("many_files", name=name)
        found = await read_document(data, name, mime, limits=replace(self.limits, characters=left))
        self.parts.append(found.part)

    async def _bytes(self, file: str, limit: int, name: str, size: int | None) -> bytes:
        return await fetched(self.api.bot, file, limit, name=name, size=size or 0)


def _area(photo: PhotoSize) -> int:
    return photo.width * photo.height
