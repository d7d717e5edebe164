"""Reasoning that stands in the text of an answer, between tags, told apart while the text comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence

THINK = (("<think>", "</think>"),)


class ThinkTags:
    """Splits the text of one answer; whatever the pieces, the parts say the same.

    Only a tag that opens the answer counts (white space may stand before it): later ones are text about tags.
    Reasoning that never ends is reasoning still.

    Args:
        tags: pairs of an opening and a closing tag; the first that fits is taken.
    """

    __slots__ = ("_close", "_held", "_tags", "over")

    def __init__(self, tags: Sequence[tuple[str, str]] = THINK) -> None:
        self.over = False
        """What comes now is text, to the end."""
        self._tags = tags
        self._close: str = ""  # the tag that is waited for
        self._held: str = ""  # the beginning of a tag, perhaps

    def feed(self, text: str) -> tuple[str, str]:
        """What is certain now: a piece of reasoning, and a piece of text behind it."""
        if self.over:
            return "", text
        text, self._held = self._held + text, ""
        if not self._close:
            opened = text.lstrip()
            for tag, close in self._tags:
                if opened.startswith(tag):
                    self._close, text = close, opened[len(tag) :]
                    break
            else:
                if any(tag.startswith(opened) for tag, _ in self._tags):
                    self._held = text
                    return "", ""
                self.over = True
                return "", text
        thought, closed, said = text.partition(self._close)
        if closed:
            self.over = True
            return thought, said
        keep = next((n for n in range(len(self._close) - 1, 0, -1) if text.endswith(self._close[:n])), 0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""

    def close(self) -> tuple[str, str]:
        """What was held back, now that the answer has ended: reasoning, and text."""
        held, self._held = self._held, ""
        return (held, "") if self._close else ("", held)
