"""Every call with its outcome, as far back as memory is given to it."""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import orjson

KEPT = 50_000
LONGEST_TEXT = 200


@dataclass(slots=True)
class Call:
    """One call of a method.

    Attributes:
        at: seconds since 1970 on the fake's clock, when the call came.
        code: the HTTP status; 0 if the connection was cut.
        error: Telegram's words, empty if it succeeded.
        done: whether it was carried out; a lost answer leaves `code` 0 and `done` true.
        message: the message that was sent, edited or deleted.
        text: the beginning of what was sent.
        fault: the fault that hit it.
        unknown: fields that the method does not have.
        parse_mode: as given; this bot's house rule is to send entities instead.
    """

    at: float
    bot: int
    method: str
    chat: int | None = None
    thread: int | None = None
    message: int | None = None
    text: str = ""
    code: int = 200
    error: str = ""
    done: bool = False
    retry_after: int = 0
    fault: str = ""
    unknown: tuple[str, ...] = ()
    parse_mode: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bot was told that it succeeded."""
        return self.code == 200

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without what is empty."""
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        always = ("at", "bot", "method", "code", "done")
        return {name: value for name, value in pairs if value or name in always}


class Calls(Sequence[Call]):
    """The calls, oldest first. Counts cover those that were forgotten, too.

    Args:
        kept: calls that are remembered.
        file: gets every call as a line of JSON.
    """

    def __init__(self, kept: int = KEPT, file: io.BufferedIOBase | None = None) -> None:
        self._calls: deque[Call] = deque(maxlen=kept)
        self._file = file
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def add(self, call: Call) -> None:
        """Notes a call that has ended."""
        self._calls.append(call)
        self.counts[call.method] += 1
        if call.error:
            self.refused[call.error] += 1
        for name in call.unknown:
            self.unknown[f"{call.method}.{name}"] += 1
        if len(self.refused) > 1_000:  # descriptions may hold numbers
            self.refused = Counter(dict(self.refused.most_common(500)))
        if self._file is not None:
            self._file.write(orjson.dumps(call.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()  # whoever looks on sees every call at once

    def of(self, *methods: str, chat: int | None = None) -> list[Call]:
        """The calls of these methods, all if none is named."""
        return [
            c
            for c in self._calls
            if (not methods or c.method in methods) and (chat is None or c.chat == chat)
        ]

    def lines(self) -> Iterator[bytes]:
        """JSON lines."""
        for call in list(self._calls):
            yield orjson.dumps(call.as_dict(), option=orjson.OPT_APPEND_NEWLINE)

    def clear(self) -> None:
        """Forgets all."""
        self._calls.clear()
        for counter in (self.counts, self.refused, self.unknown):
            counter.clear()

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        return list(self._calls)[index] if isinstance(index, slice) else self._calls[index]

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)
