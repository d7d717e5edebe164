"""What is stored about a person (`MemoryStore.export`) as a file: JSON, or Markdown to be read.

The JSON holds everything, word for word. In the Markdown a text from outside stays what it is, a text: it can
neither end its quotation nor bring markup, images or steering characters of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import orjson

from duihua.escapes import clean

if TYPE_CHECKING:
    from duihua_prompts import Catalogue

Data = Mapping[str, Any]
_TAGS = re.compile(r"<(?=[A-Za-z/!?])|(?<=!)\[")
_MARKS = re.compile(r"([\\`*_\[\]<>|#])")
_TICKS = re.compile(r"`{3,}")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is stored about a person."""

    sessions: int
    turns: int
    facts: int
    elsewhere: int
    """Turns in sessions of others."""


def extent(data: Data) -> Extent:
    """Counts what an export holds."""
    sessions = data["sessions"]
    return Extent(
        len(sessions),
        sum(len(session["turns"]) for session in sessions),
        len(data["facts"]) + sum(len(session["facts"]) for session in sessions),
        sum(len(other["turns"]) for other in data["elsewhere"]),
    )


def to_json(data: Data) -> str:
    """The data as JSON with indented lines."""
    try:
        return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"
    except TypeError:  # something that a platform or a user nested too deep for it
        return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def markdown(data: Data, words: Catalogue, zone: tzinfo | None = None) -> str:
    """The data as Markdown, in the catalogue's language; times are those of `zone` (None: UTC)."""
    page = _Page(words, zone or UTC)
    page.person(data)
    page.facts("export.facts", data["facts"])
    for session in data["sessions"]:
        page.session(session)
    for other in data["elsewhere"]:
        page.line("##", words.t("export.elsewhere", session=other["session"]))
        page.turns(other["turns"])
        page.waiting(other["inputs"])
    page.rest(data)
    return "\n".join(page.lines) + "\n"


def inline(text: str) -> str:
    """A text from outside as part of a line of Markdown."""
    return _MARKS.sub(r"\\\1", " ".join(clean(text).split()))


