"""Closes what is still open in the last line of a text that is being written, for one frame only."""

from __future__ import annotations

import re

_MARKS = re.compile(r"\\.|(`+)|(\*{2,}|~~)", re.DOTALL)
_HALF_ADDRESS = re.compile(r"\]\([^\s()]*(?:\([^\s()]*\)?[^\s()]*)?\Z")
_LOOSE_END = re.compile(r"(?:[*~`\\]+|!?\[)$")
LINK = 2100
"""Characters from the end within which an unfinished link is looked for."""


def mended(text: str) -> str:
    """The text with its open bold, strikethrough, code and link closed, without loose marks at its end."""
    text = _LOOSE_END.sub("", text)
    text = _unlinked(text)
    open_marks, code = _unclosed(text)
    if code:
        body = text.rstrip(" ")
        text = body + (" " if body.endswith("`") else "") + code
    if not open_marks:
        return text
    return text.rstrip() + "".join(reversed(open_marks))


def _unlinked(text: str) -> str:
    """The text without an address that is not complete at its end, what is linked to it as plain text."""
    start = max(0, len(text) - LINK)
    half = text.rfind("](", start)
    if half < 0 or not _HALF_ADDRESS.match(text, half):
        return text
    opening = text.rfind("[", start, half)
    name = text[opening + 1 : half]
    if opening < 0 or not name or "]" in name or "\n" in name:
        return text
    if _escaped(text, opening) or _unclosed(text[:opening])[1]:
        return text
    picture = text[opening - 1 : opening] == "!" and not _escaped(text, opening - 1)
    return text[: opening - picture] + name


def _escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unclosed(text: str) -> tuple[list[str], str]:
    """The marks of emphasis that open and do not close, and the run of backticks that opens code."""
    stack: list[str] = []
    at = 0
    while found := _MARKS.search(text, at):
        at = found.end()
        if found[1]:
            close = re.compile(rf"(?<!`){found[1]}(?!`)").search(text, at)
            if not close:
                return stack, found[1]
            at = close.end()
        elif found[2]:
            mark = "~~" if found[2][0] == "~" else found[2][:3]
            if mark in stack:
                del stack[stack.index(mark) :]
            elif _opens(text, found.start(), at):
                stack.append(mark)
    return stack, ""


def _opens(text: str, start: int, end: int) -> bool:
    if end >= len(text) or text[end].isspace():
        return False
    before = text[start - 1 : start]
    between = before.isascii() and before.isalnum() and text[end].isalnum()
    return not between or (text[start] == "~" and not text[end].isdigit())
