"""What people who talk in a shared conversation are called, as the model reads it. Pure."""

from __future__ import annotations

from duihua.escapes import name_of
from duihua.messages import Speaker

NAME = 40
"""Characters of a name that the model reads."""
_MARKS = dict.fromkeys(map(ord, ":：>"), " ")


def speaker(name: str) -> Speaker:
    """Who speaks: people choose their names, so it is one short line without marks."""
    return Speaker(name_of(name.translate(_MARKS), NAME) or "Someone")