@dataclass(slots=True)
class _Page:
    """Lines of Markdown in the making."""

    words: Catalogue
    zone: tzinfo
    lines: list[str] = field(default_factory=list[str])

    # ------------------------------------------------------------ lines

    def line(self, *pieces: str) -> None:
        """A paragraph or a heading."""
        self.lines += [" ".join(piece for piece in pieces if piece), ""]

    def items(self, items: Sequence[str]) -> None:
        """A list."""
        self.lines += [*(f"- {item}" for item in items), *([""] if items else [])]

    def quote(self, text: str) -> None:
        """A text from outside, line by line."""
        safe = _TAGS.sub(lambda found: "\\" + found[0], clean(text))
        self.lines += [*(f"> {line}".rstrip() for line in safe.split("\n")), ""]

    def block(self, text: str) -> None:
        """A text from outside as it is, between fences that it cannot close."""
        safe = clean(text)
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in _TICKS.findall(safe))])
        self.lines += [f"{fence}text", safe, fence, ""]

    def time(self, stored: str | None) -> str:
        """A stored time for readers; empty for none."""
        if stored is None:
            return ""
        try:
            return f"{datetime.fromisoformat(stored).astimezone(self.zone):%Y-%m-%d %H:%M}"
        except OverflowError:  # the last day of the calendar
            return stored

    def date(self, stored: str | None) -> str:
        """The day of a stored time."""
        return self.time(stored)[:10]

    # ------------------------------------------------------------ parts of the page

    def person(self, data: Data) -> None:
        """The heading, and how much there is."""
        t, person, much = self.words.t, data["person"], extent(data)
        names = [identity["name"] for identity in person["identities"] if identity["name"]]
        known = [f"{inline(i['front'])}/{inline(i['external'])}" for i in person["identities"]]
        zone = datetime.fromisoformat(data["exported"]).astimezone(self.zone)
        self.line("#", t("export.title", name=inline(names[0]) if names else ", ".join(known)))
        self.items(
            [
                t("export.identities", names=", ".join(known)),
                t("export.exported", time=f"{zone:%Y-%m-%d %H:%M} (UTC{zone:%z})"),
                t("export.memory_off" if person["memory"] == "off" else "export.memory_on"),
                t("export.extent", sessions=much.sessions, turns=much.turns, facts=much.facts),
            ]
        )

    def facts(self, heading: str, facts: Sequence[Data]) -> None:
        """What is known, with dates and sources; what was replaced stands behind it."""
        if not facts:
            return
        self.line("##", self.words.t(heading))
        self.items([self._fact(fact) for fact in sorted(facts, key=lambda f: bool(f["superseded_by"]))])

    def _fact(self, fact: Data) -> str:
        t = self.words.t
        kind = f"memory.kind.{fact['kind']}"
        about = [f"#{fact['id']}", t(kind) if kind in self.words else inline(fact["kind"])]
        about += [
            t("export.seen", first=self.date(fact["first_seen"]), last=self.date(fact["last_seen"])),
            t("export.confidence", percent=round(100 * fact["confidence"])),
        ]
        if fact["expires"]:
            about.append(t("export.expires", date=self.date(fact["expires"])))
        if fact["superseded_by"]:
            about.append(t("export.superseded", number=fact["superseded_by"]))
        places = ", ".join(f"{one['session']}.{one['turn']}" for one in fact["sources"] if one["turn"])
        about.append(t("export.sources", places=places) if places else t("export.no_source"))
        return f"**{inline(fact['text'])}** ({'; '.join(about)})"

    def session(self, session: Data) -> None:
        """A conversation with all that belongs to it."""
        t = self.words.t
        title = inline(session["title"]) or inline(session["key"])
        self.line(
            "##", t("export.session", number=session["id"], date=self.date(session["created"]), title=title)
        )
        about = [t("export.key", key=inline(session["key"]))]
        if session["settings"]:
            about.append(t("export.settings", settings=inline(_flat(session["settings"]))))
        self.items(about)
        self.turns(session["turns"])
        self.waiting(session["inputs"])
        self._texts("export.outbox", [s["body"] for s in session["outbox"] if s["body"] is not None])
        if session["notes"]:
            self.line("###", t("export.notes"))
            self.items([self._note(note) for note in session["notes"]])
        self.facts("export.shared_facts", session["facts"])

    def _note(self, note: Data) -> str:
        span = f"{note['first']}-{note['upto']}"
        return self.words.t(
            f"export.{note['kind']}", turns=span, date=self.date(note["at"]), text=inline(note["text"])
        )

    def turns(self, turns: Sequence[Data]) -> None:
        """Who said what, with calls and their results."""
        before = 0
        for turn in turns:
            marks = [self.words.t("export.follows", turn=turn["parent"])] if turn["parent"] != before else []
            if turn["state"] != "done":
                marks.append(self.words.t(f"command.history.{turn['state']}"))
            if turn["off_record"]:
                marks.append(self.words.t("export.off_record"))
            self.line("###", f"{turn['turn']} · {self.time(turn['started'])}", *marks)
            self._said(turn)
            before = turn["turn"]

    def _said(self, turn: Data) -> None:
        if turn["input"]:
            self.line(f"**{inline(turn['author']) or self.words.t('export.user')}**")
            self._parts(turn["input"])
            self.attachments(turn["attachments"])
        for step in turn["steps"]:
            model = f" ({inline(step['model'])})" if step["model"] else ""
            self.line(f"**{self.words.t('export.assistant')}**{model}")
            self._parts(step["parts"])
            for call in step["calls"]:
                self._call(call)
        if turn["partial"] and turn["state"] == "running":
            self.line(f"**{self.words.t('export.assistant')}**")
            self.quote(turn["partial"])
        if turn["error"]:
            self.line(self.words.t("export.error", error=inline(turn["error"])))

    def _parts(self, parts: Sequence[Data]) -> None:
        for part in parts:
            match part:
                case {"t": "text", "text": str(text)}:
                    self.quote(text)
                case {"t": "media"}:
                    pass  # listed with the attachments
                case {"t": "thinking" | "quote" as kind, "text": str(text)}:
                    self.line(f"*{self.words.t(f'export.{kind}')}*")
                    self.quote(text)
                case _:
                    self.block(_flat(part))

    def _call(self, call: Data) -> None:
        name, state = inline(call["name"]), call["state"]
        self.line(self.words.t("export.call", name=name, state=state))
        self.block(call["arguments"])
        if call["result"]:
            self.line(self.words.t("export.result"))
            self.block(call["result"])

    def attachments(self, files: Sequence[Data]) -> None:
        """Names and sizes; the bytes stand in the JSON, if they were asked for."""
        self.items(
            [
                self.words.t(
                    "export.attachment",
                    name=inline(file["name"]) or file["id"],
                    mime=inline(file["mime"]),
                    size=f"{file['size']:,}",
                    digest=file["sha256"],
                )
                for file in files
            ]
        )

    def waiting(self, inputs: Sequence[Data]) -> None:
        """What has no answer yet."""
        waiting = [input for input in inputs if input["parts"]]
        if not waiting:
            return
        self.line("###", self.words.t("export.waiting"))
        for input in waiting:
            self._parts(input["parts"])
            self.attachments(input["attachments"])

    def _texts(self, heading: str, bodies: Sequence[Any]) -> None:
        if bodies:
            self.line("###", self.words.t(heading))
            for body in bodies:
                self.block(body if isinstance(body, str) else _flat(body))

    def rest(self, data: Data) -> None:
        """Reminders, tasks, what is not worked through, and usage."""
        t = self.words.t
        self._rows("export.reminders", data["reminders"], ("due", "rule", "state", "body"))
        self._rows("export.tasks", data["tasks"], ("created", "kind", "model", "state", "result", "error"))
        self._rows("export.arrivals", data["arrivals"], ("at", "source", "state", "body", "error"))
        if data["usage"]:
            self.line("##", t("export.usage"))
            self.items([self._used(row) for row in data["usage"]])

    def _used(self, row: Data) -> str:
        counts = {name: row[name] for name in ("turns", "input", "output")}
        line = self.words.t("command.usage.line", model=inline(row["model"]), **counts)
        return f"{row['day']}: {line}"

    def _rows(self, heading: str, rows: Sequence[Data], names: Sequence[str]) -> None:
        if not rows:
            return
        self.line("##", self.words.t(heading))
        for row in rows:
            values = [self.time(row[n]) if n in ("due", "created", "at") else row[n] for n in names if row[n]]
            self.items([" · ".join(inline(v if isinstance(v, str) else _flat(v)) for v in values)])


def _flat(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
