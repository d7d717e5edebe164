"""The chat of `duihua chat`: a front end for a terminal, for pipes, and for programs that read JSON lines."""

from __future__ import annotations

import asyncio
import io
import logging
import shlex
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from duihua.commands import (
    COMMON,
    QUIT,
    Answer,
    Command,
    CommandTable,
    Confirm,
    Document,
    Input,
    Listing,
    Present,
    Quit,
    Scene,
    Show,
    Tell,
    UnknownCommand,
    persona_of,
)
from duihua.documents import Limits, read_file
from duihua.errors import DuihuaError, NotSent
from duihua.events import END, AnyEvent, SkillAttached, TurnFinished, TurnStarted
from duihua.messages import Address, Text, TurnRef
from duihua.pictures import read_image
from duihua.plain import JsonLines, Plain, View, explain
from duihua.reminding import told as reminded
from duihua.saving import FOLDER, save
from duihua.shown import end_of
from duihua.skills.files import told
from duihua.streams import own_stdout

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.options import ModelOptions
    from duihua.ports import Send
    from duihua.screen import Screen
    from duihua.session import Session
    from duihua.showing import ShownStore
    from duihua_prompts import Catalogue

FRONT = "terminal"
_REFUSALS = 8  # of calls that need consent, after each line that nobody typed
_ELSEWHERE = 5.0  # seconds until an answer that another process shows is looked at again
_log = logging.getLogger(__name__)

# ---------------------------------------------------------------- the front end


