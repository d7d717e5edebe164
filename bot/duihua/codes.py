"""Codes that people type or pass on: eight letters and digits in two groups, none taken for another one."""

from __future__ import annotations

import re
import secrets
from itertools import islice

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without those that look like others."""

_CODE = re.compile(rf"\s*(?:/start(?:@\w+)?\s+)?([{LETTERS}]{{4}})[- ]?([{LETTERS}]{{4}})\s*", re.IGNORECASE)
_SHOWN = re.compile(rf"(?<![A-Z0-9])[{LETTERS}]{{4}}-[{LETTERS}]{{4}}(?![A-Z0-9])", re.IGNORECASE)
MOST, LONGEST = 5, 4_096
"""Codes of a text that are looked at, and characters."""


def new_code() -> str:
    """A fresh one, for example `K7QF-M2PX`: 40 bits that nobody can guess in an hour."""
    code = "".join(secrets.choice(LETTERS) for _ in range(8))
    return f"{code[:4]}-{code[4:]}"


def code_in(text: str) -> str:
    """The code that a message is, also as `/start CODE`; empty: it is something else."""
    found = _CODE.fullmatch(text[:64]) if len(text) <= 64 else None
    return f"{found[1]}-{found[2]}".upper() if found else ""


def codes_in(text: str) -> list[str]:
    """What others may read in a text: the codes in it, with their stroke, or the one that it is."""
    found = [code.upper() for code in islice((it[0] for it in _SHOWN.finditer(text[:LONGEST])), MOST)]
    return found or [code for code in (code_in(text),) if code]
