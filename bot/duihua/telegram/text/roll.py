"""A text that grows at its end and is handed on in parts that Telegram takes."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from wcwidth import iter_graphemes

from duihua.telegram.text.formatted import Entity, Formatted, units

LIMIT = 4096
"""UTF-16 units of a message."""
ENTITIES = 100
"""Entities of a message that Telegram heeds."""
_MARKS = "，。；：！？、）」』】》…—"
_SENTENCE = re.compile(
    r"""(?:[。！？；…][”’」』）》】)"']*|[.!?;][”’)\]"']*(?=\s))(?![。！？；…”’」』）》】])""",
)
_JOINERS = "\u200d\ufe0f\ufe0e\u20e3"
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u3164\u115f\u1160\ufe0e\ufe0f"
CLUSTER = 64
"""Characters before a cut that are looked at to keep those that are drawn as one together."""


@dataclass(slots=True)
class Roll:
    """Takes formatted texts and gives parts of at most `limit` units and `most` entities.

    Where a part ends is decided by the text up to there and one character more: what is added later never
    changes it. Parts begin and end without the white space that Telegram cuts off.
    """

    limit: int = LIMIT
    most: int = ENTITIES
    _text: str = ""
    _more: list[str] = field(default_factory=list[str])  # what was added behind it, not joined yet
    _at: int = 0  # characters of the text that are handed on
    _end: int = 0  # units of what is left
    _entities: deque[Entity] = field(default_factory=deque[Entity])  # they count from where that begins
    _begun: bool = False

    def add(self, piece: Formatted, glue: str = "", *, resumed: bool = False) -> None:
        """Adds a text behind what is there; `resumed`: its code goes on in the block before."""
        if not piece.text and not resumed:
            return
        glue = glue if self._begun else ""
        self._begun = True
        start = self._end + len(glue)
        self._more += (glue, piece.text)
        self._end = start + piece.units
        last = self._entities[-1] if self._entities else None
        if resumed and last and last.type == "pre" and last.end + len(glue) == start:
            self._entities[-1] = last.at(last.offset, self._end)
        else:
            self._entities.extend([it.at(it.offset + start, it.end + start) for it in piece.entities])

    def copy(self) -> Roll:
        """One that goes on alone."""
        self._join()
        entities = self._entities.copy()
        return Roll(self.limit, self.most, self._text, [], self._at, self._end, entities, self._begun)

    def whole(self) -> Formatted:
        """All that is left, as one."""
        self._join()
        return Formatted(self._text[self._at :], tuple(self._entities))

    def parts(self) -> list[Formatted]:
        """The parts that are full and will never change."""
        self._join()
        out: list[Formatted] = []
        while (part := self._full()) is not None:
            if part.text:
                out.append(part)
        return out

    def rest(self) -> list[Formatted]:
        """All parts up to the end."""
        out = self.parts()
        self._skip()
        last = self._taken(len(self._text))
        return [*out, last] if last.text else out

    def _join(self) -> None:
        if self._more:
            self._text = "".join((self._text[self._at :], *self._more))
            self._more.clear()
            self._at = 0

    def _full(self) -> Formatted | None:
        self._skip()
        cut = self._cut()
        return None if cut is None else self._taken(cut)

    def _skip(self) -> None:
        """Passes over white space at the beginning of a part; the indent of code stays."""
        text, at, end = self._text, self._at, len(self._text)
        first = self._entities[0] if self._entities else None
        stop = end if first is None else min(end, at + first.offset)
        while at < stop and text[at] in " \n":
            at += 1
        if first and at >= stop:
            space = "\n" if first.type == "pre" else " \n"
            while at < end and text[at] in space:
                at += 1
        self._pass(at, at - self._at)

    def _pass(self, place: int, count: int) -> None:
        """What is left begins at a place in the text, so many units further on."""
        self._at = place
        self._end -= count
        if count and self._entities:
            self._entities = deque(it.at(it.offset - count, it.end - count) for it in self._entities)

    def _cut(self) -> int | None:
        """Where a full part ends, as a place in the text; None while all that is there fits in one."""
        text, at = self._text, self._at
        window = text[at : at + self.limit]
        if not window.isascii():
            window = window.encode("utf-16-le")[: 2 * self.limit].decode("utf-16-le", "ignore")
        end = at + len(window)
        if len(self._entities) > self.most:
            end = min(end, at + self._characters(window, self._entities[self.most].offset))
        if end == at + len(window) and not text[end : end + self.limit].strip(" \n"):
            return None if not text[end + self.limit :].strip(" \n") else end
        return self._best(at, max(end, at + 1))

    def _characters(self, window: str, count: int) -> int:
        """How many characters so many units are."""
        if window.isascii():
            return min(count, len(window))
        return len(window.encode("utf-16-le")[: 2 * count].decode("utf-16-le", "ignore"))

    def _best(self, at: int, end: int) -> int:
        """The last good place to cut: between blocks, lines, sentences, words, or characters."""
        text = self._text
        least = at + (end - at) // 2
        block = self._free(text.rfind("\n\n", least, end + 2), at, least)
        if block is not None:
            return block
        line = text.rfind("\n", least, end + 1)
        if line >= least:
            pre = self._around(line, at)
            return pre if pre is not None and pre >= least and pre > at else max(line, at + 1)
        for found in reversed(list(_SENTENCE.finditer(text, least, end + 1))):
            if found.end() <= end and (whole := _between(text, found.end(), at)) > least:
                return whole
        for place in range(end, least, -1):
            if text[place - 1] in _MARKS or text[place - 1].isspace() or (_wide(text, place)):
                if (whole := _between(text, place, at)) > least:
                    return whole
                break
        return max(_between(text, end, at), at + 1)

    def _free(self, place: int, at: int, least: int) -> int | None:
        """A place between blocks: not inside code, but before it is as good."""
        while place >= least and place > at:
            pre = self._around(place, at)
            if pre is None:
                return place
            if pre >= least and pre > at:
                return pre
            place = self._text.rfind("\n\n", least, pre + 1) if pre > least else -1
        return None

    def _around(self, place: int, at: int) -> int | None:
        """Where the block of code begins in which a place lies, if any."""
        offset = units(self._text[at:place])
        for it in self._entities:
            if it.offset >= offset:
                break
            if it.type == "pre" and it.end > offset:
                return at + self._characters(self._text[at:place], it.offset) if it.offset > 0 else at
        return None

    def _taken(self, cut: int) -> Formatted:
        """Hands on the text up to a place, without white space at its end."""
        raw = self._text[self._at : cut]
        text = raw.rstrip(" \n")
        passed = self._end if cut == len(self._text) else units(raw)
        end = passed - (len(raw) - len(text))  # white space is one unit each
        found: list[Entity] = []
        carried: list[Entity] = []
        while self._entities and self._entities[0].offset < passed:
            it = self._entities.popleft()
            start, stop = it.offset, it.offset + it.length
            if stop > passed:
                carried.append(it.at(passed, stop))
            if start < 0 or stop > end:
                start, stop = max(start, 0), min(stop, end)
                it = it.at(start, stop)
            if start < stop:
                found.append(it)
        self._entities.extendleft(reversed(carried))
        self._pass(cut, passed)
        if all(char.isspace() or char in _INVISIBLE for char in text):
            return Formatted()
        return Formatted(text, tuple(found))


def _wide(text: str, place: int) -> bool:
    """Whether a word may end between two characters of a script that writes no spaces."""
    before, after = text[place - 1], text[place : place + 1]
    return "\u3040" <= before <= "\ua4cf" and (not after or after not in _MARKS)


def _between(text: str, place: int, at: int) -> int:
    """The last place up to this one that is not inside what is drawn as one character."""
    if place >= len(text):
        return place
    if text[place - 1].isascii() and text[place].isascii():
        return place
    start = max(at, place - CLUSTER)
    while start > at and not text[start].isspace() and (text[start] in _JOINERS or ord(text[start]) > 0x2FFF):
        if place - start > 4 * CLUSTER:
            break
        start -= 1
    end = start
    for cluster in iter_graphemes(text[start : place + CLUSTER]):
        if end + len(cluster) > place:
            break
        end += len(cluster)
    return end if end > at else place


def split(formatted: Formatted, limit: int = LIMIT, entities: int = ENTITIES) -> list[Formatted]:
    """Parts that Telegram takes as one message each; together they hold every visible character."""
    roll = Roll(limit, entities)
    roll.add(formatted)
    return roll.rest()
