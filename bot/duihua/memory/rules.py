"""What a clause says, by the rules of both languages."""

from __future__ import annotations

import re
from functools import lru_cache

from duihua.memory import chinese, english
from duihua.memory.clauses import HIDDEN
from duihua.memory.statements import TAIL, Statement

_RULES = tuple(
    (re.compile(pattern + TAIL, re.IGNORECASE), make) for pattern, make in (*chinese.RULES, *english.RULES)
)
_LOOSE = re.compile(r"[“”「」『』\"]|(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])")
_LONGEST = 200


@lru_cache(maxsize=4_096)
def stated(plain: str) -> Statement | None:
    """What a clause (`Clause.plain`) says of whoever says it, None if nothing that lasts."""
    if len(plain) > _LONGEST or HIDDEN in plain:
        return None
    plain = _LOOSE.sub("", plain)
    for pattern, make in _RULES:
        if (found := pattern.match(plain)) and (said := make(found)):
            return said
    return None


THE_USER = re.compile(r"(?:该?用户|使用者|the user|user)(?P<of>'s|的)?\s*", re.IGNORECASE)
"""How a model names the person at a fact's beginning."""


def as_said(text: str) -> str:
    """A text about "the user" as they would say it."""
    found = THE_USER.match(text)
    if not found:
        return text
    rest = text[found.end() :]
    if found[0].strip()[-1:].isascii() and found[0].strip() != "":
        return f"my {rest}" if found["of"] else f"I {rest}"
    return f"我的{rest}" if found["of"] else f"我{rest}"
