"""Bytes that may be plain text: which encoding they are in, and whether they are text at all."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

_MARKS: Sequence[tuple[bytes, str]] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDEST = 4  # bytes of a character, in all of them
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_CONTROLS = 100  # a text has less than one control character in so many


def decoded(data: bytes, most: int) -> tuple[str, bool] | None:
    """At most `most` characters of a text and whether that is less than all; None: it is no text.

    A byte order mark decides, else UTF-8, UTF-16 of mostly Latin letters, GB18030 and Windows-1252, the first
    that fits.
    """
    head = data[: (most + 1) * _WIDEST]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return _cut(_read(head[len(mark) :], encoding, "replace"), most, len(head) < len(data))
    encodings = _wide(head) if b"\0" in head else ("utf-8", "gb18030", "cp1252")
    for encoding in encodings:
        try:
            text = _read(head, encoding, "strict")
        except UnicodeDecodeError:
            continue
        return _cut(text, most, len(head) < len(data))
    return None


def _read(data: bytes, encoding: str, errors: str) -> str:
    """The text; the last character may be cut in the middle."""
    return codecs.getincrementaldecoder(encoding)(errors).decode(data)


def _wide(head: bytes) -> Sequence[str]:
    """UTF-16 without a mark: of Latin text, every other byte is zero."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head) or min(even, odd) * 10 > max(even, odd):
        return ()
    return ("utf-16-le",) if odd > even else ("utf-16-be",)


def _cut(text: str, most: int, more: bool) -> tuple[str, bool] | None:
    controls = len(_CONTROL.findall(text))
    if controls * _CONTROLS > len(text):
        return None
    clean = _CONTROL.sub("", text) if controls else text
    clean = clean.replace("\r\n", "\n").replace("\r", "\n")
    return clean[:most], more or len(clean) > most
