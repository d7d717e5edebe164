from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from duihua import redact
from duihua.providers import http, qianfan_faults
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken
from tests.providers.conftest import Wire, ask, collect, says

TOKEN = "24.f9ba9c5241b67688bb4adbed8bc91dec.2592000.1485570332.282335-8574074"
SECRETS = (
    TOKEN,
    "my-api-key-123",
    "my-secret-456",
    "bce-v3/ALTAK-abc/0123456789abcdef",
    "123456:AAbb-CC_dd",
    "hunter2",
    "0123456789abcdef0123456789abcdef.AbCdEfGh12345678",
    "eyJhbGciOiJIUzI1NiJ9.eyJhcGlfa2V5IjoiaWQifQ.c2lnbmF0dXJl",
)


@pytest.mark.parametrize(
    "text",
    [
        f"POST https://aip.baidubce.com/chat/x?access_token={TOKEN} HTTP/1.1",
        f"https://h/oauth/2.0/token?grant_type=client_credentials&client_id={SECRETS[1]}&client_secret={SECRETS[2]}",
        f'{{"access_token":"{TOKEN}","expires_in":1}}',
        f"{{'access_token': '{TOKEN}'}}",
        f"Authorization: Bearer {SECRETS[3]}",
        f"[(b'Authorization', b'Bearer {SECRETS[3]}'), (b'Host', b'h')]",
        f"{{'authorization': 'Bearer {SECRETS[3]}'}}",
        f"the key {SECRETS[3]} was refused",
        "Authorization: bce-auth-v1/hunter2/2016-04-28T03:49:33Z/300/host;x-bce-date/6a0f76",
        f"https://api.telegram.org/bot{SECRETS[4]}/getUpdates",
        f"https://api.telegram.org/file/bot{SECRETS[4]}/photos/1.jpg",
        "postgresql+psycopg://me:hunter2@db/duihua",
        "http://me:hunter2@proxy:3128",
        f"no such key: {SECRETS[6]}",
        f"the token {SECRETS[7]} has expired",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    clean = redact.redact(text)
    assert "***" in clean
    assert not [s for s in (*SECRETS, "6a0f76") if s in clean]


@pytest.mark.parametrize(
    "text",
    [
        "北京明天天气?",
        "tokens: 42",
        "the token expired",
        "https://h/chat?page=2",
        "robot 5: hello",
        "0123456789abcdef0123456789abcdef.png",
        '{"total_tokens":13,"max_tokens": 5}',
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert redact.redact(text) == text


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Every record of every logger at DEBUG, with the redactor installed."""
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    remove, handler, root = redact.install(), Keep(), logging.getLogger()
    names = [*redact.LOGGERS, "httpcore.connection", "aiohttp.client"]
    levels = {name: logging.getLogger(name).level for name in ("", *names)}
    for name in ("", *names):
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield kept
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    remove()


def shown(records: list[logging.LogRecord]) -> str:
    formatter = logging.Formatter()
    return "\n".join(f"{formatter.format(r)} {r.args} {r.msg}" for r in records)


async def test_real_requests_log_no_secret(wire: Wire, records: list[logging.LogRecord]) -> None:
    wire.then(says({}))
    url = f"{wire.base}/chat?access_token={TOKEN}"
    async with http.client() as client, httpx.AsyncClient() as stock:
        for each in (client, stock):
            await each.get(url, headers={"Authorization": f"Bearer {SECRETS[3]}"})
    assert "access_token=***" in shown(records)
    assert not [s for s in SECRETS if s in shown(records)]


async def test_a_whole_turn_logs_no_secret(
    wire: Wire, transport: http.Transport, records: list[logging.LogRecord]
) -> None:
    wire.then(
        says({"access_token": TOKEN, "expires_in": 100}),
        says({"id": "as-1", "result": "hi", "is_end": True}),
    )
    keys = SecretStr(SECRETS[1]), SecretStr(SECRETS[2])
    auth = AccessToken(transport, wire.base, *keys, qianfan_faults.V1)
    await collect(Qianfan(transport, auth, base_url=wire.base).stream(ask()))
    assert TOKEN in wire.seen[-1].target
    assert not [s for s in SECRETS if s in shown(records)]


def test_tracebacks_and_children_are_cleaned(records: list[logging.LogRecord]) -> None:
    try:
        raise ValueError(f"GET /x?access_token={TOKEN}")
    except ValueError:
        logging.getLogger("aiogram.dispatcher.late").exception("url %s", f"/bot{SECRETS[4]}/getMe")
    assert "ValueError" in shown(records)
    assert not [s for s in SECRETS if s in shown(records)]


def test_loggers_of_others_are_left_alone(records: list[logging.LogRecord]) -> None:
    logging.getLogger("someone.else").warning("access_token=%s", TOKEN)
    assert records[-1].args == (TOKEN,)


def test_a_malformed_record_is_cleaned_too(records: list[logging.LogRecord]) -> None:
    logging.getLogger("httpx").warning("%d", f"access_token={TOKEN}")
    assert TOKEN not in shown(records)


def test_installing_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)  # an engine installs it for good
    remove = redact.install()
    factory = logging.getLogRecordFactory()
    redact.install()
    assert logging.getLogRecordFactory() is factory
    remove()
    assert logging.getLogRecordFactory() is not factory
