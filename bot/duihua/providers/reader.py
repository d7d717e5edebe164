"""Bytes to JSON objects: one tolerant reader for every platform's stream.

It takes server-sent events with any spacing, comments, bare JSON lines, pretty-printed and concatenated
objects, and whole JSON bodies, however the network cuts them.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

import orjson

from duihua.errors import ProviderError

LIMIT = 4 << 20
"""Bytes that one line, or one object over several lines, may have."""

MOST_TOKENS = 10**9
"""A larger number of tokens cannot be true, and could not be stored."""

Item = tuple[str, dict[str, Any]]
"""The event's name (empty when it has none) and the object. A status of 400 or more that a comment behind the
name tells, `:HTTP_STATUS/429`, is added to it: `error 429`."""

_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_FIELD = re.compile(rb"[A-Za-z][\w-]*(?::|$)")
_STATUS = re.compile(rb":\s*HTTP_STATUS/([45]\d\d)\s*$")
_BOM = b"\xef\xbb\xbf"


class Reader:
    """Feed it bytes as they come, `close` it at their end; it does no I/O.

    Attributes:
        done: the end mark `[DONE]` was read; what follows is ignored.
        error: what cannot be read, or is too large. Everything before it was returned, nothing after it will.
    """

    __slots__ = (
        "_closing", "_cr", "_event", "_limit", "_objects", "_parts", "_size", "_started", "done", "error",
    )  # fmt: skip

    def __init__(self, limit: int = LIMIT) -> None:
        self.done = False
        self.error: ProviderError | None = None
        self._limit = limit
        self._parts: list[bytes] = []  # of a line that is not complete
        self._size = 0
        self._event = ""
        self._started = False
        self._closing = False
        self._cr = False  # the bytes so far end in a carriage return, which a line feed may follow
        self._objects = _Objects(limit)

    def feed(self, data: bytes) -> list[Item]:
        """The objects that are complete now."""
        if self.done or self.error:
            return []
        if self._cr or b"\r" in data:
            data = self._unified(data)
        if not data:  # the other half of a line's end is no line
            return []
        lines = data.split(b"\n")
        if self._parts or len(lines) == 1:
            self._parts.append(lines[0])
            self._size += len(lines[0])
            if self._size > self._limit:
                self._fail("a line of the answer is too long")
                return []
            if len(lines) == 1:
                return []
            lines[0] = b"".join(self._parts)
            self._parts.clear()
        rest = lines.pop()
        self._size = len(rest)
        if rest:
            self._parts.append(rest)
            if self._size > self._limit:
                self._fail("a line of the answer is too long")
        return self._lines(lines)

    def close(self) -> list[Item]:
        """The objects that only the end of the bytes completes. One that was cut off is left out."""
        if self.done or self.error or not self._parts:
            return []
        self._closing = True
        line = b"".join(self._parts)
        self._parts.clear()
        return self._lines([line])

    def _unified(self, data: bytes) -> bytes:
        """The data with every line end as a line feed."""
        if self._cr:
            data = data.removeprefix(b"\n")
        self._cr = data.endswith(b"\r") or (self._cr and not data)
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _lines(self, lines: list[bytes]) -> list[Item]:
        out: list[Item] = []
        whole = not self._objects.open
        for line in lines:
            # nearly every line: an event that is one object
            if whole and (line[:7] == b"data: {" or line[:6] == b"data:{"):
                try:
                    out.append((self._event, orjson.loads(line[5:])))
                    continue
                except orjson.JSONDecodeError:
                    pass
            if not line:
                self._event = ""
                if not whole and self._objects.event_data:
                    self._fail("an event of the answer is not complete JSON")
            else:
                self._line(line, out)
                whole = not self._objects.open
            if self.done or self.error:
                break
        return out

    def _line(self, line: bytes, out: list[Item]) -> None:
        """Any line that is not the usual `data: {...}`."""
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            payload = line[5:].strip()
            if payload.startswith(b"[DONE]"):
                self.done = True
            elif payload:
                self._json(payload, out, event_data=True)
        elif self._objects.open and not (self._objects.event_data and line.startswith(b":")):
            self._json(line, out, event_data=self._objects.event_data)
        elif line.startswith(b"event:"):
            self._event = line[6:].strip().decode("utf-8", "replace")
        elif (stripped := line.strip()).startswith((b"{", b"[")):
            if stripped.startswith(b"[DONE]"):
                self.done = True
            else:
                self._json(stripped, out, event_data=False)
        elif status := _STATUS.match(stripped):
            self._event = f"{self._event.partition(' ')[0]} {status.group(1).decode()}"
        elif stripped and not stripped.startswith(b":") and not _FIELD.match(stripped):
            self._fail(f"the answer is no stream of events: {stripped[:80].decode('utf-8', 'replace')}")

    def _json(self, text: bytes, out: list[Item], *, event_data: bool) -> None:
        self._objects.event_data = event_data
        try:
            for value in self._objects.feed(text):
                for member in cast("list[Any]", value) if isinstance(value, list) else (value,):
                    if isinstance(member, dict):
                        out.append((self._event, cast("dict[str, Any]", member)))
        except _Malformed as e:
            if not self._closing:  # at the end it was cut off, which is no fault of its own
                self._fail(str(e))

    def _fail(self, why: str) -> None:
        self.error = ProviderError(why, category="server")
        self._parts.clear()
        self._objects = _Objects(self._limit)


class _Malformed(Exception):
    """Not JSON; the text says what was wrong."""


class _Objects:
    """Finds where JSON values end in text that comes line by line, looking at every byte once."""

    __slots__ = ("_depth", "_in_string", "_limit", "_parts", "_size", "event_data")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self.event_data = False

    @property
    def open(self) -> bool:
        """Whether a value has begun and not ended."""
        return bool(self._parts)

    def feed(self, text: bytes) -> list[Any]:
        """The values that end in `text`, a line without its end."""
        out: list[Any] = []
        at = 0
        while at < len(text):
            if not self._parts:
                at = _skip(text, at)
                if at == len(text):
                    break
                if text[at : at + 1] not in (b"{", b"["):
                    out.append(_loads(text[at:]))  # a number, `null`: legal, and means nothing
                    break
            end = self._end(text, at)
            self._keep(text[at : len(text) if end is None else end])
            if end is None:
                self._keep(b"\n")
                break
            out.append(_loads(b"".join(self._parts)))
            self._parts.clear()
            self._size = 0
            at = end
        return out

    def _keep(self, text: bytes) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > self._limit:
            raise _Malformed("an object of the answer is too long")

    def _end(self, text: bytes, at: int) -> int | None:
        """The place after the value's last byte, None when it does not end in `text`."""
        while True:
            if self._in_string:
                closed = _STRING_END.match(text, at)
                if closed is None:
                    raise _Malformed("a string of the answer does not end on its line")
                at, self._in_string = closed.end(), False
            mark = _STRUCTURE.search(text, at)
            if mark is None:
                return None
            at = mark.end()
            match mark.group():
                case b'"':
                    self._in_string = True
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth <= 0:
                        self._depth = 0
                        return at


def _skip(text: bytes, at: int) -> int:
    while at < len(text) and text[at] in b" \t,":
        at += 1
    return at


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:  # half a surrogate pair, or a raw control character in a string
        lenient = json.loads(text.decode(), strict=False)
        return orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "ignore"))
    except (ValueError, RecursionError):
        raise _Malformed("the answer holds something that is not JSON") from None


def count_of(value: object) -> int:
    """A number of tokens as a wire tells it; 0 for what is no such number."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 <= value <= MOST_TOKENS else 0
