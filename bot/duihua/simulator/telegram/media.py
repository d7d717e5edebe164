"""Methods that send and fetch files."""

from __future__ import annotations

import secrets
from typing import Any, cast

from duihua.simulator.telegram.ask import MOST_CAPTION, Ask, Upload
from duihua.simulator.telegram.entities import formatted, units
from duihua.simulator.telegram.log import LONGEST_TEXT
from duihua.simulator.telegram.methods import SEND, method
from duihua.simulator.telegram.refusals import bad
from duihua.simulator.telegram.uploads import DOWNLOAD_LIMIT, PHOTO_LIMIT, File, described

Json = dict[str, Any]

_CAPTION = "caption parse_mode caption_entities show_caption_above_media has_spoiler"
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")
_KINDS = ("photo", "document", "audio")


@method("sendPhoto", f"photo {_CAPTION}", SEND)
def send_photo(ask: Ask) -> Any:
    """A picture."""
    return _send(ask, "photo")


@method("sendDocument", f"document thumbnail disable_content_type_detection {_CAPTION}", SEND)
def send_document(ask: Ask) -> Any:
    """A file."""
    return _send(ask, "document")


@method("sendVoice", f"voice duration {_CAPTION}", SEND)
def send_voice(ask: Ask) -> Any:
    """A voice message."""
    return _send(ask, "voice")


@method("sendAudio", f"audio duration performer title thumbnail {_CAPTION}", SEND)
def send_audio(ask: Ask) -> Any:
    """Music."""
    return _send(ask, "audio")


@method("sendMediaGroup", "media", SEND)
def send_media_group(ask: Ask) -> Any:
    """An album."""
    chat = ask.chat()
    given = ask.json("media")
    if not isinstance(given, list):
        raise bad("can't parse media JSON object")
    items = cast("list[Any]", given)
    if not 2 <= len(items) <= 10:
        raise bad("there must be from 2 to 10 media in the album")
    parts = [_member(ask, item) for item in items]
    kinds = {file.kind for file, _, _ in parts}
    if len(kinds) > 1 and kinds != {"photo", "video"}:
        raise bad(f"{min(kinds - {'photo'})} can't be mixed with other media types")
    place = ask.place(chat)
    ask.spend(chat, len(parts))
    album = secrets.token_hex(8)
    return [
        ask.post(chat, place, text=text, entities=entities, media=described(file), album=album).json()
        for file, text, entities in parts
    ]


@method("getFile", "file_id")
def get_file(ask: Ask) -> Json:
    """Where a file can be fetched."""
    file = ask.world.files.get(ask.text("file_id"))
    if file is None:
        raise bad("invalid file_id")
    ask.call.text = file.name
    if file.size > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return {
        "file_id": file.id,
        "file_unique_id": file.unique_id,
        "file_size": file.size,
        "file_path": file.path,
    }


def _send(ask: Ask, kind: str) -> Json:
    chat = ask.chat()
    upload = ask.files.get(kind)
    file = _uploaded(ask, kind, upload) if upload else _named(ask, kind, ask.text(kind))
    text, entities = ask.formatted("caption", "caption_entities", MOST_CAPTION)
    buttons, place = ask.buttons(chat), ask.place(chat)
    ask.spend(chat)
    media = described(file)
    return ask.post(chat, place, text=text, entities=entities, buttons=buttons, media=media).json()


def _member(ask: Ask, given: Any) -> tuple[File, str, list[Json]]:
    item = cast(Json, given) if isinstance(given, dict) else {}
    kind = item.get("type")
    if kind not in _KINDS:
        raise bad("can't parse InputMedia: Unsupported type specified")
    if item.get("parse_mode"):
        ask.call.parse_mode = str(item["parse_mode"])
        raise bad("can't parse entities: the fake Bot API takes entities, not parse_mode")
    text, entities = formatted(str(item.get("caption") or ""), item.get("caption_entities"))
    if units(text) > MOST_CAPTION:
        raise bad("message caption is too long")
    ask.call.text = ask.call.text or text[:LONGEST_TEXT]
    return _named(ask, kind, str(item.get("media") or "")), text, entities


def _named(ask: Ask, kind: str, value: str) -> File:
    """A file by id, or by the name of its part of the body."""
    if not value:
        raise bad(f"there is no {kind} in the request")
    if value.startswith("attach://"):
        upload = ask.files.get(value.removeprefix("attach://"))
        if upload is None:
            raise bad(f"there is no {kind} in the request")
        return _uploaded(ask, kind, upload)
    if value.startswith(("http://", "https://")):
        raise bad("failed to get HTTP URL content")  # the fake fetches nothing
    file = ask.world.files.get(value)
    if file is None:
        raise bad("wrong file identifier/HTTP URL specified")
    if file.kind != kind:
        raise bad(f"can't use file of type {file.kind.title()} as {kind.title()}")
    return file


def _uploaded(ask: Ask, kind: str, upload: Upload) -> File:
    if not upload.data:
        raise bad("file must be non-empty")
    if kind == "photo":
        size = len(upload.data)
        if size > PHOTO_LIMIT:
            raise bad(
                f"file of size {size} bytes is too big for a photo; the maximum size is {PHOTO_LIMIT} bytes"
            )
        if not upload.data.startswith(_IMAGES):
            raise bad("IMAGE_PROCESS_FAILED")
    return ask.world.files.add(kind, upload.data, upload.name, upload.mime)
