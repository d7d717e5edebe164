"""`duihua init` as a user runs it, against the simulator and the fake Bot API."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from duihua import cli, init_commands
from duihua.access import Access
from duihua.config import Settings
from duihua.program import store_alone
from duihua.simulator import Simulator
from duihua.simulator.telegram import FakeTelegram
from duihua_prompts import Catalogue

WORDS = Catalogue("en")
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


class Place:
    """A folder, both simulated services, and the simulator's keys, which no setting holds yet."""

    def __init__(self, fake: FakeTelegram, keys: dict[str, str], folder: Path) -> None:
        self.fake, self.keys, self.file = fake, keys, folder / ".env"

    async def init(self, *arguments: str) -> int:
        return await asyncio.to_thread(cli.main, ["init", *arguments])


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: Patch) -> AsyncIterator[Place]:
    async with Simulator() as simulator, FakeTelegram(seed=1) as fake:
        settings = simulator.settings()
        keys = {name: value for name, value in settings.items() if re.search("KEY|BEARER", name)}
        for name, value in {**settings, "TELEGRAM_API_URL": fake.url, "DUIHUA_LANG": "en"}.items():
            if name not in keys:
                monkeypatch.setenv(name, value)
        for name in (*keys, "TELEGRAM_BOT_TOKEN", "DUIHUA_MODEL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(tmp_path)
        yield Place(fake, keys, tmp_path)


async def test_without_a_terminal(place: Place, capsys: Capture) -> None:
    place.file.write_text("# mine\nexport TELEGRAM_BOT_TOKEN=old\nDUIHUA_MEMORY=off")
    place.file.chmod(0o644)
    key, token = place.keys["ZHIPU_API_KEY"], place.fake.token
    given = ("--yes", "--provider", "zhipu", "--platform-key", key, "--bot-token", token)
    assert await place.init(*given) == 0
    told = capsys.readouterr()
    assert (place.file.stat().st_mode & 0o777, told.err) == (0o600, "")
    assert place.file.read_text().splitlines() == [
        "# mine",
        f"TELEGRAM_BOT_TOKEN={token}",
        "DUIHUA_MEMORY=off",
        f"ZHIPU_API_KEY={key}",
        "DUIHUA_MODEL=zhipu/glm-4.7",
    ]
    assert "@duihua_bot" in told.out
    assert key not in told.out
    assert token not in told.out
    found = re.search(r"pairing code: (\S+)\. ", told.out)
    assert found
    settings = Settings.load()
    async with store_alone(settings) as store:
        verdict = await Access(store, settings).admit("telegram", "42", said=found[1])
    assert verdict.role == "owner"
    assert await place.init("--yes") == 0  # all is there now, the owner too
    assert "pairing code" not in capsys.readouterr().out


async def test_at_a_terminal_what_is_secret_is_asked_for_without_an_echo(
    place: Place, capsys: Capture, monkeypatch: Patch
) -> None:
    secrets = {**place.keys, "TELEGRAM_BOT_TOKEN": place.fake.token}
    asked: list[str] = []

    def hidden(prompt: str) -> str:
        asked.append(prompt.split()[0])
        return secrets[asked[-1]]

    monkeypatch.setattr(init_commands, "getpass", hidden)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    assert await place.init() == 0
    assert asked == ["QIANFAN_API_KEY", "QIANFAN_SECRET_KEY", "TELEGRAM_BOT_TOKEN"]
    assert {line.partition("=")[0] for line in place.file.read_text().splitlines()} == set(asked)


async def test_at_a_terminal_what_is_wrong_is_said_and_asked_for_again(
    place: Place, capsys: Capture, monkeypatch: Patch
) -> None:
    platforms = iter(["nowhere", "zhipu"])

    def shown(prompt: str) -> str:
        return next(platforms)

    def hidden(prompt: str) -> str:
        return next(secrets)

    secrets = iter(["wrong.key", place.keys["ZHIPU_API_KEY"], "nonsense", "1:Awrong", place.fake.token])
    monkeypatch.setattr(init_commands, "getpass", hidden)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", shown)
    assert await place.init() == 0
    told = capsys.readouterr()
    wrong = told.err.splitlines()
    assert len(wrong) == 4
    for line, name in zip(wrong, ("nowhere", "zhipu", *["TELEGRAM_BOT_TOKEN"] * 2), strict=True):
        assert name in line
    assert "wrong.key" not in told.err
    assert place.fake.token in place.file.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        ((), 2, "--yes"),
        (("--yes", "--provider", "nowhere"), 2, "nowhere"),
        (("--yes", "--provider", "qianfan", "--platform-key", "one"), 2, "QIANFAN_SECRET_KEY"),
        (("--yes", "--provider", "zhipu", "--platform-key", "wrong.key"), 1, "zhipu"),
        (("--yes", "--provider", "zhipu"), 1, "ZHIPU_API_KEY"),
        (("--yes", "--provider", "zhipu", "--platform-key", "GOOD"), 2, "TELEGRAM_BOT_TOKEN"),
        (
            ("--yes", "--provider", "zhipu", "--platform-key", "GOOD", "--bot-token", "1:Awrong"),
            2,
            "TELEGRAM_BOT_TOKEN",
        ),
    ],
)
async def test_what_is_wrong_is_one_line_and_nothing_is_written(
    place: Place, capsys: Capture, monkeypatch: Patch, arguments: tuple[str, ...], code: int, names: str
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    good = place.keys["ZHIPU_API_KEY"]
    assert await place.init(*(good if part == "GOOD" else part for part in arguments)) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert names in line
    assert not any(secret in line for secret in (good, "Awrong", "wrong.key"))
    assert os.listdir(place.file.parent) == []
