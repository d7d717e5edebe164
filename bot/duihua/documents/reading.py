"""Reads a document: what kind it is, how much of it is taken, and why one is not taken."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from duihua.documents.decoding import decoded
from duihua.errors import UnsupportedInput
from duihua.escapes import one_line
from duihua.messages import FileText

if TYPE_CHECKING:
    from duihua.config import Settings
    from duihua.documents.child import Kind

_NAME = 60
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PACKAGE = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one document is taken.

    Attributes:
        size: bytes of the file.
        pages: of a PDF, slides of a presentation, sheets of a workbook.
        characters: of its text.
        seconds: for a PDF or Office file.
        memory: bytes for a PDF or Office file.
    """

    size: int = 20 << 20
    pages: int = 50
    characters: int = 50_000
    seconds: float = 30.0
    memory: int = 512 << 20

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings say."""
        return cls(
            settings.file_megabytes << 20,
            settings.file_pages,
            settings.file_characters,
            settings.file_seconds,
        )


@dataclass(frozen=True, slots=True)
class Extract:
    """What a document says.

    Attributes:
        pages: how many were read; 0: it has none.
        cut: there is more in it.
    """

    text: str
    pages: int = 0
    cut: bool = False
    name: str = ""

    @property
    def part(self) -> FileText:
        """The part of an input: `session.say([extract.part, Text("Sum it up.")])`."""
        return FileText(self.text, self.name, self.cut)


async def read_document(
    data: bytes, name: str = "", mime: str = "", *, limits: Limits | None = None
) -> Extract:
    """The text of a document: plain text of any kind, PDF, docx, xlsx, pptx.

    Args:
        data: the file.
        name: its name; only its last part is kept.
        mime: what its sender says it is. The bytes tell better; it only names what has no name.
        limits: how much is taken.

    Raises:
        UnsupportedInput: too_large, not_text, no_text, encrypted, old_office, too_complex, broken or
            no_reader (the extra `files` is not installed).
    """
    limits = limits or Limits()
    name = _name(name) or _name(f"file{mimetypes.guess_extension(mime) or ''}")
    if len(data) > limits.size:
        raise UnsupportedInput("too_large", name=name, limit=f"{limits.size >> 20} MB")
    if (kind := _kind(data, name)) is None:
        if (plain := decoded(data, limits.characters)) is None:
            raise UnsupportedInput("not_text", name=name)
        text, cut = plain
        if not text.strip():
            raise UnsupportedInput("no_text", name=name)
        return Extract(text, cut=cut, name=name)
    from duihua.documents.child import Failed, parse

    try:
        found = await parse(
            kind,
            data,
            pages=limits.pages,
            characters=limits.characters,
            seconds=limits.seconds,
            memory=limits.memory,
        )
    except Failed as e:
        raise UnsupportedInput(str(e), name=name) from None
    return Extract(*found, name=name)


async def read_file(path: str | Path, *, limits: Limits | None = None) -> Extract:
    """The text of a document on this machine.

    Raises:
        UnsupportedInput: as `read_document`; unreadable.
    """
    limits = limits or Limits()
    try:
        data = await asyncio.to_thread(_bytes, path, limits.size)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e)
        raise UnsupportedInput("unreadable", name=str(path), reason=reason) from None
    return await read_document(data, str(path), limits=limits)


def _bytes(path: str | Path, most: int) -> bytes:
    with Path(path).expanduser().open("rb") as stream:
        return stream.read(most + 1)


def _kind(data: bytes, name: str) -> Kind | None:
    """Who reads it; None: it may be plain text."""
    if data[:64].lstrip().startswith(b"%PDF-") or (name.lower().endswith(".pdf") and b"%PDF-" in data[:1024]):
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return "office"
    if data.startswith(_OLE):  # a protected file is put into a container of the old format
        raise UnsupportedInput("encrypted" if _PACKAGE in data else "old_office", name=name)
    return None


def _name(name: str) -> str:
    return one_line(PurePath(name[:1_000].replace("\\", "/")).name, _NAME).strip()
