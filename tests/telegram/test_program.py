"""`duihua telegram` as a user runs it: its one-line errors, its end, and what a kill leaves behind."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from duihua import cli, redact, telegram_commands
from duihua.lanes import machine
from duihua.simulator.telegram import FakeTelegram, User
from duihua_prompts import Catalogue

WORDS = Catalogue("en")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


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
