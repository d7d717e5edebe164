"""What a whole program writes into its log: neither keys nor what was flagged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from duihua import redact
from duihua.simulator import Simulator
from tests.test_chat import program

TEXT = "我叫小明\n北京今天天气怎么样?\n讲讲霸王龙 !flag\n你好 !malformed\n"


@pytest.mark.parametrize("way", ["oauth", "signed"])
async def test_the_log_at_debug_holds_no_key_and_no_words(tmp_path: Path, way: str) -> None:
    async with Simulator() as simulator:
        values = simulator.settings() if way == "oauth" else simulator.signing_settings()
        values |= {"DUIHUA_LOG_LEVEL": "DEBUG", "DUIHUA_TURN_TIMEOUT": "5"}
        arguments = ("-m", "duihua", "chat", "--model", "qianfan/ernie-3.5-8k")
        _, log = await program(tmp_path, values, *arguments, text=TEXT)
        keys = simulator.keys
    assert "DEBUG" in log
    assert "httpx" in log  # the weather was asked for
    secrets = (
        keys.api_key, keys.secret_key, keys.access_key_id, keys.access_key_secret, keys.bearer_token,
    )  # fmt: skip
    assert not [s for s in (*secrets, "access_token=24", "bce-auth-v1/" + keys.access_key_id) if s in log]
    assert not [word for word in ("霸王龙", "小明", "!flag") if word in log]


@pytest.mark.parametrize("name", ["duihua", "duihua_storage", "duihua_skills", "duihua_prompts", "psycopg"])
def test_our_own_loggers_are_cleaned(name: str, caplog: pytest.LogCaptureFixture) -> None:
    remove = redact.install()
    try:
        logging.getLogger(f"{name}.part").warning("at %s", "postgresql://me:hunter2@db/duihua")
    finally:
        remove()
    assert "me:***@db" in caplog.text
    assert "hunter2" not in caplog.text


async def test_without_the_setting_nothing_is_logged(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        _, err = await program(tmp_path, simulator.settings(), "-m", "duihua", "chat", text="你好\n")
    assert err == ""
