"""Skills are read again while the engine runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from duihua import ChatEngine, Settings, skill
from duihua.commands import COMMON, CommandTable, Invocation, Show
from duihua.errors import ConfigError
from duihua.events import SkillFinished
from duihua.messages import Address
from duihua.ports import CallDelta
from duihua.testing import ScriptedModel
from duihua_prompts import Catalogue

TABLE = CommandTable(COMMON)
GATE = asyncio.Event()
CODE = """from duihua import Context, skill
from tests.engine.test_reload import GATE
from .inner import SAYS

@skill(effect="read")
async def dice(ctx: Context) -> str:
    '''{about}'''
    ctx.progress("begun")
    await GATE.wait()
    return SAYS
"""

PLAIN = """from duihua import skill

@skill(effect="read")
def {name}() -> str:
    'Does it.'
    return "done"
"""


def write(folder: Path, says: str, about: str = "Throws a die.") -> None:
    package = folder / "dice"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(CODE.format(about=about))
    (package / "inner.py").write_text(f"SAYS = {says!r}\n")


Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        async def build(script: Any = (), names: str = "folder:*", **more: Any) -> ChatEngine:
            settings = Settings.load(
                None, skills=names, skills_dir=str(tmp_path), database_url="sqlite+aiosqlite://", **more
            )
            model = ScriptedModel(script)
            engine = ChatEngine("scripted/any", settings=settings, provider={"scripted": model})
            return await stack.enter_async_context(engine)

        yield build


async def command(
    engine: ChatEngine, line: str, front: str = "terminal", lang: str = "en", *, shared: bool = False
) -> str:
    found = TABLE.parse(line)
    assert isinstance(found, Invocation)
    answer = await TABLE.run(
        found, engine.session(Address(front, "a", shared=shared)), engine, Catalogue(lang)
    )
    assert isinstance(answer, Show)
    return answer.text


def call(name: str) -> CallDelta:
    return CallDelta(0, "", name, "{}")


async def test_a_running_turn_keeps_the_old_code_and_the_next_has_the_new(make: Make, tmp_path: Path) -> None:
    write(tmp_path, "old")
    engine = await make([call("dice"), call("dice"), "one", call("dice"), "two"])
    GATE.clear()
    results: list[str] = []
    async for event in engine.session("a").say("go"):
        if event.kind == "skill_progress" and not GATE.is_set():
            write(tmp_path, "new", "Throws another die.")
            assert (await engine.reload_skills()).faults == ()
            GATE.set()
        if isinstance(event, SkillFinished):
            results.append(event.result)
    assert results == ["old", "old"]
    reply = await engine.ask("a", "again")
    assert [made.result for made in reply.calls] == ["new"]
    model: Any = engine.platform("scripted")
    assert [request.tools[0].description for request in model.requests] == [
        *["Throws a die."] * 3,
        *["Throws another die."] * 2,
    ]


async def test_what_is_gone_or_broken_is_told_and_no_longer_offered(make: Make, tmp_path: Path) -> None:
    write(tmp_path, "four")
    (tmp_path / "coin.py").write_text(PLAIN.format(name="coin"))
    engine = await make(names="dice,coin,clock")
    assert engine.registry.names == ("dice", "coin", "clock")
    (tmp_path / "dice/__init__.py").write_text("raise SystemExit\n")
    (tmp_path / "coin.py").rename(tmp_path / "card.py")
    told = await command(engine, "/skills reload")
    assert engine.registry.names == ("clock",)
    assert "Not loaded: dice" in told
    assert "Not loaded: coin" in told
    assert "DUIHUA_SKILLS" in told.splitlines()[-1]
    assert "card" in told.splitlines()[-1]


async def test_before_others_a_reload_tells_numbers_alone(make: Make, tmp_path: Path) -> None:
    engine = await make(names="folder:*,clock")
    write(tmp_path, "four")
    (tmp_path / "dice/__init__.py").write_text("raise ValueError('s3cret')\n")
    told = await command(engine, "/skills reload", shared=True)
    assert told.splitlines()[0].startswith("Skills read again: 1.")
    assert told.splitlines()[1].startswith("Not loaded: 1.")
    (tmp_path / "clock.py").write_text(PLAIN.format(name="clock"))
    told += await command(engine, "/skills reload", shared=True)
    assert "not read again" in told
    assert not [word for word in ("dice", "s3cret", "clock", "ValueError", str(tmp_path)) if word in told]


async def test_a_reload_that_is_refused_leaves_everything(make: Make, tmp_path: Path) -> None:
    (tmp_path / "coin.py").write_text(PLAIN.format(name="coin"))
    engine = await make(names="folder:*,clock")
    (tmp_path / "clock.py").write_text(PLAIN.format(name="clock"))
    with pytest.raises(ConfigError, match=r"clock\.py"):
        await command(engine, "/skills reload")
    assert engine.registry.names == ("coin", "clock")


async def test_private_conversations_get_the_new_code_too(make: Make, tmp_path: Path) -> None:
    (tmp_path / "coin.py").write_text(PLAIN.format(name="coin"))
    engine = await make()
    aside = await engine.aside()
    (tmp_path / "card.py").write_text(PLAIN.format(name="card"))
    await engine.reload_skills()
    assert aside.registry.names == ("card", "coin")


async def test_skills_given_in_code_stay(make: Make) -> None:
    @skill
    def mine() -> None:
        """Does it."""

    settings = Settings.load(None, database_url="sqlite+aiosqlite://")
    async with ChatEngine(
        "scripted/any", skills=[mine], settings=settings, provider={"scripted": ScriptedModel([])}
    ) as engine:
        assert "mine" in await command(engine, "/skills reload")
        assert engine.registry.names == ("mine",)


@pytest.mark.parametrize(
    ("lang", "word"),
    [("zh", "（只读取）：查看日期、星期和时间"), ("en", "(reads): tells the date, weekday and time")],
)
async def test_the_skills_are_listed(make: Make, lang: str, word: str) -> None:
    engine = await make(names="clock")
    told = await command(engine, "/skills", lang=lang)
    assert "clock" in told
    assert word in told
    assert "duihua_skills" not in told  # where it comes from is nobody's business here


async def test_a_skill_named_like_a_bundled_one_speaks_for_itself(make: Make, tmp_path: Path) -> None:
    (tmp_path / "weather.py").write_text(PLAIN.format(name="weather"))
    engine = await make(names="folder:weather")
    assert "Does it." in await command(engine, "/skills", lang="zh")


async def test_strangers_cannot_have_code_read_again(make: Make, tmp_path: Path) -> None:
    engine = await make(names="folder:*,clock")
    (tmp_path / "coin.py").write_text(PLAIN.format(name="coin"))
    assert "administrators" in await command(engine, "/skills reload", front="telegram")
    assert engine.registry.names == ("clock",)
