"""The title of a conversation: what was asked first, short and as plain words. Pure."""

from __future__ import annotations

import re

from duihua.escapes import columns, one_line

WIDTH = 40
"""Columns of a title: forty Latin letters, or twenty Chinese characters."""
_LOOKED = 1_000  # characters of a text that are looked at
_LEAST = 12  # columns that a title has before it ends with a sentence or a clause

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|\d{1,3}[.)][ \t]+)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{1,200})\]\([^()\s]{1,500}\)")
_MARKS = re.compile(r"(\*\*|~~|\|\|)(?=\S)(.{1,300}?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,300}?)(?<=[^\s*])\*(?![\w*])")
_CODE = re.compile(r"`{1,2}([^`\n]{1,300})`{1,2}")
_SENTENCE = re.compile(r"[。！？!?…]+|\.(?=\s)")
_CLAUSE = re.compile(r"[，、；：,;:]")
_WORD = re.compile(r"[^\W\d_]", re.ASCII)
_JOINERS = "\u200d\ufe0e\ufe0f"


def title_of(text: str) -> str:
    """A title for what begins with `text`; empty: there is nothing to call it by."""
    text = _LEAD.sub("", _FENCE.sub("", text[:_LOOKED]))
    for pattern, kept in ((_LINK, r"\1"), (_MARKS, r"\2"), (_EMPHASIS, r"\1"), (_CODE, r"\1")):
        text = pattern.sub(kept, text)
    text = one_line(" ".join(text.split()), _LOOKED)
    if columns(text) <= WIDTH:
        return text
    room = _fitting(text)
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, room + 1) if found.end() <= room]
    if ends and columns(text[: ends[-1]]) >= _LEAST:
        return text[: ends[-1]].rstrip()
    breaks = [found.start() for found in _CLAUSE.finditer(text, 0, room + 1)]
    if breaks and columns(text[: breaks[-1]]) >= _LEAST:
        room = breaks[-1]
    elif _within_word(text, room) and " " in text[:room]:
        room = text.rindex(" ", 0, room)
    return f"{_whole(text[:room])}…"


def _fitting(text: str) -> int:
    """How many characters of it there is room for, with a sign that there are more."""
    width = 0
    for place, char in enumerate(text):
        width += columns(char)
        if width > WIDTH - 1:
            return place
    return len(text)


def _within_word(text: str, place: int) -> bool:
    return bool(_WORD.match(text[place - 1]) and _WORD.match(text[place]))


def _whole(text: str) -> str:
    """Without half of a sign that is made of several, and without what joins it to what is cut."""
    return text.rstrip(_JOINERS).rstrip(" ，、；：,;:-—(（[【“‘\"'")
