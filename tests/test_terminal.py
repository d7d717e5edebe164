"""The chat as a program: real pipes and a real pseudo-terminal, with an engine that answers from a script."""

from __future__ import annotations

import asyncio
import io
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from duihua import ChatEngine, Settings
from duihua.errors import NotSent
from duihua.escapes import clean
from duihua.messages import Address, Turn, TurnRef
from duihua.options import ModelOptions
from duihua.plain import JsonLines, Plain
from duihua.screen import rows_of
from duihua.terminal import Terminal
from duihua.testing import ScriptedModel
from duihua_prompts import Catalogue
from duihua_storage import open_store
from tests.fake_engine import FakeEngine, notice, row

LEDGER: Any = None  # a terminal keeps nothing
WORDS = Catalogue("en")
PROGRAM = [sys.executable, "-m", "tests.fake_engine", "chat"]
ROOT = Path(__file__).parent.parent
HOME = Address("terminal", "default")


def piped(data: bytes, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=data,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "DUIHUA_LANG": "en", **environ},
        timeout=30,
        check=False,
    )


async def lines_of(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield line


async def chatted(*lines: str, engine: FakeEngine | None = None, json: bool = False) -> tuple[str, str]:
    """What stands on stdout and stderr after these lines."""
    engine = engine or FakeEngine()
    out, err = io.BytesIO(), io.BytesIO()
    view = JsonLines(WORDS, out, err) if json else Plain(WORDS, out, err)
    await terminal(engine, view).piped(lines_of(*lines))
    return out.getvalue().decode(), err.getvalue().decode()


def terminal(engine: FakeEngine, view: Any, **options: Any) -> Terminal:
    fake: Any = engine
    return Terminal(fake, fake.session(HOME), view, WORDS, **options)


# ---------------------------------------------------------------- pipes


def test_lines_are_read_as_they_come_from_any_system() -> None:
    done = piped(b"\xef\xbb\xbfone\r\n\r\n   \ntwo \xff\n\xe4\xbd\xa0\xe5\xa5\xbd")
    assert done.returncode == 0
    assert done.stdout.decode() == "echo one\necho two \ufffd\necho 你好\n"
    assert done.stderr == b""


def test_line_ends_are_no_part_of_an_input() -> None:
    last = orjson.loads(piped(b"one \r\n", "--json").stdout.splitlines()[-1])
    assert last["text"] == "echo one "


def test_no_input_is_no_answer() -> None:
    done = piped(b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_failed_turn_is_one_line_on_stderr_and_the_next_one_is_answered() -> None:
    done = piped(b"fail\nbusy\nhi\n")
    assert done.returncode == 0
    assert done.stdout.decode() == "half\necho hi\n"
    first, second = done.stderr.decode().splitlines()
    assert all(fact in first for fact in ("qianfan", "110", "as-1"))
    assert "50" in second


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(PROGRAM, stdin=-1, stdout=-1, stderr=-1, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"one\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"two\nthree\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_rich_and_prompt_toolkit_stay_out_of_pipes() -> None:
    code = (
        "import sys, tests.fake_engine as f; sys.argv = ['x', 'chat']; f.main();"
        "print([m for m in ('rich', 'prompt_toolkit') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"hi\n", cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout.decode() == "echo hi\n[]\n"


async def test_steps_stand_on_their_own_lines_and_skills_stay_quiet() -> None:
    assert await chatted("skill") == ("sunny\n", "")


async def test_a_void_text_is_declared_void() -> None:
    out, _ = await chatted("restart")
    assert out == f"old|\n{WORDS.t('turn.restarted')}\nnew\n"


async def test_flagged_content_is_taken_back_and_explained() -> None:
    out, _ = await chatted("flag")
    assert out.splitlines() == [
        "bad words",
        WORDS.t("turn.retracted"),
        WORDS.t("cleared.clear.output"),
    ]


async def test_a_model_cannot_steer_the_screen() -> None:
    assert (await chatted("escape"))[0] == "abc [bold]d[/]\n"


async def test_half_a_character_is_replaced() -> None:
    assert (await chatted("surrogate"))[0] == "?!\n"


async def test_side_remarks_go_to_stderr() -> None:
    assert await chatted("trimmed") == ("ok\n", WORDS.t("notice.trimmed") + "\n")


async def test_an_answer_that_was_stopped_says_so_beside_it() -> None:
    engine = FakeEngine()
    chat = asyncio.create_task(chatted("slow", engine=engine))
    await engine.session(HOME).began.wait()
    await engine.session(HOME).stop()
    out, err = await chat
    assert out.startswith("0 ")
    assert err == WORDS.t("notice.stopped") + "\n"


async def test_a_stop_before_the_turn_began_holds_when_it_does() -> None:
    engine, err = FakeEngine(), io.BytesIO()
    chat = terminal(engine, Plain(WORDS, io.BytesIO(), err))
    showing = asyncio.create_task(chat._line("slow"))
    await asyncio.sleep(0)
    await chat._stop()
    await showing
    assert err.getvalue().decode() == WORDS.t("notice.stopped") + "\n"


async def test_what_needs_consent_is_refused_where_nobody_can_be_asked() -> None:
    engine = FakeEngine()
    out, err = await chatted("hold", "/yes", "/yes 1", engine=engine)
    assert "mail" in out.splitlines()[0]
    assert engine.session(HOME).decided == [("1.1.0.0", False), ("1.1.0.1", False)]
    assert err.count(WORDS.t("approval.piped")) == 4


async def test_commands_work_in_pipes_and_forget_asks_nobody() -> None:
    engine = FakeEngine()
    out, err = await chatted(
        "hi", "/forget", "/nope", "/persona zzz", "/retry", "/quit", "never", engine=engine
    )
    forgotten, nothing = WORDS.t("command.forget.done", count=1), WORDS.t("command.retry.nothing")
    assert out.splitlines() == ["echo hi", forgotten, nothing]
    assert len(err.splitlines()) == 2
    assert engine.session(HOME).turns == []


async def test_a_document_is_said_with_a_question(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    (tmp_path / "price list.csv").write_text("tea,3\n" * 50, "utf-8")
    model = ScriptedModel(["Three."])
    settings = Settings.load(None, database_url=url, file_characters=100, memory_model="none")
    out, err = io.BytesIO(), io.BytesIO()
    async with ChatEngine(
        "scripted/any", settings=settings, provider={"scripted": model}, store=open_store(url, upgrade=True)
    ) as engine:
        chat = Terminal(engine, engine.session(HOME), Plain(WORDS, out, err), WORDS)
        await chat.piped(
            lines_of(f"/file '{tmp_path}/price list.csv' How much?", f"/file {tmp_path}/none", '/file "')
        )
    told, _, question = model.sent[0][-1]["content"].partition("\n")
    assert (orjson.loads(told)["content"], question) == (("tea,3\n" * 50)[:100], "How much?")
    assert WORDS.t("file.cut", name="price list.csv", characters=100) in out.getvalue().decode()
    assert WORDS.t("command.file.usage") in out.getvalue().decode()
    assert "No such file" in err.getvalue().decode()


async def test_options_go_with_every_input() -> None:
    engine, options = FakeEngine(), ModelOptions(temperature=0.5)
    chat = terminal(engine, Plain(WORDS, io.BytesIO(), io.BytesIO()), options=options)
    await chat.piped(lines_of("a", "b"))
    assert engine.session(HOME).options == [options, options]


async def test_a_fault_of_our_own_is_one_line_too() -> None:
    engine = FakeEngine()

    async def broken(text: str, **options: Any) -> AsyncIterator[Any]:
        raise ZeroDivisionError("secret")
        yield

    engine.session(HOME).say = broken  # type: ignore[method-assign]
    out, err = await chatted("hi", engine=engine)
    assert out == ""
    assert err == WORDS.t("error.internal") + "\n"


# ---------------------------------------------------------------- JSON


async def test_json_is_every_event_and_nothing_else() -> None:
    out, err = await chatted("surrogate", "/usage", "fail", json=True)
    events = [orjson.loads(line) if "ud83d" not in line else None for line in out.splitlines()]
    kinds = [event["kind"] for event in events if event]
    assert [kinds[0], *kinds[-3:]] == ["turn_started", "turn_started", "text_delta", "turn_failed"]
    assert events[-1]["values"]["vendor_code"] == "110"
    assert "fake/m" in err
    assert "as-1" in err


# ---------------------------------------------------------------- what was owed


def test_what_an_earlier_process_owed_comes_first() -> None:
    done = piped(b"hi\n", OWED="from before", WAITING="x")
    assert done.stdout.decode() == "from before\nso far, done\necho hi\n"


def test_what_was_owed_is_an_event_in_json() -> None:
    done = piped(b"", "--json", OWED="from before")
    event = orjson.loads(done.stdout)
    assert (event["kind"], event["text"], event["turn"]) == ("turn_finished", "from before", 1)


async def test_an_answer_that_was_shown_is_not_shown_again() -> None:
    out = io.BytesIO()
    chat = terminal(FakeEngine(), Plain(WORDS, out, io.BytesIO()))
    await chat.piped(lines_of("hi"))
    assert await chat.send(row(1, "echo hi"), LEDGER) == ""
    assert out.getvalue() == b"echo hi\n"


async def test_an_answer_that_was_cut_off_is_shown_whole() -> None:
    engine, out = FakeEngine(), io.BytesIO()
    chat = terminal(engine, Plain(WORDS, out, io.BytesIO()))
    await chat.piped(lines_of())
    events = engine.session(HOME).say("hi")

    async def two() -> AsyncIterator[Any]:
        yield await anext(events)
        yield await anext(events)

    await chat.present(TurnRef(1, 1), HOME, two(), LEDGER)
    await chat.send(row(1, "echo hi"), LEDGER)
    assert out.getvalue().decode().endswith("echo hi\n")


async def test_the_outbox_waits_for_the_turn_that_is_being_shown() -> None:
    engine, out = FakeEngine(), io.BytesIO()
    chat = terminal(engine, Plain(WORDS, out, io.BytesIO()))
    await chat.piped(lines_of())
    shown, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[Any]:
        async for event in engine.session(HOME).say("hi"):
            yield event
            shown.set()
            await go_on.wait()

    showing = asyncio.create_task(chat.present(TurnRef(1, 1), HOME, slowly(), LEDGER))
    await shown.wait()
    sending = asyncio.create_task(chat.send(row(1, "echo hi"), LEDGER))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(showing, sending)
    assert out.getvalue() == b"echo hi\n"


async def test_answers_of_others_are_left_to_them() -> None:
    engine = FakeEngine()
    engine.session(HOME).turns = [Turn(TurnRef(1, 3))]
    chat = terminal(engine, Plain(WORDS, io.BytesIO(), io.BytesIO()))
    await chat.piped(lines_of())
    with pytest.raises(NotSent):
        await chat.send(row(1, "x", chat="other"), LEDGER)
    with pytest.raises(NotSent):
        await chat.send(row(4, "shown by the process that asked"), LEDGER)
    await chat.send(row(3, "from before this chat began"), LEDGER)


async def test_a_failure_that_was_owed_is_told() -> None:
    err = io.BytesIO()
    engine = FakeEngine()
    engine.session(HOME).turns = [Turn(TurnRef(1, 9))]
    chat = terminal(engine, Plain(WORDS, io.BytesIO(), err))
    await chat.piped(lines_of())
    await chat.send(row(1, "", error="timeout", values={}), LEDGER)
    assert err.getvalue().decode() == WORDS.t("error.timeout") + "\n"


async def test_a_reminder_is_told_and_a_late_one_says_so() -> None:
    out, lines = io.BytesIO(), io.BytesIO()
    soon = datetime.now(UTC).isoformat()
    for view in (Plain(WORDS, out, io.BytesIO()), JsonLines(WORDS, lines, io.BytesIO())):
        chat = terminal(FakeEngine(), view)
        await chat.piped(lines_of())
        await chat.send(notice("call\x1b[2J Ann", "2025-03-07T08:00:00+08:00"), LEDGER)
        await chat.send(notice("drink", soon), LEDGER)
        with pytest.raises(NotSent):
            await chat.send(notice("x", soon, chat="other"), LEDGER)
    late = WORDS.t("reminder.late", text="call Ann", due="2025-03-07 08:00")
    assert out.getvalue().decode() == f"{late}\n{WORDS.t('reminder.due', text='drink')}\n"
    event = orjson.loads(lines.getvalue().splitlines()[0])
    assert (event["kind"], event["reminder"], event["late"]) == ("reminder_due", 7, True)


# ---------------------------------------------------------------- a real terminal


class Typist:
    """A person at a pseudo-terminal of 80 x 24."""

    def __init__(self, **environ: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self.terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            PROGRAM,
            cwd=ROOT,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C becomes a signal
            env={**os.environ, "DUIHUA_LANG": "en", "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environ},
        )
        os.close(inner)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def expect(self, pattern: str) -> str:
        """Waits until what came since the last call matches."""
        while not re.search(pattern, self.seen, re.DOTALL):
            ready, _, _ = select.select([self.terminal], [], [], 20)
            assert ready, f"no {pattern!r} in {self.seen!r}"
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                data = b""
            assert data, f"the program ended without {pattern!r}: {self.seen!r}"
            self.seen += data.decode("utf-8", "replace")
        found, self.seen = self.seen, ""
        return found

    def leaves(self) -> int:
        """The exit code; what it still writes is read away."""
        while True:
            try:
                if not os.read(self.terminal, 65536):
                    break
            except OSError:
                break
        return self.process.wait(20)


@pytest.fixture
def typist() -> Iterator[Typist]:
    person = Typist(OWED="from before")
    yield person
    if person.process.poll() is None:
        person.process.kill()
        person.process.wait()
    os.close(person.terminal)


PROMPT = r"›[^›]*\x1b\[\?25h$"


def test_ctrl_c_stops_the_turn_and_not_the_program(typist: Typist) -> None:
    greeting = typist.expect(PROMPT)
    assert "from before" in greeting
    assert WORDS.t("chat.hint") in greeting
    typist.type("slow\r")
    typist.expect("3 ")
    typist.type("ahead")
    shown = typist.expect("9 ")
    typist.type("\x03")
    shown += typist.expect(re.escape(WORDS.t("notice.stopped")) + ".*" + PROMPT)
    assert "ahead" not in shown[: shown.index(WORDS.t("notice.stopped"))]
    typist.type(" hi\r")
    typist.expect("echo (ahead)? hi.*" + PROMPT)
    typist.type("half a line")
    typist.expect("half a line")
    typist.type("\x03")
    shown = typist.expect(PROMPT)
    typist.type("whole\r")
    shown += typist.expect("echo whole.*" + PROMPT)
    assert WORDS.t("chat.again") not in shown
    typist.type("\x03")
    typist.expect(re.escape(WORDS.t("chat.again")) + ".*" + PROMPT)
    typist.type("\x03")
    assert typist.leaves() == 0


def test_ctrl_d_leaves_and_forget_asks(typist: Typist) -> None:
    typist.expect(PROMPT)
    typist.type("hi\r")
    typist.expect("echo hi.*" + PROMPT)
    typist.type("ring\r")
    typist.expect("ringing.*" + re.escape(WORDS.t("reminder.late", text="call Ann", due="2025-03-07 08:00")))
    typist.type("/forget\r")
    typist.expect(re.escape(WORDS.t("chat.confirm").strip()))
    typist.type("n\r")
    typist.expect(re.escape(WORDS.t("command.forget.kept")) + ".*" + PROMPT)
    typist.type("/history\r")
    typist.expect("Q: hi.*" + PROMPT)
    typist.type("/forget\r")
    typist.expect(re.escape(WORDS.t("chat.confirm").strip()))
    typist.type("y\r")
    typist.expect(re.escape(WORDS.t("command.forget.done", count=2)) + ".*" + PROMPT)
    typist.type("\x04")
    assert typist.leaves() == 0


def test_a_retracted_text_is_erased_and_nothing_is_read_as_markup(typist: Typist) -> None:
    typist.expect(PROMPT)
    typist.type("flag\r")
    shown = typist.expect("start afresh.*" + PROMPT)
    after = shown[shown.index("bad words") :]
    assert "\x1b[2K" in after[: after.index(WORDS.t("turn.retracted"))]
    assert "cleared" in clean(after)
    typist.type("escape\r")
    typist.expect(r"abc \[bold\]d\[/\].*" + PROMPT)
    typist.type("skill\r")
    shown = clean(typist.expect("sunny.*" + PROMPT))
    assert WORDS.t("skill.done", names="weather") in shown
    typist.type("steps\r")
    shown = clean(typist.expect("sunny.*" + PROMPT))
    assert re.search(r"let me see\n.*weather done\n[^\n]*\|sunny", shown), shown
    typist.type("/quit\r")
    assert typist.leaves() == 0


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", 0),
        ("abc", 0),
        ("abc\n", 1),
        ("x" * 10, 0),
        ("x" * 11, 1),
        ("x" * 10 + "\n", 1),
        ("好" * 5, 0),
        ("x" + "好" * 5, 1),
        ("a\tb", 0),
        ("123456789\tb", 1),
    ],
)
def test_rows_are_counted_as_a_terminal_wraps(text: str, rows: int) -> None:
    assert rows_of(text, 10) == rows


def test_an_interrupted_pipe_ends_like_any_program() -> None:
    with subprocess.Popen(PROGRAM, stdin=-1, stdout=-1, stderr=-1, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"hi\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (130, b"")
