"""A command of a front end: its name, words and role, and what it may answer. Handlers: see `commands`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from duihua.escapes import aligned, one_line

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.events import AnyEvent
    from duihua.ports import StoredCall
    from duihua.session import Session
    from duihua_prompts import Catalogue

Role = Literal["user", "owner", "admin"]

_SHAPE = re.compile(r"[/\uff0f]([^\W\d]\w*)(?:\s+(.*))?\s*", re.DOTALL)


# ---------------------------------------------------------------- what a command answers


@dataclass(frozen=True, slots=True)
class Show:
    """A text for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of cells, the same number in each, below a title.

    Attributes:
        head: what the columns are called; empty: they speak for themselves.
    """

    title: str
    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()

    @property
    def text(self) -> str:
        """For a terminal: in columns."""
        margin = "  " if self.title else ""
        lines = aligned([self.head, *self.rows] if self.head else self.rows)
        return "\n".join([*([self.title] if self.title else ()), *(margin + line for line in lines)])

    @property
    def flowing(self) -> str:
        """For a proportional font, where blanks align nothing: each row by itself."""
        lines = [self.title] if self.title else []
        for first, *others in self.rows:
            if self.head:
                named = zip(self.head[1:], others, strict=True)
                lines += [first, " · ".join(f"{name} {cell}" for name, cell in named)]
            else:
                lines.append(" — ".join([first, *others]))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Present:
    """A turn to be shown like any other."""

    events: AsyncIterator[AnyEvent]


@dataclass(frozen=True, slots=True)
class Decided(Present):
    """The turn that carries out what a person has decided about a call: see `Session.decide`."""

    call: StoredCall
    approve: bool


@dataclass(frozen=True, slots=True)
class Confirm:
    """Nothing has happened yet: ask `question`; after a yes, `proceed` does it, else show `declined`."""

    question: str
    declined: str
    proceed: Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Document:
    """A file for the user: kept where the front end keeps files, with a word about it."""

    name: str
    data: bytes = field(repr=False)
    mime: str
    text: str


@dataclass(frozen=True, slots=True)
class Quit:
    """The user wants to leave."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Several texts for the user, as they come."""

    texts: AsyncIterator[str | Listing]


Answer = Show | Listing | Present | Confirm | Tell | Document | Quit


# ---------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Scene:
    """What a handler works with: `args` is the text after the name.

    `key` names this use of the command for ever, where the front end may hand it in twice.
    """

    session: Session
    engine: ChatEngine
    args: str
    words: Catalogue
    table: CommandTable
    key: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command. Its words are `command.<name>.about` and, if it takes any, `command.<name>.argument`.

    `role` is who may use it: anyone in the session, its owner alone where several people share it, or those
    alone who are administrators; a menu may leave it out for others, and the handler refuses them.
    """

    name: str
    run: Callable[[Scene], Awaitable[Answer]]
    aliases: tuple[str, ...] = ()
    takes: bool = False
    role: Role = "user"

    def about(self, words: Catalogue) -> str:
        """What it does, in a few words."""
        return words.t(f"command.{self.name}.about")

    def usage(self, words: Catalogue) -> str:
        """How it is written, for example `/persona [name]`."""
        return f"/{self.name} {words.t(f'command.{self.name}.argument')}" if self.takes else f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Input:
    """Not a command: an input for the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command with the text after its name."""

    command: Command
    args: str


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """Looks like a command, but there is none. `nearest` may be meant; empty: nothing is near."""

    name: str
    nearest: str = ""

    def line(self, words: Catalogue) -> str:
        """A friendly line."""
        if self.nearest:
            return words.t("command.nearest", name=self.name, nearest=self.nearest)
        return words.t("command.unknown", name=self.name)


class CommandTable:
    """The commands of one front end.

    Args:
        commands: in the order of /help.
    """

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = tuple(commands)
        self._by_name = {name: c for c in self.commands for name in (c.name, *c.aliases)}

    def parse(self, text: str) -> Input | Invocation | UnknownCommand:
        """What a line means.

        A command is a slash and a word at the very beginning; `/usr/bin` and `1/2` are ordinary inputs. With
        two slashes, what would be a command is an input with one of them.
        """
        if text[:2] in ("//", "\uff0f\uff0f"):
            return Input(text[1:] if _SHAPE.fullmatch(text[1:]) else text)
        found = _SHAPE.fullmatch(text)
        if found is None:
            return Input(text)
        name, args = found[1].lower(), (found[2] or "").strip()
        if (command := self._by_name.get(name)) is not None:
            return Invocation(command, args)
        return UnknownCommand(one_line(found[1], 40), self._nearest(name))

    async def run(
        self,
        invocation: Invocation,
        session: Session,
        engine: ChatEngine,
        words: Catalogue,
        *,
        key: tuple[str, str] | None = None,
    ) -> Answer:
        """Carries a command out. Raises DuihuaError as the engine does."""
        return await invocation.command.run(Scene(session, engine, invocation.args, words, self, key))

    def _nearest(self, name: str) -> str:
        near = get_close_matches(name, self._by_name, n=1, cutoff=0.6)
        begun = [known for known in self._by_name if known.startswith(name)]
        found = (begun if len(begun) == 1 else near) or [""]
        return self._by_name[found[0]].name if found[0] else ""
