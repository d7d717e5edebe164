"""`duihua chat` as its user has it: a fresh folder, no key, the real engine on its own simulator.

A program of its own runs where that matters: once from start to end, when it fails, and whenever one is
killed, stopped or frozen. Elsewhere it runs in this process, which saves a start of Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from duihua import cli
from duihua.config import Settings
from duihua.simulator import Simulator
from duihua_prompts import Catalogue

ROOT = Path(__file__).parent.parent
WORDS = Catalogue("en")
CHAT = [sys.executable, "-m", "duihua", "chat"]
THREE = "我叫小明\n我叫什么名字?\n北京今天天气怎么样?\n"
SECRETS = [str(f.validation_alias.choices[0]) for f in Settings.model_fields.values()]  # type: ignore[union-attr]


def environ(**values: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if k not in SECRETS and not k.startswith("DUIHUA_")}
    return {**own, "DUIHUA_LANG": "en", **values}


def run(folder: Path, text: str, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAT, *arguments],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environ(**values),
        timeout=60,
        check=False,
    )


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Does what `run` does, in this process."""

    def run_within(
        folder: Path, text: str, *arguments: str, **values: str
    ) -> subprocess.CompletedProcess[str]:
        command = ("chat", *arguments)
        (folder / "typed").write_text(text, "utf-8")
        with monkeypatch.context() as patch, (folder / "typed").open(encoding="utf-8") as typed:
            for name in os.environ.keys() - environ().keys():
                patch.delenv(name)
            for name, value in environ(**values).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", typed)
            with contextlib.chdir(folder):
                code = cli.main(command)
        (folder / "typed").unlink()
        return subprocess.CompletedProcess(command, code, *capfd.readouterr())

    return run_within


@pytest.mark.parametrize(
    ("model", "process"),
    [
        ("qianfan/ernie-3.5-8k", True),
        ("qianfan/ernie_speed", False),
        ("qianfan-v2/ernie-4.0-turbo-8k", False),
    ],
)
def test_it_remembers_uses_a_skill_and_forgets_what_was_flagged(
    tmp_path: Path, within: Run, model: str, process: bool
) -> None:
    chat = run if process else within
    first = chat(tmp_path, THREE, DUIHUA_MODEL=model)
    assert first.returncode == 0
    hello, name, weather = first.stdout.splitlines()
    assert "小明" in hello
    assert "小明" in name
    assert "北京" in weather
    assert "Action" not in first.stdout
    assert len(first.stderr.splitlines()) == 1
    assert "invented" in first.stderr

    again = chat(tmp_path, "我叫什么名字?\n!flag\n我叫什么名字?\n", DUIHUA_MODEL=model)
    assert again.returncode == 0
    name, *flagged, unknown = again.stdout.splitlines()
    assert "小明" in name
    assert WORDS.t("cleared.clear.input") in flagged
    assert "小明" not in unknown
    files = list(tmp_path.glob("duihua.db*"))
    assert files
    assert not any("小明".encode() in file.read_bytes() for file in files)


