"""Attachments of a call: what a skill attaches or returns, bounded, cleaned and given an id."""

from __future__ import annotations

import mimetypes
import re
import threading
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from duihua.escapes import one_line
from duihua.messages import Attachment
from duihua.pictures import mime_of

LARGEST = 10 << 20
"""Bytes of the largest attachment."""
CALL_FILES = 8
"""Attachments of one call."""
TURN_BYTES = 64 << 20
"""Bytes that all the calls of one turn may leave behind."""

_MIME = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_BRACKETS = str.maketrans("[]［］【】", "()（）（）")  # the note about a file ends with one


@dataclass(slots=True)
class Room:
    """How much the calls of one turn may still leave behind."""

    left: int = TURN_BYTES
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size: int) -> bool:
        """Takes `size` bytes of it; False: there are not so many."""
        with self._lock:
            if size > self.left:
                return False
            self.left -= size
            return True


class Files:
    """The attachments of one call. `add` may be called from any thread.

    Attributes:
        kept: those that are shown, with ids of their own.
        notes: a line for the model about each, also about those that were refused.
    """

    def __init__(self, call: str, room: Room) -> None:
        self.kept: list[Attachment] = []
        self.notes: list[str] = []
        self._call, self._room = call, room
        self._open, self._lock = True, threading.Lock()

    def add(self, given: object) -> None:
        """Takes an attachment; one that is too much is left out, and the model is told so.

        Raises:
            TypeError: it is no attachment, or its data are no bytes.
        """
        data: Any = given.data if isinstance(given, Attachment) else None
        if not isinstance(given, Attachment) or not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError("attach takes an Attachment with bytes: Attachment(data=..., name=...)")
        with self._lock:
            if self._open:
                self._add(given, memoryview(data))  # pyright: ignore[reportUnknownArgumentType]

    def close(self) -> None:
        """The call is over: what comes later is dropped."""
        with self._lock:
            self._open = False

    def _add(self, given: Attachment, data: memoryview) -> None:
        size = data.nbytes
        name = _name(given.name)
        if len(self.notes) >= 2 * CALL_FILES:
            return
        if len(self.kept) >= CALL_FILES:
            self.notes.append(f"[not shown: {name or 'a file'}, more than {CALL_FILES} files in one call]")
        elif size > LARGEST or not self._room.take(size):
            self.notes.append(f"[not shown: {name or 'a file'}, {told(size)} is too large]")
        else:
            file = _clean(given, bytes(data), name, f"{self._call}/{len(self.kept)}")
            self.kept.append(file)
            self.notes.append(f"[shown to the user: {file.name}, {file.mime}, {told(size)}]")


def told(size: int) -> str:
    """A number of bytes for people."""
    if size < 1_000:
        return f"{size} B"
    return f"{size / 1_000:.0f} KB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def ids(call: str) -> list[str]:
    """The ids that attachments of a call can have."""
    return [f"{call}/{number}" for number in range(CALL_FILES)]


def _clean(given: Attachment, data: bytes, name: str, id_: str) -> Attachment:
    """Nothing of it is believed that its bytes or its name tell better."""
    image = mime_of(data)
    said = str(given.mime).lower()
    mime = image or (said if _MIME.fullmatch(said) else mimetypes.guess_type(name)[0] or "")
    if not mime or (mime.startswith("image/") and not image):
        mime = "application/octet-stream"
    kind = mime.partition("/")[0]
    media = kind if kind in ("image", "audio", "video") else "file"
    return Attachment(id_, media, mime, data, name or f"{media}{mimetypes.guess_extension(mime) or ''}")  # pyright: ignore[reportArgumentType]


def _name(name: object) -> str:
    """The last part of a path, on one line, nothing hidden."""
    last = PurePath(str(name)[:1_000].replace("\\", "/")).name
    return one_line(_UNSAFE.sub("_", last).translate(_BRACKETS), 60).strip().lstrip(".")
