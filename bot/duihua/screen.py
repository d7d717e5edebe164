"""The chat on a real terminal: prompt_toolkit reads, rich styles our own words, answers are plain text.

Imported only when a person sits there. A model's text never passes through rich or prompt_toolkit.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from duihua.commands import COMMON, QUIT
from duihua.errors import DuihuaError
from duihua.escapes import Cleaner, clean, one_line
from duihua.events import (
    END,
    AnyEvent,
    Notice,
    ReminderDue,
    Retracted,
    SkillFinished,
    SkillProgress,
    SkillStarted,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from duihua.plain import explain
from duihua.shown import Shown, alternatives, sentence

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

_T = TypeVar("_T")


class Screen:
    """A `plain.View` for a person, with a line to type in.

    Args:
        personas: names offered after `/persona`.
    """

    def __init__(self, words: Catalogue, personas: Sequence[str] = ()) -> None:
        self._words = words
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._prompt: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            completer=_Commands(personas),
            complete_style=CompleteStyle.READLINE_LIKE,  # by Tab, and without rows kept free for a menu
            complete_while_typing=False,
        )
        self._begin()

    def _begin(self) -> None:
        self._shown, self._cleaner = Shown(), Cleaner()
        self._written = ""  # all that stands on the screen since the turn began
        self._broken = False  # whether its last line end is ours and not the answer's
        self._status = ""  # the quiet line below it, gone with the next word
        self._running: dict[str, str] = {}  # calls at work: id -> name
        self._outcomes: dict[bool, list[str]] = {}  # names of the calls that ended, by success

    # ------------------------------------------------------------ showing

    def event(self, event: AnyEvent) -> None:
        """Shows what an event changes."""
        if (change := self._shown.apply(event)) is not None:
            self._set_status("")
            if change.replaces:
                self._cleaner = Cleaner()
                self._take_back(retracted=isinstance(event, Retracted))
            self._write_answer(self._cleaner.feed(change.text))
        match event:
            case TurnStarted():
                self._set_status(self._words.t("turn.working"))
            case SkillStarted() | SkillProgress() | SkillFinished():
                self._skill(event)
            case TurnFailed():
                self.error(explain(self._words, event))
            case ReminderDue():
                self._line(sentence(event, self._words), "yellow")
                self._begin()  # no turn may take it back
            case _ if line := sentence(event, self._words):
                self._line(line, "dim" if isinstance(event, Notice | TurnFinished) else "yellow")
            case _:
                pass
        if isinstance(event, END):
            for line in alternatives(event, self._words):
                self._line(clean(line), "dim")
            self._set_status("")
            self._end_line()
            self._begin()

    def say(self, text: str) -> None:
        """Shows what a command answers."""
        self._line(clean(text), "cyan")

    def error(self, line: str) -> None:
        """Shows what went wrong."""
        self._line(clean(line), "red")

    def _skill(self, event: SkillStarted | SkillProgress | SkillFinished) -> None:
        name = one_line(event.name, 60)
        if isinstance(event, SkillFinished):
            self._running.pop(event.call, None)
            self._outcomes.setdefault(event.state == "done", []).append(name)
        else:
            self._running[event.call] = name
        if self._running:
            names = ", ".join(dict.fromkeys(self._running.values()))
            progress = f" {one_line(event.text)}" if isinstance(event, SkillProgress) else ""
            self._set_status(self._words.t("skill.running", names=names) + progress)
            return
        for done, names in self._outcomes.items():
            code = "skill.done" if done else "skill.failed"
            self._line(f"· {self._words.t(code, names=', '.join(dict.fromkeys(names)))}", "dim")
        self._outcomes = {}
        self._set_status(self._words.t("turn.working"))

    def _line(self, text: str, style: str) -> None:
        """Our own words, on lines of their own."""
        self._set_status("")
        self._end_line()
        if text:
            self._console.print(Text(text, style=style), soft_wrap=True)
            self._written += text + "\n"

    def _write_answer(self, text: str) -> None:
        if self._broken and text.startswith("\n"):
            text = text[1:]  # the end of the last step's line is there already
        self._write(text)

    def _write(self, text: str) -> None:
        if text:
            self._console.file.write(text.encode("utf-8", "replace").decode())
            self._console.file.flush()
            self._written, self._broken = self._written + text, False

    def _end_line(self) -> None:
        if self._written and not self._written.endswith("\n"):
            self._write("\n")
            self._broken = True

    def _set_status(self, text: str) -> None:
        if text == self._status or self._console.is_dumb_terminal:
            return
        if self._status:
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        else:
            self._end_line()
        self._status = text
        if text:
            status = Text(text, style="dim")
            status.truncate(self._console.width - 1, overflow="ellipsis")
            self._console.print(status, end="", soft_wrap=True)

    def _take_back(self, *, retracted: bool) -> None:
        """Erases what this turn has shown; what has scrolled away can only be declared void."""
        rows = rows_of(self._written, self._console.width)
        erasable = not self._console.is_dumb_terminal and rows < self._console.height - 1
        if erasable:
            up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * rows
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))
            self._written, self._broken = "", False
        if retracted or not erasable:
            self._line(self._words.t("turn.retracted" if retracted else "turn.restarted"), "yellow")

    # ------------------------------------------------------------ typing

    async def read(self) -> str | None:
        """The next text of the user; None: they want to leave (Ctrl-D, or Ctrl-C twice on an empty line)."""
        warned = False
        while True:
            try:
                return await self._ask("› ")
            except EOFError:
                return None
            except KeyboardInterrupt:
                if self._prompt.default_buffer.text:
                    warned = False
                elif warned:
                    return None
                else:
                    warned = True
                    self.say(self._words.t("chat.again"))

    async def confirm(self, question: str) -> bool:
        """Whether the user agrees; anything but a clear yes is a no."""
        self._line(question, "yellow")
        try:
            answer = await self._ask(self._words.t("chat.confirm"))
        except (EOFError, KeyboardInterrupt):
            return False
        return answer.strip().lower() in ("y", "yes", "是", "好", "同意")

    async def _ask(self, message: str) -> str:
        with patch_stdout(raw=True):
            return await self._prompt.prompt_async(message, set_exception_handler=False)

    async def interruptible(
        self, work: Coroutine[Any, Any, _T], stop: Callable[[], Awaitable[None]]
    ) -> _T | None:
        """Carries out `work`. The first Ctrl-C awaits `stop`; the second one leaves `work` alone: None."""
        loop = asyncio.get_running_loop()
        task, stopping = loop.create_task(work), list[asyncio.Task[None]]()

        async def stopped() -> None:
            try:
                await stop()
            except DuihuaError:
                task.cancel()  # it cannot be stopped, but it need not be waited for

        def interrupt() -> None:
            if stopping:
                task.cancel()
            else:
                stopping.append(loop.create_task(stopped()))

        with _interrupts(loop, interrupt), _silent_keys():
            try:
                await asyncio.wait([task])
            finally:
                for other in (*stopping, *([] if task.done() else [task])):
                    other.cancel()
        if not task.cancelled():
            return task.result()
        self._set_status("")
        self._end_line()
        self._begin()
        self.say(self._words.t("chat.detached"))
        return None


def rows_of(text: str, width: int) -> int:
    """By how many rows the cursor is below its start after `text` on a terminal of `width` columns."""
    rows = column = 0
    for char in text:
        if char == "\n":
            rows, column = rows + 1, 0
            continue
        cells = 8 - column % 8 if char == "\t" else cell_len(char)
        if column + cells > width:
            # A tab stops at the last column, anything else goes on in the next row.
            rows, column = (rows, width) if char == "\t" else (rows + 1, cells)
        else:
            column += cells
    return rows


@contextmanager
def _interrupts(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Generator[None]:
    """Ctrl-C calls `callback` instead of ending the program."""

    def deliver() -> None:
        loop.call_soon_threadsafe(callback)

    before = signal.signal(signal.SIGINT, lambda number, frame: deliver())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _silent_keys() -> Generator[None]:
    """What is typed while an answer is written does not show in the middle of it; it waits for the prompt."""
    try:
        import termios
    except ImportError:  # not on Windows
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, silent)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(terminal, termios.TCSANOW, before)


class _Commands(Completer):
    """Offers the names of commands, and after `/persona` those of personas."""

    def __init__(self, personas: Sequence[str]) -> None:
        self._choices = {
            "": [f"/{command.name}" for command in (*COMMON, QUIT)],
            "/persona": list(personas),
        }

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What may follow the text before the cursor."""
        text = document.text_before_cursor
        before, _, word = text.rpartition(" ")
        if not text.startswith("/"):
            return
        for choice in self._choices.get(before.strip(), ()):
            if choice.startswith(word) and choice != word:
                yield Completion(choice, start_position=-len(word))