def test_json_is_one_event_per_line(tmp_path: Path, within: Run) -> None:
    done = within(tmp_path, "hi\n", "--json")
    kinds = [orjson.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds[0] == "turn_started"
    assert kinds[-1] == "turn_finished"
    assert set(kinds[1:-1]) == {"text_delta"}


def test_an_answer_cut_by_a_kill_is_finished_and_shown_first(tmp_path: Path, within: Run) -> None:
    with subprocess.Popen(
        CHAT, stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path, env=environ(DUIHUA_LEASE="1")
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("!slow 100 我叫小红\n".encode())
        process.stdin.flush()
        process.stdout.read(1)
        process.kill()
    done = within(tmp_path, "hello\n", DUIHUA_LEASE="1")
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert "小红" in first
    assert "hello" in second


def test_a_dead_chat_whose_parent_does_not_know_is_taken_over(tmp_path: Path, within: Run) -> None:
    with subprocess.Popen(CHAT, stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path, env=environ()) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("!slow 100 我叫小红\n".encode())
        process.stdin.flush()
        process.stdout.read(1)
        process.kill()
        process.stdout.read()  # it has ended; nobody has waited for it yet
        done = within(tmp_path, "hello\n")
    first, second = done.stdout.splitlines()
    assert "小红" in first
    assert "hello" in second


def test_what_is_taken_over_from_a_frozen_chat_is_shown_once(tmp_path: Path, within: Run) -> None:
    environment = environ(DUIHUA_LEASE="4")
    with subprocess.Popen(CHAT, stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path, env=environment) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("!slow 100 我叫小红\n".encode())
        process.stdin.flush()
        process.stdout.read(1)
        process.send_signal(signal.SIGSTOP)
        shown = within(tmp_path, "hello\n", DUIHUA_LEASE="4").stdout
        later = within(tmp_path, "", DUIHUA_LEASE="4").stdout
        process.kill()
    assert sorted("小红" in line for line in shown.splitlines()) == [False, True]
    assert later == ""


def test_an_interrupt_stops_the_answer_and_shows_what_was_said(tmp_path: Path, within: Run) -> None:
    with subprocess.Popen(CHAT, stdin=-1, stdout=-1, stderr=-1, cwd=tmp_path, env=environ()) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b"!slow 1000 hi\n")
        process.stdin.flush()
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == WORDS.t("notice.stopped")
    assert within(tmp_path, "").stdout == ""
    assert WORDS.t("command.history.stopped") in within(tmp_path, "/history\n").stdout


def test_names_and_personas_stay_with_their_session(tmp_path: Path, within: Run) -> None:
    within(tmp_path, "我叫小明\n", "--session", "a", "--persona", "coder")
    asked = "我叫什么名字?\n/persona\n"
    other = within(tmp_path, asked, "--session", "b").stdout
    assert "小明" not in other
    assert "* default" in other
    same = within(tmp_path, asked, "--session", "a").stdout
    assert "小明" in same
    assert "* coder" in same


@pytest.mark.parametrize(
    ("arguments", "values", "facts", "process"),
    [
        (["--set", "temperature=9"], {}, ["temperature", "9"], True),
        (["--persona", "nobody"], {}, ["nobody", "coder"], False),
        (["--model", "nowhere/x"], {}, ["nowhere", "qianfan"], False),
        ([], {"QIANFAN_API_KEY": "half"}, ["QIANFAN_SECRET_KEY"], False),
        ([], {"DUIHUA_PERSONAS_DIR": "nowhere"}, ["DUIHUA_PERSONAS_DIR"], False),
    ],
)
def test_a_start_that_fails_is_one_line(
    tmp_path: Path, within: Run, arguments: list[str], values: dict[str, str], facts: list[str], process: bool
) -> None:
    done = (run if process else within)(tmp_path, "hi\n", *arguments, **values)
    assert (done.returncode, done.stdout) == (2, "")
    line = done.stderr.splitlines()[-1]
    assert all(fact in line for fact in facts), done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_platform_is_one_line_and_no_fault_of_the_program(tmp_path: Path, within: Run) -> None:
    values = {
        "QIANFAN_API_KEY": "a",
        "QIANFAN_SECRET_KEY": "topsecret",
        "QIANFAN_BASE_URL": "http://127.0.0.1:9",
    }
    done = within(tmp_path, "hi\n", **values)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(done.stderr.splitlines()) == 1
    assert "qianfan" in done.stderr
    assert "topsecret" not in done.stderr


async def program(
    folder: Path, values: dict[str, str], *arguments: str, text: str = "hi\n"
) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        env=environ(**values),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate(text.encode())
    return out.decode(), err.decode()


async def test_a_bad_key_is_one_line_with_its_facts(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        values = {**simulator.settings(), "QIANFAN_SECRET_KEY": "wrong"}
        out, err = await program(tmp_path, values, "-m", "duihua", "chat")
    assert out == ""
    assert len(err.splitlines()) == 1
    assert WORDS.t("error.provider.auth") in err
    assert "qianfan" in err


async def test_a_wrong_model_names_the_command_that_lists_them(tmp_path: Path, within: Run) -> None:
    async with Simulator() as simulator:
        arguments = (tmp_path, "hi\n", "--model", "qianfan/no-such-model")
        done = await asyncio.to_thread(within, *arguments, **simulator.settings())
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "duihua models" in done.stderr


async def test_the_example_of_embedding_runs(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        out, err = await program(tmp_path, simulator.settings(), str(ROOT / "examples/embed.py"))
    assert err == ""
    assert "小明" in out.splitlines()[1]


def test_the_models_are_listed_by_platform(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "duihua", "models", "qianfan-v2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ(),
        check=True,
    )
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["model", "context", "characters", "functions", "price/M", "abilities", "family"]
    assert rows
    assert all(row.startswith("qianfan-v2/") for row in rows)
