"""The title of a conversation: what was asked first, short and as plain words. Pure."""

from __future__ import annotations

import re
from unicodedata import normalize

from duihua.escapes import columns, one_line

WIDTH = 40
"""Columns of a title: forty Latin letters, or twenty Chinese characters."""
_LOOKED = 1_000  # characters of a text that are looked at
_LEAST = 12  # columns that a title has before it ends with a sentence or a clause
_BACK = 10  # columns that are given up so that it does not end inside a Chinese word

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|\d{1,3}[.)][ \t]+)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{1,200})\]\([^()\s]{1,500}\)")
_MARKS = re.compile(r"(\*\*|~~|\|\|)(?=\S)(.{1,300}?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]{1,300}?)(?<=[^\s*])\*(?![\w*])")
_CODE = re.compile(r"`{1,2}([^`\n]{1,300})`{1,2}")
_SENTENCE = re.compile(r"[。！？!?…]+|\.(?=\s)")
_LOOSE = " ，、；：,;:-—(（[【“‘\"'"  # what does not end a title
_CLAUSE = re.compile(r"[，、；：,;:]")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_LETTER = re.compile(f"[^\\W_{_UNSPACED}]")  # or digit, of a script that parts words by spaces
_HAN, _LATIN = "[\u3400-\u9fff]", "[A-Za-z0-9 ]"
# Where a Chinese word surely ends or begins: without a dictionary, by the small words around it, unless the
# character beside makes another word of them.
_BORDER = re.compile(
    f"(?<=的)(?![确士])|(?<=了)(?!解)|(?<=[吗呢吧])|(?<={_HAN})(?={_LATIN})|(?<={_LATIN})(?={_HAN})|"
    "(?<![温平暖谦总饱缓亲共柔随])(?=和)|(?<![参给])(?=与)|(?<![自服听顺跟随])(?=从)|"
    "(?<![现存正实内自所潜外])(?=在)|(?<!棉)(?=被)|"
    "(?=或|以及|并且|但是|因为|所以|如果|可以|怎么|如何|什么|哪|我们|你们|他们)(?<!为)"
)


def title_of(text: str) -> str:
    """A title for what begins with `text`; empty: there is nothing to call it by."""
    text = _LEAD.sub("", _FENCE.sub("", text[:_LOOKED]))
    for pattern, kept in ((_LINK, r"\1"), (_MARKS, r"\2"), (_EMPHASIS, r"\1"), (_CODE, r"\1")):
        text = pattern.sub(kept, text)
    text = one_line(normalize("NFC", " ".join(text.split())), _LOOKED)
    if columns(text) <= WIDTH:
        return text
    room = _fitting(text)
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, room + 1) if found.end() <= room]
    if ends and columns(text[: ends[-1]]) >= _LEAST:
        return text[: ends[-1]].rstrip()
    breaks = [found.start() for found in _CLAUSE.finditer(text, 0, room + 1)]
    clause = bool(breaks) and columns(text[: breaks[-1]]) >= _LEAST
    end = breaks[-1] if clause else _before_word(text, room)
    return f"{text[:end].rstrip(_LOOSE)}…"


def _fitting(text: str) -> int:
    """How many characters of it there is room for, with a sign that there are more: no half of a cluster."""
    from wcwidth import iter_graphemes

    width = place = 0
    for cluster in iter_graphemes(text):
        width += columns(cluster)
        if width > WIDTH - 1:
            return place or 1  # of one that is longer than a title, what it begins with
        place += len(cluster)
    return place


def _before_word(text: str, room: int) -> int:
    """The last place before it that is not inside a word, as far as that can be told."""
    if _LETTER.match(text[room - 1]) and _LETTER.match(text[room]):
        space = text.rfind(" ", 0, room)
        return space if columns(text[: max(space, 0)]) >= _LEAST else room
    borders = [found.start() for found in _BORDER.finditer(text, 0, room + 1) if found.start() <= room]
    if borders and columns(text[borders[-1] : room]) <= _BACK:
        return borders[-1]
    return room
