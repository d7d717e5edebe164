"""An answer as it arrives: full messages that stay, and the open one with what is unfinished mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from duihua.telegram.text.cleaning import Cleaner
from duihua.telegram.text.formatted import Formatted
from duihua.telegram.text.rendering import Renderer
from duihua.telegram.text.roll import ENTITIES, LIMIT, Roll
from duihua.telegram.text.sections import Section, Sections


@dataclass(frozen=True, slots=True)
class Frame:
    """What to show now.

    Attributes:
        sealed: messages that are full and never change again, from the first.
        open: the message that still grows. There is a second one for a moment when the text just passed the
            limit and where to cut is not settled; none if nothing is visible yet.
    """

    sealed: tuple[Formatted, ...]
    open: tuple[Formatted, ...]


class Stream:
    """Takes Markdown in pieces and gives frames; only what is new is parsed.

    What was sealed and the parts of `finish` together equal `split(render(all pieces))`.
    """

    def __init__(self, limit: int = LIMIT, entities: int = ENTITIES, *, expandable: bool = False) -> None:
        self._cleaner = Cleaner()
        self._sections = Sections()
        self._renderer = Renderer(expandable)
        self._roll = Roll(limit, entities)
        self._sealed: tuple[Formatted, ...] = ()

    def feed(self, piece: str) -> None:
        """The next piece of the answer."""
        self._read(self._cleaner.feed(piece))

    def frame(self) -> Frame:
        """What there is to show by now."""
        roll, sections = self._roll.copy(), self._sections.copy()
        renderer = Renderer(self._renderer.expandable, self._renderer.number)
        tail = sections.finish()
        for section in tail:
            done = renderer.section(section, open_end=section is tail[-1])
            roll.add(done, section.glue, resumed=section.resumed)
        return Frame(self._sealed, tuple(roll.rest()))

    def finish(self) -> tuple[Formatted, ...]:
        """All messages, when the answer is complete."""
        self._read(self._cleaner.feed("", last=True))
        self._add(self._sections.finish())
        self._sealed += tuple(self._roll.rest())
        return self._sealed

    def _read(self, text: str) -> None:
        sections = self._sections.feed(text)
        self._add(sections)
        if sections:
            self._sealed += tuple(self._roll.parts())

    def _add(self, sections: Sequence[Section]) -> None:
        for section in sections:
            self._roll.add(self._renderer.section(section), section.glue, resumed=section.resumed)
