"""An engine over a real database with a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from duihua import ChatEngine, Settings
from duihua.dialect import ChatDialect
from duihua.events import AnyEvent
from duihua.ports import Skill
from duihua.testing import ScriptedModel
from duihua.testing.scripted import STRICT
from duihua_storage import open_store

Make = Callable[..., Any]


@pytest.fixture
async def make(database_url: str) -> AsyncIterator[Make]:
    """`await make(script, skills=..., **settings)` -> (engine, model), over the test's database."""
    async with AsyncExitStack() as stack:

        async def build(
            script: Any = (),
            *,
            skills: Sequence[Skill] = (),
            dialect: ChatDialect = STRICT,
            **settings: Any,
        ) -> tuple[ChatEngine, ScriptedModel]:
            model = ScriptedModel(script, dialect)
            settings.setdefault("memory_model", "none")  # no answer of the script goes into a note
            engine = ChatEngine(
                "scripted/any",
                skills=skills,
                settings=Settings.load(env_file=None, database_url=database_url, lang="en", **settings),
                store=open_store(database_url, upgrade=True),
                provider={"scripted": model},
            )
            await stack.enter_async_context(engine)
            return engine, model

        yield build


async def collect(events: AsyncIterator[AnyEvent]) -> list[AnyEvent]:
    """All events to the end of the turn."""
    return [event async for event in events]


def kinds(events: Sequence[AnyEvent]) -> list[str]:
    """What happened, without repeated deltas."""
    out: list[str] = []
    for event in events:
        if not (out and out[-1] == event.kind == "text_delta"):
            out.append(event.kind)
    return out


def said(events: Sequence[AnyEvent]) -> str:
    """The text of all deltas."""
    return "".join(e.text for e in events if e.kind == "text_delta")  # type: ignore[union-attr]
