"""An engine that answers from a script, for tests of front ends.

`python -m tests.fake_engine chat ...` is the whole program on it; OWED and WAITING hold texts between bars.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import orjson

from duihua.errors import NotFound, SessionBusy
from duihua.events import (
    AnyEvent,
    ApprovalRequested,
    HistoryCleared,
    Notice,
    Retracted,
    SkillFinished,
    SkillStarted,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnRestarted,
    TurnSnapshot,
    TurnStarted,
)
from duihua.messages import Address, Call, Cost, Step, Text, Turn, TurnRef, Usage
from duihua.ports import Send, StoredCall
from duihua.skills.loading import Loaded
from duihua_prompts import PersonaLibrary

AUTH = {
    "provider": "qianfan",
    "category": "auth",
    "vendor_code": "110",
    "http_status": 200,
    "request_id": "as-1",
    "message": "Access token invalid",
}


class FakeSession:
    """Speaks the events; what is said chooses which."""

    def __init__(self, engine: FakeEngine, address: Address) -> None:
        self.engine, self.address = engine, address
        self.turns: list[Turn] = []
        self.own: dict[str, Any] = {}
        self.calls: list[StoredCall] = []
        self.options: list[Any] = []
        self.decided: list[tuple[str, bool]] = []
        self.stopped = asyncio.Event()
        self.running = False
        self.began = asyncio.Event()

    async def is_private(self) -> bool:
        return False

    async def say(self, text: str, *, options: Any = None) -> AsyncIterator[AnyEvent]:
        if text == "busy":
            raise SessionBusy(50)
        self.options.append(options)
        await asyncio.sleep(0)  # as long as it takes to accept the input
        seq = len(self.turns) + 1
        where: dict[str, Any] = {"session": self.address.key, "turn": seq}
        self.stopped.clear()
        self.running = True
        self.began.set()
        said = ""
        finish = "stop"
        yield TurnStarted(**where)
        try:
            async for event in self._script(text, where):
                if isinstance(event, TextDelta):
                    said += event.text
                yield event
                if isinstance(event, TurnFailed):
                    return
                finish = {"approval_requested": "approval", "history_cleared": "flagged"}.get(
                    event.kind, finish
                )
                await asyncio.sleep(0)
        finally:
            self.running = False
        if self.stopped.is_set():
            finish = "stopped"
        self.turns.append(
            Turn(TurnRef(1, seq), seq - 1, input=(Text(text),), steps=(Step((Text(said),)),), finish=finish)
        )
        text = "" if finish == "flagged" else said.rpartition("|")[2]
        yield TurnFinished(**where, text=text, finish=finish, model="fake/m", usage=Usage(1, 2))

    async def _script(self, text: str, where: dict[str, Any]) -> AsyncIterator[AnyEvent]:
        match text.split():
            case ["fail"]:
                yield TextDelta(**where, text="half")
                yield TurnFailed(**where, error="provider.auth", values=AUTH)
            case ["flag"]:
                yield TextDelta(**where, text="bad words")
                yield Retracted(**where)
                yield HistoryCleared(**where, policy="clear", side="output", turns=1)
            case ["hold"]:
                self.calls = [
                    StoredCall(TurnRef(1, 1), 0, i, Call(f"1.1.0.{i}", name, '{"to": "x"}', "held"))
                    for i, name in enumerate(("mail", "pay"))
                ]
                yield ApprovalRequested(**where, call="1.1.0.0", name="mail", arguments='{"to": "x\x1b[2J"}')
            case ["skill"]:
                yield SkillStarted(**where, call="1.1.0.0", name="weather")
                yield SkillFinished(**where, call="1.1.0.0", name="weather", state="done", result="{}")
                yield TextDelta(**where, step=1, text="sunny")
            case ["steps"]:
                yield TextDelta(**where, text="let me see")
                yield SkillStarted(**where, call="1.1.0.0", name="weather")
                yield SkillFinished(**where, call="1.1.0.0", name="weather", state="done", result="{}")
                yield TextDelta(**where, step=1, text="|sunny")
            case ["restart"]:
                yield TextDelta(**where, text="old|")
                yield TurnRestarted(**where, attempt=2)
                yield TextDelta(**where, attempt=2, text="new")
            case ["escape"]:
                for piece in ("a\x1b", "[31mb\x1b]0;ti", "tle\x07c [bold]d[/]"):
                    yield TextDelta(**where, text=piece)
            case ["ring"]:  # a reminder falls due meanwhile: it waits for the end of the answer
                self.ringing = asyncio.create_task(
                    self.engine.front.send(notice("call Ann", "2025-03-07T08:00+08:00"), LEDGER)
                )
                yield TextDelta(**where, text="ringing")
            case ["surrogate"]:
                yield TextDelta(**where, text="\ud83d!")
            case ["trimmed"]:
                yield Notice(**where, code="trimmed")
                yield TextDelta(**where, text="ok")
            case ["slow"]:
                number = 0
                while not self.stopped.is_set():
                    yield TextDelta(**where, text=f"{number} ")
                    number += 1
                    await asyncio.wait([asyncio.ensure_future(self.stopped.wait())], timeout=0.02)
            case _:
                for char in f"echo {text}":
                    yield TextDelta(**where, text=char)

    async def events(self, ticket: Any) -> AsyncIterator[AnyEvent]:
        where: dict[str, Any] = {"session": self.address.key, "turn": 90 + ticket.inbox}
        yield TurnStarted(**where)
        yield TurnSnapshot(**where, text="so far, ")
        yield TextDelta(**where, text="done")
        yield TurnFinished(**where, text="so far, done")

    async def waiting(self) -> list[Any]:
        return [SimpleNamespace(inbox=i) for i, _ in enumerate(self.engine.waiting, 1)]

    async def stop(self) -> bool:
        self.stopped.set()
        return self.running

    async def decide(self, call: str, approve: bool) -> Any:
        self.decided.append((call, approve))
        self.calls = [held for held in self.calls if held.call.id != call]
        return SimpleNamespace(inbox=5)

    async def again(self, turn: int = 0, *, key: tuple[str, str] | None = None) -> Any:
        if not self.turns:
            raise NotFound("turn", "retry")
        return SimpleNamespace(inbox=6)

    async def undo(self, *, key: tuple[str, str] | None = None) -> bool:
        return bool(self.turns and self.turns.pop())

    async def new(self) -> None:
        self.turns = []

    async def forget(self) -> int:
        count, self.turns = len(self.turns), []
        return count

    async def history(self, limit: int = 50) -> list[Turn]:
        return self.turns[-limit:]

    async def attended(self) -> bool:
        return False

    async def held(self) -> list[StoredCall]:
        return self.calls

    async def settings(self) -> dict[str, Any]:
        return self.own

    async def configure(self, *, persona: str) -> None:
        self.own["persona"] = persona

    async def usage(self) -> list[tuple[str, int, Usage, Cost | None]]:
        if not self.turns:
            return []
        return [("fake/m", 2, Usage(1200, 34), Cost(1_250_000, "CNY")), ("fake/n", 1, Usage(), None)]


class FakeEngine:
    """Owes the answers `owed` to the front end, and has inputs `waiting` for an answer."""

    def __init__(self, *, owed: tuple[str, ...] = (), waiting: tuple[str, ...] = ()) -> None:
        self.settings, self.loaded = SimpleNamespace(persona="default"), Loaded()
        self.lanes = SimpleNamespace(recovered=set[TurnRef]())
        self.personas = PersonaLibrary()
        self.owed, self.waiting = list(owed), list(waiting)
        self.front: Any = None
        self.clock, self.timezone = time.time, None
        self.sessions: dict[str, FakeSession] = {}

    def attach(self, front: Any) -> None:
        self.front = front

    def session(self, address: Address) -> FakeSession:
        return self.sessions.setdefault(address.key, FakeSession(self, address))

    async def __aenter__(self) -> FakeEngine:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def check(self, address: Address, parts: Any, options: Any) -> None:
        pass

    async def deliver(self) -> None:
        for number, text in enumerate(self.owed, 1):
            await self.front.send(row(number, text), LEDGER)
        self.owed = []


LEDGER: Any = None  # a terminal keeps nothing


def row(turn: int, text: str, chat: str = "default", **body: Any) -> Send:
    data = orjson.dumps({"text": text, **body})
    return Send(turn, TurnRef(1, turn), 0, "message", data, Address("terminal", chat))


def notice(text: str, due: str, chat: str = "default") -> Send:
    data = orjson.dumps({"reminder": 7, "text": text, "due": due, "rule": ""})
    return Send(1, TurnRef(1, -7), 0, "notice", data, Address("terminal", chat))


def main() -> int:
    """`duihua` itself, with this engine in place of the real one."""
    from duihua import cli

    owed, waiting = (tuple(filter(None, os.environ.get(n, "").split("|"))) for n in ("OWED", "WAITING"))

    async def fake(*given: Any) -> FakeEngine:
        return FakeEngine(owed=owed, waiting=waiting)

    cli.make_engine = fake  # type: ignore[assignment]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
