"""Of many skills a request offers the few that fit; the others can be called all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from duihua import ChatEngine, Settings, skill
from duihua.ports import Limits, Skill
from duihua.testing import ScriptedModel
from duihua.testing.scripted import STRICT
from tests.engine.conftest import Make, collect
from tests.engine.test_fallback import failing
from tests.engine.test_fallback import model as scripted
from tests.engine.test_skills import call

WIDE = replace(STRICT, soft=Limits(None, 32_000), hard=Limits(None, 32_000))


def drawer(number: int) -> Skill:
    @skill(name=f"drawer_{number}", effect="read")
    def drawer() -> str:
        """What lies in this drawer."""
        return f"socks {number}"

    return drawer


@skill(effect="read")
def weather(city: str) -> str:
    """Weather forecast for a city."""
    return f"sunny in {city}"


@skill(effect="write", confirm=True)
def pay(amount: int) -> str:
    """Transfers money."""
    return f"paid {amount}"


MANY = [*map(drawer, range(60)), weather, pay]


def offered(model: ScriptedModel) -> list[list[str]]:
    return [[tool.name for tool in request.tools] for request in model.requests]


async def test_the_one_that_fits_is_offered_in_every_step_and_the_preview_shows_it(make: Make) -> None:
    engine, model = await make(
        [call("weather", '{"city": "Beijing"}'), "Sunny.", "Yes."], skills=MANY, dialect=WIDE
    )
    session = engine.session("a")
    view = await session.context("明天北京天气怎么样？")
    await session.ask("明天北京天气怎么样？")
    await session.ask("Really?")
    first, *others = offered(model)
    assert "weather" in first
    assert len(first) == 10
    assert others == [first, first]
    assert list(view.skills) == first
    assert list((await session.context("Really?")).skills) == first


async def test_a_skill_that_is_not_offered_still_runs(make: Make) -> None:
    engine, model = await make([call("drawer_59"), "Socks."], skills=MANY, dialect=WIDE)
    reply = await engine.ask("a", "明天北京天气怎么样？")
    assert "drawer_59" not in offered(model)[0]
    assert [(c.state, c.result) for c in reply.calls] == [("done", "socks 59")]


async def test_consent_changes_nothing_of_what_is_offered(make: Make) -> None:
    engine, model = await make([call("pay", '{"amount": 5}'), "Paid."], skills=MANY, dialect=WIDE)
    session = engine.session("a")
    reply = await session.ask("给妈妈转账 5 元")
    await collect(session.events(await session.decide(reply.calls[0].id, True)))
    first, second = offered(model)
    assert "pay" in first
    assert first == second


async def test_the_next_model_is_offered_what_fits_its_window() -> None:
    small = replace(STRICT, soft=Limits(None, 1_200), hard=Limits(None, 1_200))
    one, two = scripted("one", [failing()], WIDE), scripted("two", ["Sunny."], small)
    settings = Settings.load(env_file=None, database_url="sqlite+aiosqlite://", memory_model="none")
    providers: dict[str, Any] = {"one": one, "two": two}
    async with ChatEngine("one/any,two/any", skills=MANY, settings=settings, provider=providers) as engine:
        await engine.ask("a", "明天北京天气怎么样？")
    assert len(offered(one)[0]) == 10
    assert "weather" in offered(two)[0]
    assert len(offered(two)[0]) < 10


async def test_in_a_small_window_the_one_that_fits_comes_first(make: Make) -> None:
    small = replace(STRICT, soft=Limits(None, 600), hard=Limits(None, 600))
    engine, model = await make(["Sunny."], skills=[*MANY[:10], weather], dialect=small)
    await engine.ask("a", "weather in Beijing?")
    assert "weather" in offered(model)[0]
    assert len(offered(model)[0]) < 11


async def test_a_setting_lets_all_be_offered(make: Make) -> None:
    engine, model = await make(["Hi."], skills=MANY, dialect=WIDE, skills_threshold=100)
    await engine.ask("a", "hello")
    assert len(offered(model)[0]) == len(MANY)


async def test_a_long_result_can_be_read_on_beside_the_chosen(make: Make) -> None:
    @skill(effect="read")
    def novel() -> str:
        """A whole novel."""
        return "Call me Ishmael. " * 20_000

    engine, model = await make([call("novel"), "It is long.", "Yes."], skills=[*MANY, novel], dialect=WIDE)
    session = engine.session("a")
    await session.ask("Read me the novel")
    await session.ask("Go on")
    first, second, third = offered(model)
    assert "read_more" not in first
    assert second == third == [*first, "read_more"]
