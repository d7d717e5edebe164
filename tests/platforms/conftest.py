from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, Settings
from duihua.simulator import Simulator
from duihua_storage import open_store
from tests.platforms.cases import Case

Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path, sqlite_file: Path) -> AsyncIterator[Start]:
    """`await start(case, settings=..., simulator options=...)` -> (engine, simulator)."""
    shutil.copyfile(sqlite_file, tmp_path / "duihua.db")
    async with AsyncExitStack() as stack:

        async def build(
            case: Case | str, *, settings: dict[str, Any] | None = None, **options: Any
        ) -> tuple[ChatEngine, Simulator]:
            model = case if isinstance(case, str) else case.model
            own = {} if isinstance(case, str) else dict(case.settings)
            simulator = await stack.enter_async_context(Simulator(**options))
            url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
            wanted = Settings.load(None, database_url=url, lang="en", **(settings or {}))
            engine = ChatEngine(
                model,
                settings=wanted.replaced({**simulator.settings(), **own}),
                store=open_store(url, upgrade=True),
            )
            await stack.enter_async_context(engine)
            return engine, simulator

        yield build
