"""Entities that Telegram finds by itself in what a user writes."""

from __future__ import annotations

import re
from typing import Any

from duihua.simulator.telegram.entities import units

_FOUND = re.compile(
    r"(?P<url>https?://[^\s]+)"
    r"|(?P<email>[\w.+-]+@[\w-]+\.[\w.-]+)"
    r"|(?<![\w/])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?![\w/])"
    r"|(?<!\w)(?P<mention>@[A-Za-z][A-Za-z0-9_]{3,31})"
    r"|(?<!\w)(?P<hashtag>#\w*[^\W\d]\w*)"
)


def detected(text: str) -> list[dict[str, Any]]:
    """Commands, mentions, links, addresses and hashtags."""
    if not any(sign in text for sign in "/@#"):
        return []
    found: list[dict[str, Any]] = []
    for match in _FOUND.finditer(text):
        offset = units(text[: match.start()])
        found.append({"type": match.lastgroup, "offset": offset, "length": units(match.group())})
    return found
