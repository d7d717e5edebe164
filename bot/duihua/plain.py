"""Chats without a terminal: what is shown, as plain text or as lines of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO, Protocol

import orjson

from duihua.escapes import Cleaner, clean
from duihua.events import END, AnyEvent, Notice, Retracted, TurnFailed, TurnFinished
from duihua.shown import Shown, alternatives, sentence

if TYPE_CHECKING:
    from duihua_prompts import Catalogue


class View(Protocol):
    """Where a chat is shown."""

    def event(self, event: AnyEvent) -> None:
        """Shows what an event changes."""
        ...

    def say(self, text: str) -> None:
        """Shows what a command answers."""
        ...

    def error(self, line: str) -> None:
        """Shows what went wrong."""
        ...


class Plain:
    """Answers as plain text on `out`, streamed; what went wrong on `err`."""

    def __init__(self, words: Catalogue, out: BinaryIO, err: BinaryIO) -> None:
        self._words, self._out, self._err = words, out, err
        self._begin()

    def _begin(self) -> None:
        self._shown, self._cleaner, self._open = Shown(), Cleaner(), False

    def event(self, event: AnyEvent) -> None:
        """Shows what an event changes."""
        if (change := self._shown.apply(event)) is not None:
            if change.replaces:
                self._cleaner = Cleaner()
                self.say(
                    self._words.t("turn.retracted" if isinstance(event, Retracted) else "turn.restarted")
                )
            self._write(self._cleaner.feed(change.text))
        match event:
            case Notice() | TurnFinished() if line := sentence(event, self._words):
                self._end_line()
                self.error(line)
            case TurnFailed():
                self._end_line()
                self.error(explain(self._words, event))
            case _ if line := sentence(event, self._words):
                self.say(line)
            case _:
                pass
        if isinstance(event, END):
            for line in alternatives(event, self._words):
                self.say(line)
            self._end_line()
            self._begin()

    def say(self, text: str) -> None:
        """Shows what a command answers, on lines of its own."""
        self._end_line()
        self._write(clean(text))
        self._end_line()

    def error(self, line: str) -> None:
        """Shows what went wrong."""
        _put(self._err, clean(line) + "\n")

    def _write(self, text: str) -> None:
        if text:
            self._open = not text.endswith("\n")
            _put(self._out, text)

    def _end_line(self) -> None:
        if self._open:
            self._write("\n")


class JsonLines:
    """Every event as one line of JSON on `out`, and nothing else there."""

    def __init__(self, words: Catalogue, out: BinaryIO, err: BinaryIO) -> None:
        self._words, self._out, self._err = words, out, err

    def event(self, event: AnyEvent) -> None:
        """Writes the event."""
        data = event.as_dict()
        try:
            line = orjson.dumps(data, default=str) + b"\n"
        except TypeError:  # half a surrogate pair, which orjson refuses and `\\u` escapes can say
            line = json.dumps(data, default=str).encode() + b"\n"
        self._out.write(line)
        self._out.flush()
        if isinstance(event, TurnFailed):
            self.error(explain(self._words, event))

    def say(self, text: str) -> None:
        """Shows what a command answers."""
        self.error(text)

    def error(self, line: str) -> None:
        """Shows what went wrong."""
        _put(self._err, clean(line) + "\n")


def _put(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode("utf-8", "replace"))
    stream.flush()


def explain(words: Catalogue, problem: TurnFailed | BaseException) -> str:
    """One line for what went wrong."""
    from duihua_prompts import error_line

    return error_line(words, problem)
