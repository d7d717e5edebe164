"""What a model answers when it is asked to summarise: JSON, or nearly so. Read with tolerance and bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from duihua.escapes import one_line
from duihua.memories import FactKind
from duihua.memory.extract import clip
from duihua.memory.notes import DIGEST, NOTE

READ = 32_000
"""Characters of an answer that are read."""
FACTS = 20
"""Facts of one answer at most."""

_KINDS = frozenset(get_args(FactKind))
_TRIES = 50  # opening brackets at which an object may begin
_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=\s*[}\]])', re.DOTALL)
_SUBJECT, _TEXT = 40, 200  # characters


@dataclass(frozen=True, slots=True)
class Summary:
    """A chunk of turns in a model's words.

    `facts` have `kind` (a `FactKind`), `subject`, `text` (not empty) and `turn`, the number of the turn as
    the prompt counts them (0: not told). `digest`: the digest written anew, empty if that was not asked.
    """

    note: str = ""
    facts: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    digest: str = ""


def parse(text: str) -> Summary | None:
    """The summary in an answer, with whatever stands around it; None if there is none."""
    found: Summary | None = None
    for value in _objects(text[:READ]):
        summary = Summary(
            _prose(value.get("note"), NOTE), _facts(value.get("facts")), _prose(value.get("digest"), DIGEST)
        )
        if summary.note or summary.facts or summary.digest:
            found = summary  # the last one: what comes before may be thinking aloud
    return found


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text that do not stand inside of another one."""
    decoder = json.JSONDecoder(strict=False)
    text = _TRAILING.sub(lambda match: match.group(1) or "", text[max(0, text.find("{")) :])
    start = text.find("{")
    for _ in range(_TRIES):
        if start < 0:
            return
        end = start + 1
        try:
            value, end = decoder.raw_decode(text, start)
            if isinstance(value, dict):
                yield cast("dict[str, Any]", value)
        except (ValueError, RecursionError):
            pass
        start = text.find("{", end)


def _prose(value: Any, tokens: int) -> str:
    """Text of any form as lines without control characters, clipped to whole sentences."""
    if isinstance(value, list):
        value = "\n".join(item for item in cast("list[Any]", value) if isinstance(item, str))
    if not isinstance(value, str):
        return ""
    lines = (_plain(line, READ) for line in value.splitlines())
    return clip("\n".join(line for line in lines if line), tokens)


def _facts(value: Any) -> tuple[Mapping[str, Any], ...]:
    out: list[Mapping[str, Any]] = []
    for item in cast("list[Any]", value) if isinstance(value, list) else ():
        if isinstance(item, dict) and (fact := _fact(cast("dict[str, Any]", item))) and fact not in out:
            out.append(fact)
        if len(out) == FACTS:
            break
    return tuple(out)


def _fact(item: dict[str, Any]) -> Mapping[str, Any] | None:
    text = _plain(item.get("text"), _TEXT)
    if not text:
        return None
    kind, turn = item.get("kind"), item.get("turn")
    if isinstance(turn, str) and turn.isascii() and turn.isdigit():
        turn = int(turn[:9])
    return {
        "kind": kind if isinstance(kind, str) and kind in _KINDS else "other",
        "subject": _plain(item.get("subject"), _SUBJECT).lower(),
        "text": text,
        "turn": turn if isinstance(turn, int) and not isinstance(turn, bool) and 0 < turn < 10**9 else 0,
    }


def _plain(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    return one_line(value.encode("utf-8", "replace").decode(), limit)
