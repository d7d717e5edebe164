"""`duihua telegram` as a user runs it: its one-line errors, its end, and what a kill leaves behind."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from duihua import cli, redact, telegram_commands
from duihua.lanes import machine
from duihua.simulator.telegram import FakeTelegram, User
from duihua_prompts import Catalogue
from tests.leftovers import run
from tests.soak.model import Model, plain, text_of

WORDS = Catalogue("en")
PATIENCE = 60.0
"""Seconds that a process may take to start, on a machine with much else to do."""
READY = WORDS.t("cli.telegram.ready", name="duihua_bot")
STANDBY = WORDS.t("cli.telegram.standby", name="duihua_bot")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    factory, level = logging.getLogRecordFactory(), logging.getLogger().level  # the program sets its own
    yield
    logging.setLogRecordFactory(factory)
    logging.getLogger().setLevel(level)


def test_without_a_token_one_line_names_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["telegram"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "TELEGRAM_BOT_TOKEN" in line


def test_without_the_extra_one_line_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:A")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["telegram"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "duihua[telegram]" in line


def test_the_program_builds_no_schemas_that_it_does_not_use() -> None:
    code = """
import asyncio
from duihua import cli
asyncio.run = lambda main: main.close() or 0  # nothing is served
assert cli.main(["telegram"]) == 0
from aiogram import types
assert not types.PassportElementErrorTranslationFiles.__pydantic_complete__
"""
    environment = {**os.environ, "TELEGRAM_BOT_TOKEN": "1:A"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()


@pytest.mark.parametrize(
    ("given", "arguments", "names"),
    [
        ({"TELEGRAM_BOT_TOKEN": "no token"}, (), "TELEGRAM_BOT_TOKEN"),
        ({"TELEGRAM_API_URL": "nowhere"}, (), "TELEGRAM_API_URL"),
        ({"DUIHUA_ACCESS": "ajar"}, (), "DUIHUA_ACCESS"),
        ({"TELEGRAM_STREAM": "slowly"}, (), "TELEGRAM_STREAM"),
        ({"TELEGRAM_WEBHOOK_SECRET": "sécret"}, (), "TELEGRAM_WEBHOOK_SECRET"),
        ({}, ("--listen", "8080"), "--listen"),
        ({}, ("--webhook", "example.com"), "--webhook"),
    ],
)
def test_a_wrong_setting_is_one_line(
    given: dict[str, str],
    arguments: tuple[str, ...],
    names: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"TELEGRAM_BOT_TOKEN": "1:AAsecret", **given}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["telegram", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert names in line
    assert not [value for value in ("no token", "sécret", "AAsecret") if value in line]


async def test_a_token_that_telegram_does_not_know_is_one_line(
    fake: FakeTelegram, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "700000001:AAwrong")
    monkeypatch.setenv("TELEGRAM_API_URL", fake.url)
    assert await asyncio.to_thread(cli.main, ["telegram"]) == 2
    assert capsys.readouterr().err.splitlines() == [WORDS.t("error.config_telegram_refused", bot="700000001")]


async def test_an_unreachable_telegram_is_seen(
    fake: FakeTelegram, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DUIHUA_LOG_LEVEL", raising=False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr("duihua.telegram.running.AGAIN", (0.0, 0.0))
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", fake.token)
    monkeypatch.setenv("TELEGRAM_API_URL", fake.url)
    fake.faults.add("cut", method="getMe")
    fake.faults.add("error", method="getMe", status=401)  # ends the program
    assert await asyncio.to_thread(cli.main, ["telegram"]) == 2
    (warning, _) = capsys.readouterr().err.splitlines()
    assert "WARNING" in warning
    assert fake.token not in warning


async def test_a_killed_program_leaves_its_messages_to_the_next_one(
    fake: FakeTelegram, ada: User, start: Any, tmp_path: Path
) -> None:
    """Killed between keeping a message and saying it. Nobody waits until its lease has run out."""
    url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
    ada.say("hello")
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "tests.telegram.killed",
            fake.token,
            fake.url,
            url,
            f"{machine()}:{{pid}}:x/1",
        ),
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert await process.wait() == -signal.SIGKILL
    assert fake.bot.confirmed == 0  # it was kept, and Telegram not told so yet
    life = await start(["hi"], database_url=url)
    await fake.until(lambda: fake.bot.confirmed and fake.chat(42).answers)
    await fake.until(lambda: fake.bot.waiting)
    assert [message.text for message in fake.chat(42).answers] == ["hi"]
    assert await life.engine.store.arrived("telegram/700000001") == []


async def test_of_two_programs_one_stands_by_and_takes_over_when_the_other_is_killed(
    fake: FakeTelegram, ada: User, tmp_path: Path
) -> None:
    """Killed in the middle of an answer, which the second one gives to its end, in the same message."""
    told = "T42x1"
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(Model(1, (1.0, 1.0)))
        settings = {
            "TELEGRAM_BOT_TOKEN": fake.token,
            "TELEGRAM_API_URL": fake.url,
            "TELEGRAM_STREAM": "edit",
            "DUIHUA_OWNERS": "telegram/42",
            "DUIHUA_MODEL": "openai/any",
            "DUIHUA_MEMORY_MODEL": "none",
            "OPENAI_API_KEY": "a-key",
            "OPENAI_BASE_URL": model.url,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

        async def begin() -> asyncio.subprocess.Process:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "duihua", "telegram"),
                cwd=tmp_path,
                env={**os.environ, **settings},
                stderr=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(_ended, process)
            return process

        first = await begin()
        await fake.until(lambda: fake.bot.waiting, PATIENCE)
        second = await begin()
        assert second.stderr
        while (line := (await second.stderr.readline()).decode().strip()) != STANDBY:
            assert line
            assert line != READY
        ada.say(f"please {told}")
        await fake.until(lambda: fake.chat(42).answers, PATIENCE)
        known = "SELECT external_id FROM shown WHERE external_id <> ''"  # from then on it is never sent twice
        while not await asyncio.to_thread(run, f"sqlite:///{tmp_path}/duihua.db", known):
            pass
        first.kill()

        def said() -> list[str]:
            return " ".join(message.text for message in fake.chat(42).answers).split()

        await fake.until(lambda: f"Z{told}" in said(), PATIENCE)
        await fake.until(lambda: fake.bot.waiting, PATIENCE)
        second.terminate()
        assert await second.wait() == 0
        assert READY in (await second.stderr.read()).decode().splitlines()
        assert [word for word in said() if word != "-"] == plain(text_of(told, 1))
        assert len(fake.calls.of("sendMessage", chat=42)) == 1


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_the_program_runs_and_ends_when_it_is_deaf(
    fake: FakeTelegram, ada: User, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "TELEGRAM_BOT_TOKEN": f" {fake.token} , ",
        "TELEGRAM_API_URL": fake.url,
        "DUIHUA_OWNERS": "telegram/42",
        "TELEGRAM_STREAM": "final",
        "DUIHUA_SKILLS": "calculator",
    }.items():
        monkeypatch.setenv(name, value)
    ada.say("12*3等于多少?")
    running = asyncio.create_task(asyncio.to_thread(cli.main, ["telegram", "--health-port", "0"]))
    await fake.until(lambda: fake.bot.confirmed and fake.chat(42).answers and fake.bot.waiting)
    told = capsys.readouterr().err
    assert "@duihua_bot is ready" in told
    assert not fake.calls.counts["sendMessageDraft"]
    health = next(word for line in told.splitlines() for word in line.split() if word.endswith("/healthz"))
    async with aiohttp.ClientSession() as http, http.get(health) as answer:
        assert answer.status == 200
        assert (await answer.json())["bots"][0]["state"] == "working"
    fake.bot.logged_out = True
    ada.say("wake up")
    assert await running == 1
    assert fake.token not in capsys.readouterr().err


async def test_a_signal_lets_the_program_end_in_order() -> None:
    stop = asyncio.Event()
    telegram_commands._on_signals(stop)
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


async def test_the_log_at_debug_holds_no_token_and_no_words(
    fake: FakeTelegram, ada: User, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    remove = redact.install()
    try:
        await start(["Tyrannosaurus"])
        fake.faults.add("cut", method="getUpdates", times=2)
        ada.say("which dinosaur?")
        fake.inject({"message": {"text": "Triceratops", "message_id": "x"}})
        await fake.until(lambda: fake.chat(42).answers and not fake.bot.updates)
    finally:
        remove()
    assert "aiosqlite" in caplog.text
    for secret in (fake.token.partition(":")[2], "dinosaur", "Tyrannosaurus", "Triceratops"):
        assert secret not in caplog.text
