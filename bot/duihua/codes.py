"""Codes that people type or pass on: eight letters and digits in two groups, none taken for another one."""

from __future__ import annotations

import re
import secrets

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without those that look like others."""

_CODE = re.compile(rf"\s*(?:/start(?:@\w+)?\s+)?([{LETTERS}]{{4}})[- ]?([{LETTERS}]{{4}})\s*", re.IGNORECASE)


def new_code() -> str:
    """A fresh one, for example `K7QF-M2PX`: 40 bits that nobody can guess in an hour."""
    code = "".join(secrets.choice(LETTERS) for _ in range(8))
    return f"{code[:4]}-{code[4:]}"


def code_in(text: str) -> str:
    """The code that a message is, also as `/start CODE`; empty: it is something else."""
    found = _CODE.fullmatch(text[:64]) if len(text) <= 64 else None
    return f"{found[1]}-{found[2]}".upper() if found else ""
