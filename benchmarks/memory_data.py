"""The data that `make bench-memory DATA=folder` reads: two files, with a JSON object on each line, in UTF-8.

`conversations.jsonl`, one line for each turn, in the order in which they were said:

    {"user": "ann", "session": "s1", "id": "s1:3", "at": "2023-05-08T13:56:00", "speaker": "Caroline",
     "text": "I went to a support group yesterday.", "reply": "How was it?"}

`user` is whose memory it is: a person, or two who talk with each other. `id` names the line, and no other of
the user's (a list: a turn that was made of several), `at` is ISO 8601 (UTC, unless it says otherwise) or ms
since 1970. `speaker` is who says `text`; `reply` is the assistant's. All but `user`, `id` and `text` may be
left out or null: the session is then the day. Where two people talk, each line is best a turn of its own
without a reply.

`questions.jsonl`, one line for each question:

    {"user": "ann", "question": "When did Caroline go to the support group?", "evidence": ["s1:3"],
     "at": "2023-06-01T09:00:00", "asker": "Melanie"}

`evidence` is what answers it: ids of the user's lines, or names of sessions, any line of which does (a name
that is both means the line). What names neither counts as not found. Questions without evidence are left out.
`at` (when it is asked) is by default a minute after the user's last line. `asker` is who asks, for the case
that adds the name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from duihua.memories import Place

MINUTE = 60_000
YEARS = range(2, 9999)
"""Of a time: with room for the offset of its zone before it and a minute after it."""


class DataError(Exception):
    """The data is not in the form above; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A turn of the data."""

    user: str
    session: str
    ids: tuple[str, ...]
    at: int  # ms UTC
    speaker: str
    text: str
    reply: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the data."""

    user: str
    text: str
    evidence: tuple[str, ...]
    at: int
    asker: str


