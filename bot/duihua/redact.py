"""Takes secrets out of texts: URLs, headers, log records. One place for all of duihua.

Some wires put a secret into the URL (Qianfan's `access_token`, the Bot API's path), so libraries that log
URLs log secrets. `redact` cleans a text, `install` cleans every record of the loggers named in `LOGGERS`
before any handler sees it.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Any

LOGGERS = frozenset(
    {"duihua", "duihua_storage", "duihua_skills", "duihua_prompts", "httpx", "httpcore", "aiohttp", "aiogram"}
    | {"mcp", "httpx2", "httpcore2"}
    | {"sqlalchemy", "alembic", "psycopg", "aiosqlite", "asyncio"}
)
"""Roots of the loggers whose records are cleaned, their children included."""

HIDDEN = "***"

_known: set[str] = set()

_NAMES = (
    r"access_token|refresh_token|client_id|client_secret|session_key|session_secret"
    r"|api[_-]?key|secret[_-]?key|access[_-]?key(?:[_-]?id|[_-]?secret)?|secret|password|token"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # a header's value, as text, in a dict or in a list of pairs
        (r"""\b(authorization)(['"]?\s*[:=,]\s*b?)(['"])[^'"]*\3""", r"\1\2\3***\3"),
        (r"\b(authorization)(\s*[:=]\s*)[^\s'\"][^\r\n'\"]*", r"\1\2***"),
        (r"\b(bearer|basic)\s+[\w.~+/=;-]{6,}", r"\1 ***"),
        # keys and signatures wherever they stand
        (r"bce-(auth-v1|v3)/[^\s'\",&<>]+", r"bce-\1/***"),
        (r"\bsk-[\w-]{8,}", "sk-***"),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+", "eyJ***"),
        (r"\b[0-9a-f]{32}\.\w{16}\b", "***"),
        (r"\bbot\d+(:|%3A)[\w-]+", "bot***"),
        # a query or a form, a JSON member
        (rf"\b({_NAMES})=[^&\s'\"<>;,)]+", r"\1=***"),
        (rf"""(\\?["'])({_NAMES})\1(\s*:\s*)\1[^"'\\]*\1""", r"\1\2\1\3\1***\1"),
        # a password in a URL
        (r"(://[^/\s:@'\"]*):[^/\s'\"]+@", r"\1:***@"),
    )
)
# Every rule needs one of these: a text without them is passed on untouched, which is nearly every text.
_SUSPECT = re.compile(
    rf"authorization|bearer|basic|bce-|sk-|eyJ|[0-9a-f]{{32}}\.|bot\d|://[^/\s]*@|{_NAMES}", re.IGNORECASE
)


def know(secrets: Iterable[str]) -> None:
    """Takes these very texts out, too, from now on: secrets whose form tells nothing."""
    _known.update(secret for secret in secrets if len(secret) >= 6)


def redact(text: str) -> str:
    """`text` with every secret that is known, or can be told by its form, replaced by `***`."""
    for secret in _known:
        text = text.replace(secret, HIDDEN)
    if not _SUSPECT.search(text):
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def where(error: BaseException) -> str:
    """The exception types of the chain with their frames, without any message or value.

    A message may hold what a person wrote, so a log gets this.
    """
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 4:
        parts.append(
            f"{type(link).__qualname__}\n" + "".join(traceback.format_tb(link.__traceback__, limit=-20))
        )
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "caused by ".join(parts).rstrip()


def install() -> Callable[[], None]:
    """Cleans the log records of `LOGGERS` and of their children from now on; a second time changes nothing.

    A filter on a logger does not see the records of its children, so records are cleaned where they are made.

    Returns:
        a function that takes it back.
    """
    inner = logging.getLogRecordFactory()
    if isinstance(inner, _CleanRecords):
        return lambda: None
    logging.setLogRecordFactory(_CleanRecords(inner))

    def remove() -> None:
        logging.setLogRecordFactory(inner)

    return remove


class _CleanRecords:
    """A factory of log records that cleans what `inner` makes."""

    def __init__(self, inner: Callable[..., logging.LogRecord]) -> None:
        self.inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.inner(*args, **kwargs)
        if record.name.partition(".")[0] in LOGGERS:
            _clean(record)
        return record


def _clean(record: logging.LogRecord) -> None:
    try:
        text = record.getMessage()
    except Exception:  # a malformed record: keep its words, without the arguments that do not fit
        text = f"{record.msg} {record.args!r}"
    record.msg, record.args = redact(text), None
    if record.exc_info and not record.exc_text and record.exc_info[0] is not None:
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
