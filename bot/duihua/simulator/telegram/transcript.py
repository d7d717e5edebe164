"""What happened, as lines that people can read: for a terminal, and for the page."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

from duihua.escapes import one_line
from duihua.simulator.telegram.chats import Chat
from duihua.simulator.telegram.entities import Json
from duihua.simulator.telegram.messages import Draft, Message
from duihua.simulator.telegram.people import Person
from duihua.simulator.telegram.rich import plain
from duihua.simulator.telegram.world import World

KEPT = 2_000
LONGEST_TEXT = 4_096
LONGEST_LINE = 300

_SIGNS = {
    "edited": "✎",
    "deleted": "✗",
    "draft": "⋯",
    "stopped": "⏹",
    "pressed": "☞",
    "reacted": "♥",
    "blocked": "⊘",
    "unblocked": "◯",
    "left": "←",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One event.

    Attributes:
        number: counts up from 1.
        kind: said, edited, deleted, draft, stopped, pressed, reacted, blocked, unblocked or left.
        who: whose doing it is.
        message: the message or draft it is about.
        text: what it shows now, or the button's text.
    """

    number: int
    at: float
    chat: int
    title: str
    kind: str
    who: str
    bot: bool
    message: int = 0
    thread: int | None = None
    text: str = ""
    buttons: tuple[tuple[str, ...], ...] = ()

    def as_dict(self) -> Json:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """For a terminal: one line, without control characters."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.at))
        place = f"{self.title} " if self.chat < 0 else ""
        sign = _SIGNS.get(self.kind, "")
        arrow = "‹" if self.bot else "›"
        number = f"{sign}{self.message} " if sign and self.message else f"{sign} " if sign else ""
        rows = "".join(f" [{label}]" for row in self.buttons for label in row)
        return one_line(f"{clock} {place}{self.who} {arrow} {number}{self.text}{rows}", LONGEST_LINE)


class Transcript:
    """The last events.

    Args:
        world: whose.
        tell: gets every line as it comes.
    """

    def __init__(self, world: World, tell: Callable[[Line], None] | None = None) -> None:
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self.tell = tell
        self._count = 0
        self._world = world
        world.listeners.append(self._heard)

    def after(self, number: int) -> list[Line]:
        """The lines that came after that one."""
        return [line for line in self.lines if line.number > number]

    def _heard(self, kind: str, chat: Chat, about: Any) -> None:
        self._count += 1
        made = self._line(kind, chat, about)
        self.lines.append(made)
        if self.tell is not None:
            self.tell(made)

    def _line(self, kind: str, chat: Chat, about: Any) -> Line:
        now = self._world.now()
        if isinstance(about, Message):
            return self._of(kind, chat, about, now)
        if isinstance(about, Draft):
            user = kind == "stopped"
            who = chat.name if user else next((p.name for p in chat.people.values() if p.is_bot), "")
            text = about.text or (plain(about.rich) if about.rich else "")
            return self._made(kind, chat, now, who, not user, about.id, about.thread, text)
        if isinstance(about, Person):
            return self._made(kind, chat, now, about.name, about.is_bot)
        person, message, what = cast("tuple[Person, Message, Any]", about)
        text = what if isinstance(what, str) else " ".join(str(r.get("emoji", "")) for r in what)
        return self._made(kind, chat, now, person.name, person.is_bot, message.id, message.thread, text)

    def _of(self, kind: str, chat: Chat, message: Message, now: float) -> Line:
        text = plain(message.rich) if message.rich else message.text
        if message.media and not message.rich:
            text = f"<{next(iter(message.media))}> {text}"
        if message.service:
            text = f"({next(iter(message.service))})"
        rows = tuple(tuple(str(b["text"]) for b in row) for row in message.buttons or ())
        sender = message.sender
        return self._made(kind, chat, now, sender.name, sender.is_bot, message.id, message.thread, text, rows)

    def _made(
        self,
        kind: str,
        chat: Chat,
        at: float,
        who: str,
        bot: bool,
        message: int = 0,
        thread: int | None = None,
        text: str = "",
        buttons: tuple[tuple[str, ...], ...] = (),
    ) -> Line:
        text = text[:LONGEST_TEXT]
        return Line(self._count, at, chat.id, chat.name, kind, who, bot, message, thread, text, buttons)