@dataclass(frozen=True, slots=True)
class Row:
    """An object of a file; a field that is null is as one that was left out."""

    where: str
    fields: Mapping[str, Any]

    def wrong(self, why: str) -> DataError:
        """What to raise about it."""
        return DataError(f"{self.where}: {why}")

    def text(self, field: str, default: str | None = None) -> str:
        """A field that is a string; without a default it must be there."""
        value = self.fields.get(field)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self.wrong(f"{field!r} is missing" if value is None else f"{field!r} is not a string")
        return self._whole(field, value)

    def name(self, field: str, default: str | None = None) -> str:
        """A field that is a string or a whole number."""
        value = self.fields.get(field)
        return self._name(field, value) if value is not None or default is None else default

    def names(self, field: str) -> tuple[str, ...]:
        """A field that is a name or a list of names."""
        value = self.fields.get(field)
        listed = cast("list[object]", value) if isinstance(value, list) else [value]
        return tuple(self._name(field, one) for one in listed)

    def at(self, default: int) -> int:
        """The time, as ms UTC."""
        value = self.fields.get("at")
        if value is None:
            return default
        try:
            if isinstance(value, str):
                when = datetime.fromisoformat(value)
                when = when if when.tzinfo else when.replace(tzinfo=UTC)
                value = when.timestamp() * 1000
            if not isinstance(value, bool) and datetime.fromtimestamp(value / 1000, UTC).year in YEARS:
                return int(value)
        except (TypeError, ValueError, OverflowError, OSError):
            pass  # said below
        raise self.wrong(f"'at' is neither ISO 8601 nor ms since 1970: {shown(self.fields['at'])}")

    def _name(self, field: str, value: object) -> str:
        if value is None:
            raise self.wrong(f"{field!r} is missing")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(f"{field!r} is neither a string nor a whole number: {shown(value)}")
        return self._whole(field, str(value))

    def _whole(self, field: str, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(f"{field!r} has half of a surrogate pair, which is no text") from None
        return value


def shown(value: object) -> str:
    """A value of the data, for a message of one line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read(folder: Path) -> tuple[list[Line], list[Asked]]:
    """The data of a folder.

    Raises:
        DataError: it is not in the form above.
    """
    lines = list(_lines(folder / "conversations.jsonl"))
    last: dict[str, int] = {}
    for line in lines:
        last[line.user] = max(line.at, last.get(line.user, line.at))
    asked = list(_asked(folder / "questions.jsonl", last))
    return lines, asked


def _lines(path: Path) -> Iterator[Line]:
    last: dict[str, int] = {}
    known: dict[tuple[str, str], str] = {}
    for row in rows(path, "turns"):
        user, ids = row.name("user"), row.names("id")
        for one in ids:
            if (user, one) in known:
                raise row.wrong(f"the id {shown(one)} of user {shown(user)} is at {known[user, one]} too")
            known[user, one] = row.where
        at = row.at(last.get(user, 0) + MINUTE)
        last[user] = max(at, last.get(user, at))
        session = row.name("session", f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}")
        yield Line(user, session, ids, at, row.text("speaker", ""), row.text("text"), row.text("reply", ""))


def _asked(path: Path, last: Mapping[str, int]) -> Iterator[Asked]:
    found = False
    for row in rows(path, "questions"):
        if row.fields.get("evidence") in (None, "", []):
            continue
        user = row.name("user")
        if user not in last:
            raise row.wrong(f"user {shown(user)} has no turn in conversations.jsonl")
        evidence, at = row.names("evidence"), row.at(last[user] + MINUTE)
        yield Asked(user, row.text("question"), evidence, at, row.text("asker", ""))
        found = True
    if not found:
        raise DataError(f"{path}: no question has evidence")


def rows(path: Path, what: str) -> Iterator[Row]:
    """The objects of a file with one on each line.

    Raises:
        DataError: the file cannot be read or has no line, or a line is no object.
    """
    found = False
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                where = f"{path}:{number}"
                if text := _decoded(where, line).strip():
                    found = True
                    yield Row(where, _object(where, text))
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}") from None
    if not found:
        raise DataError(f"{path}: the file has no {what}")


def _decoded(where: str, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{where}: not in UTF-8") from None


def _object(where: str, text: str) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise DataError(f"{where}: not JSON: {e}") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: not a JSON object")
    return cast("dict[str, Any]", value)


# ---------------------------------------------------------------- where it went


def places_of(lines: Sequence[Line]) -> Iterable[Place]:
    """Where each line goes: sessions are numbered as they begin, turns as they come."""
    ids: dict[tuple[str, str], int] = {}
    seqs: dict[int, int] = {}
    for line in lines:
        session = ids.setdefault((line.user, line.session), len(ids) + 1)
        seqs[session] = seqs.get(session, 0) + 1
        yield session, seqs[session]


def places(lines: Sequence[Line]) -> Mapping[tuple[str, str], frozenset[Place]]:
    """(user, id or session) -> where its lines went; of a name that is both, the line of that id."""
    ids: dict[tuple[str, str], frozenset[Place]] = {}
    sessions: dict[tuple[str, str], set[Place]] = {}
    for line, place in zip(lines, places_of(lines), strict=True):
        ids |= {(line.user, one): frozenset({place}) for one in line.ids}
        sessions.setdefault((line.user, line.session), set()).add(place)
    return {name: frozenset(those) for name, those in sessions.items()} | ids


def unknown(lines: Sequence[Line], asked: Sequence[Asked]) -> str:
    """A warning of one line about evidence that is not in the data; empty if all of it is."""
    known = places(lines)
    lost = [(one.user, name) for one in asked for name in one.evidence if (one.user, name) not in known]
    if not lost:
        return ""
    all_, (user, name) = sum(len(one.evidence) for one in asked), lost[0]
    return (
        f"{len(lost)} of {all_} names in evidence are of no line or session of their user and count as not "
        f"found; the first is {shown(name)} of user {shown(user)}"
    )