class Terminal:
    """One session in one view. A `ports.Frontend`: what was not shown live comes through the outbox.

    Args:
        options: model options of every input, over those of persona and session.
    """

    def __init__(
        self,
        engine: ChatEngine,
        session: Session,
        view: View,
        words: Catalogue,
        options: ModelOptions | None = None,
    ) -> None:
        self._engine, self._session, self._view, self._words = engine, session, view, words
        self._options = options
        image = Command("image", self._image, takes=True)  # only here: they read files of this machine
        file = Command("file", self._file, takes=True)
        self._table = CommandTable((*COMMON, image, file, QUIT))
        self._screen = asyncio.Lock()  # one turn is shown at a time, and the outbox waits for its end
        self._begun: set[int] = set()  # turns seen here, and those seen to their end
        self._ended: set[int] = set()
        self._saved: set[str] = set()  # what skills brought
        self._stopping = False  # a stop was asked for before there was a turn
        self._asked_before: set[str] = set()  # calls that waited before lines were piped in
        self._newest: int | None = None  # the newest turn there was when this chat began

    @property
    def name(self) -> str:
        """The `front` of its addresses."""
        return FRONT

    async def present(
        self, ref: TurnRef, address: Address, events: AsyncIterator[AnyEvent], ledger: ShownStore
    ) -> None:
        """Shows a turn live; what a terminal has shown stays, so that nothing of it is kept."""
        await self._shown(events)

    async def _shown(self, events: AsyncIterator[AnyEvent]) -> None:
        async with self._screen:
            async for event in events:
                self._begun.add(event.turn)
                if self._stopping and isinstance(event, TurnStarted):
                    await self._stop()
                self._view.event(event)
                await self._save(event)
                if isinstance(event, END):
                    self._ended.add(event.turn)

    async def send(self, send: Send, ledger: ShownStore) -> str:
        """Shows an answer that was not shown live.

        Raises:
            NotSent: it belongs to another session, or to another process that is showing it now.
        """
        async with self._screen:
            turn = send.ref.seq
            here = self._session.address
            if (send.address.tenant, send.address.key) != (here.tenant, here.key):
                raise NotSent("another session's answer", _ELSEWHERE)
            if send.kind == "notice":
                self._view.event(reminded(send, self._engine.clock()))
                return ""
            if turn in self._ended or send.kind == "delete":
                return ""
            new = self._newest is not None and turn > self._newest and turn not in self._begun
            if new and send.ref not in self._engine.lanes.recovered:
                raise NotSent("another process shows this answer", _ELSEWHERE)
            end = end_of(send)
            self._view.event(end)
            await self._save(end)
            self._begun.add(turn)
            self._ended.add(turn)
        return ""

    async def catch_up(self) -> None:
        """Shows what an earlier process still owed: answers never shown, then inputs never answered."""
        self._engine.attach(self)
        await self._engine.deliver()
        turns = await self._session.history(limit=1)
        self._newest = turns[-1].ref.seq if turns else 0
        if await self._session.attended():
            return  # another chat shows them
        for ticket in await self._session.waiting():
            await self._show(self._session.events(ticket))

    async def piped(self, lines: AsyncIterable[str]) -> None:
        """One input per line until the lines end. Ctrl-C stops the running answer, too."""
        try:
            await self.catch_up()
            self._asked_before = {held.call.id for held in await self._session.held()}
            async for line in lines:
                if not await self._line(line):
                    break
                await self._refuse()
        except asyncio.CancelledError:
            with suppress(DuihuaError):
                await self._stop()
            raise
        await self._engine.deliver()  # so that the next chat does not show these answers again

    async def _refuse(self) -> None:
        """Says no to what waits for consent: whatever wrote the lines, no person read the question."""
        for _ in range(_REFUSALS):
            held = [h.call.id for h in await self._session.held() if h.call.id not in self._asked_before]
            if not held:
                return
            self._view.error(self._words.t("approval.piped"))
            await self._show(self._session.events(await self._session.decide(held[0], approve=False)))

    async def interactive(self, screen: Screen) -> None:
        """A person types until they leave."""
        await screen.interruptible(self.catch_up(), self._stop)
        await self._greet()
        while (text := await screen.read()) is not None:
            if text.strip() and await screen.interruptible(self._line(text, screen), self._stop) is False:
                break
        await self._engine.deliver()

    async def _greet(self) -> None:
        lang = self._words.lang
        if await self._session.is_private():
            self._view.say(self._words.t("command.private.on"))
        if self._newest:
            self._view.say(self._words.t("chat.resumed", session=self._session.address.chat))
        else:
            persona = self._engine.personas.get(await persona_of(self._session, self._engine))
            self._view.say(persona.greeting(lang))
        self._view.say(self._words.t("chat.hint"))

    async def _line(self, text: str, screen: Screen | None = None) -> bool:
        """Carries out what was typed; False: the user wants to leave."""
        match what := self._table.parse(text):
            case Input():
                await self._show(self._session.say(what.text, options=self._options))
            case UnknownCommand():
                self._view.error(what.line(self._words))
            case _ if screen is None and what.command.name == "yes":
                self._view.error(self._words.t("approval.piped"))
            case _:
                try:
                    answer = await self._table.run(what, self._session, self._engine, self._words)
                    if isinstance(answer, Confirm):
                        sure = screen is None or await screen.confirm(answer.question)
                        answer = await answer.proceed() if sure else Show(answer.declined)
                except DuihuaError as e:
                    self._view.error(explain(self._words, e))
                    return True
                return await self._answer(answer)
        return True

    async def _image(self, scene: Scene) -> Answer:
        """Says an image, with the words behind its path."""
        try:
            path, *question = shlex.split(scene.args)
        except ValueError:
            return Show(scene.words.t("command.image.usage"))
        words = [Text(" ".join(question))] if question else []
        return Present(scene.session.say([read_image(path), *words], options=self._options))

    async def _file(self, scene: Scene) -> Answer:
        """Says what a document says, with the words behind its path."""
        try:
            path, *question = shlex.split(scene.args)
        except ValueError:
            return Show(scene.words.t("command.file.usage"))
        found = await read_file(path, limits=Limits.of(self._engine.settings))
        if found.cut:
            self._view.say(scene.words.t("file.cut", name=found.name, characters=len(found.text)))
        words = [Text(" ".join(question))] if question else []
        return Present(scene.session.say([found.part, *words], options=self._options))

    async def _answer(self, answer: Answer) -> bool:
        match answer:
            case Show(text):
                self._view.say(text)
            case Listing():
                self._view.say(answer.text)
            case Present(events):
                await self._show(events)
            case Document():
                self._keep(answer)
            case Tell(texts):
                async for text in texts:
                    self._view.say(text if isinstance(text, str) else text.text)
            case _:
                return not isinstance(answer, Quit)
        return True

    def _keep(self, document: Document) -> None:
        """Saves a file in the current folder, beside those that are there."""
        try:
            path = save(Path(document.name), document.data)
        except OSError as e:
            self._view.error(self._words.t("chat.not_saved", path=document.name, reason=e.strerror))
            return
        self._view.say(self._words.t("chat.saved", text=document.text, path=path))

    async def _save(self, event: AnyEvent) -> None:
        """Saves what skills brought for the user, and says where."""
        match event:
            case SkillAttached():
                new = [event.attachment]
            case TurnFinished():
                new = [file.attachment for file in event.attachments]
            case _:
                return
        for id_ in new:
            if id_ in self._saved or (file := await self._session.attachment(id_)) is None:
                continue
            self._saved.add(id_)
            about = self._words.t("chat.file", name=file.name, mime=file.mime, size=told(len(file.data)))
            self._keep(Document(f"{FOLDER}/{file.name}", file.data, file.mime, about))

    async def _show(self, events: AsyncIterator[AnyEvent]) -> None:
        self._stopping = False
        try:
            await self._shown(events)
        except OSError:  # the reader of our output is gone
            raise
        except Exception as e:  # whatever it is, the chat goes on with the next input
            _log.debug("a turn could not be shown", exc_info=True)
            self._view.error(explain(self._words, e))

    async def _stop(self) -> None:
        """Stops the running turn, or the one that is about to start."""
        self._stopping = not await self._session.stop()


