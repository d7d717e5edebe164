"""Marks that some of Zhipu's models set around the gist of an answer: no part of its text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from duihua.ports import Delta, TextDelta

MARKS = ("<|begin_of_box|>", "<|end_of_box|>")


class Unboxing:
    """Takes the marks out of the text of one answer, also where they come in pieces."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""  # the beginning of a mark, perhaps

    def pass_on(self, deltas: Iterable[Delta]) -> Iterator[Delta]:
        """The deltas without marks; what is held back comes before the next delta that is no text."""
        for delta in deltas:
            if isinstance(delta, TextDelta):
                text = self._without(self._held + delta.text)
                if text:
                    yield delta if text == delta.text else TextDelta(text)
                continue
            if self._held:
                yield TextDelta(self._held)
                self._held = ""
            yield delta

    def _without(self, text: str) -> str:
        self._held = ""
        if "<" not in text:
            return text
        for mark in MARKS:
            text = text.replace(mark, "")
        for size in range(min(len(text), max(map(len, MARKS)) - 1), 0, -1):
            if any(mark.startswith(text[-size:]) for mark in MARKS):
                self._held = text[-size:]
                return text[:-size]
        return text
