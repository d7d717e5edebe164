"""What a clause says, by the rules of both languages."""

from __future__ import annotations

import re
from functools import lru_cache

from duihua.memory import changes, chinese, endings, english
from duihua.memory.clauses import HIDDEN
from duihua.memory.kept import kept
from duihua.memory.statements import TAIL, Make, Rule, Statement, ended

_Rules = tuple[tuple[re.Pattern[str], Make], ...]


def _compiled(rules: tuple[Rule, ...]) -> _Rules:
    return tuple((re.compile(f"(?:{pattern}){TAIL}", re.IGNORECASE), make) for pattern, make in rules)


_ZH, _EN = _compiled(chinese.RULES), _compiled(english.RULES)
_ENDING_ZH, _ENDING_EN = _compiled(endings.CHINESE), _compiled(endings.ENGLISH)
_LOOSE = re.compile(r"[“”「」『』\"]|(?<=[\u3400-\u9fff])\s+|\s+(?=[\u3400-\u9fff])")
_LONGEST = 200


@kept
@lru_cache(maxsize=4_096)
def stated(plain: str) -> Statement | None:
    """What a clause (`Clause.plain`) says of whoever says it, None if nothing that lasts."""
    if not plain or len(plain) > _LONGEST or HIDDEN in plain:
        return None
    plain = _LOOSE.sub("", plain)
    bare = changes.timeless(plain)
    if endings.may_end(bare) and (said := _by(_ENDING_ZH, _ENDING_EN, bare)):
        return said
    for reading in changes.readings(bare):
        if said := _by(_ZH, _EN, reading.plain):
            if not reading.ended:
                return said
            taste = _by(_ZH, _EN, bare) if said.kind == "preference" else None
            return taste or ended(said, denied=not changes.is_over(plain))  # no more liking is a dislike
    return _by(_ZH, _EN, bare) or (_by(_ZH, _EN, plain) if plain != bare else None)


def _by(zh: _Rules, en: _Rules, plain: str) -> Statement | None:
    """What the first rule says that matches, of the languages in whose script the clause may begin."""
    for rules in (() if plain.isascii() else zh, en if plain[:1].isascii() else ()):
        for pattern, make in rules:
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