# ---------------------------------------------------------------- the program


async def chat(
    engine: ChatEngine,
    words: Catalogue,
    *,
    session: str = "default",
    persona: str = "",
    options: ModelOptions | None = None,
    out: BinaryIO | None = None,
    as_json: bool = False,
) -> None:
    """Chats on the program's own standard streams until the input ends. `out`: see `output`.

    Raises:
        DuihuaError: the start failed.
        BrokenPipeError: nobody reads the answers any more.
    """
    handle = engine.session(Address(front=FRONT, chat=session))
    if persona:
        await handle.configure(persona=engine.personas.get(persona).name)
    if options is not None:
        await engine.check(handle.address, (), options)
    if out is None:
        from duihua.screen import Screen

        screen = Screen(words, engine.personas.names())
        await Terminal(engine, handle, screen, words, options).interactive(screen)
        return
    err = _bytes_of(sys.stderr)
    view = JsonLines(words, out, err) if as_json else Plain(words, out, err)
    async with aclosing(read_lines()) as lines:
        await Terminal(engine, handle, view, words, options).piped(lines)


@contextmanager
def output(*, as_json: bool) -> Generator[BinaryIO | None]:
    """Where a chat writes; None: a person sits there.

    To be entered before the engine: how the last turn ended is told when that is closed.
    """
    if not as_json and _is_terminal(sys.stdin) and _is_terminal(sys.stdout):
        yield None
        return
    with own_stdout() as out:
        yield out


async def read_lines() -> AsyncGenerator[str]:
    """The lines of standard input that are not blank, without their ends, as they come.

    A byte order mark and CRLF are taken off, what is not UTF-8 is replaced.
    """
    stdin: TextIO | None = sys.stdin
    if stdin is None:  # closed by the shell
        return
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore(0)  # a line is read when it is asked for, however long the input is
    # A file object of its own: at exit the interpreter wants sys.stdin, which a waiting thread would hold.
    stream = open(stdin.fileno(), "rb", closefd=False)  # noqa: ASYNC230, SIM115

    def read() -> None:
        with suppress(RuntimeError):  # the loop may be gone when a line comes at last
            while wanted.acquire():
                try:
                    line = stream.readline()
                except OSError:  # the terminal was closed
                    line = b""
                loop.call_soon_threadsafe(queue.put_nowait, line)

    threading.Thread(target=read, name="duihua-stdin", daemon=True).start()
    mark = b"\xef\xbb\xbf"
    while True:
        wanted.release()
        if not (line := await queue.get()):
            return
        text = line.removeprefix(mark).decode("utf-8", "replace").rstrip("\r\n")
        mark = b""
        if text.strip():
            yield text


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _bytes_of(stream: TextIO | None) -> BinaryIO:
    return io.BytesIO() if stream is None else stream.buffer
