from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel

from duihua.errors import TurnError
from duihua.messages import Author
from duihua.ports import CallDelta
from duihua.skills import AskUser, Context, skill
from duihua.testing import Clock, ScriptedModel, ScriptError, SkillHarness, scripted_engine


class Seat(BaseModel):
    row: int


@skill(effect="read")
async def tell(ctx: Context, seat: Seat | None = None) -> list[object]:
    """Tells."""
    ctx.progress("telling")
    return [ctx.user.name, ctx.locale, ctx.settings.get("key"), seat and seat.row]


async def test_it_runs_a_skill_as_the_engine_would() -> None:
    harness = SkillHarness(tell, settings={"key": "k"}, user=Author(2, "小明"), locale="en")
    call = await harness.call(seat=Seat(row=3))
    assert (call.state, call.result, call.effect) == ("done", '["小明","en","k",3]', "read")
    assert harness.progress == ["telling"]


async def test_the_text_of_a_model_is_taken_as_it_is() -> None:
    assert (await SkillHarness(tell).call_json('{"seat": {"row": "4"}}')).result == '["tester","zh",null,4]'
    assert (await SkillHarness(tell).call_json("{nonsense")).state == "failed"


async def test_every_call_has_an_id_of_its_own() -> None:
    harness = SkillHarness(tell)
    assert (await harness.call()).id != (await harness.call()).id


async def test_it_keeps_the_error_that_the_model_does_not_see() -> None:
    @skill
    def broken() -> None:
        """Breaks."""
        raise LookupError("inside")

    harness = SkillHarness(broken)
    assert "inside" not in (await harness.call()).result.replace("failed inside", "")
    assert [str(error) for error in harness.errors] == ["inside"]


@skill(confirm=True)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


@skill
def ask(ctx: Context) -> str:
    """Asks."""
    if not ctx.approved:
        raise AskUser("Really?")
    return "done"


async def test_a_call_that_needs_consent_is_held() -> None:
    assert (await SkillHarness(pay).call(amount=5)).state == "held"
    held = await SkillHarness(ask).call()
    assert (held.state, held.result) == ("held", "Really?")


async def test_with_consent_it_runs() -> None:
    assert (await SkillHarness(pay, approved=True).call(amount=5)).result == "paid 5"
    assert (await SkillHarness(ask, approved=True).call()).result == "done"


@skill
async def client(ctx: Context) -> bool:
    """Looks at the client."""
    clients.append(ctx.http)
    return ctx.http is not None and not ctx.http.is_closed


clients: list[httpx.AsyncClient | None] = []


async def test_a_client_of_one_s_own_is_used_and_left_open() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        await SkillHarness(client, http=http).call()
        assert clients.pop() is http
        assert not http.is_closed


async def test_without_one_there_is_a_client_for_the_call() -> None:
    assert (await SkillHarness(client).call()).result == "true"
    made = clients.pop()
    assert made is not None
    assert made.is_closed


class Where(BaseModel):
    """Where the service is."""

    url: str = "http://127.0.0.1:9"


@skill(settings=Where, hosts=("127.0.0.1",))
async def reach(ctx: Context, host: str = "") -> str:
    """Reads a page."""
    assert ctx.http is not None
    address = httpx.URL(ctx.settings.url)
    return (await ctx.http.get(address.copy_with(host=host) if host else address)).text


async def test_the_client_is_the_guarded_one() -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with TestServer(app) as server:
        url, local = str(server.make_url("/")), ["127.0.0.0/8"]
        allowed = [SkillHarness(reach, settings={"url": url}), SkillHarness(reach, settings=Where(url=url))]
        for harness in (*allowed, SkillHarness(reach, networks=local)):
            refused = await harness.call(host="localhost")
            assert (refused.state, "not declared" in refused.result) == ("failed", True)
        for harness in allowed:
            assert (await harness.call()).result == "hello"
        reply = await allowed[0].turn("Read it.", allowed[0].asks(), "Read.")
        assert reply.calls[0].result == "hello"
        open_ = replace(reach, settings=None, run=partial(_at, url))
        assert "no public address" in (await SkillHarness(open_).call()).result
        assert (await SkillHarness(open_, networks=local).call()).result == "hello"


async def _at(url: str, arguments: Any, ctx: Any) -> str:
    return (await ctx.http.get(url)).text


@pytest.mark.parametrize("limit", [100, 200])
async def test_the_limit_of_results_can_be_set(limit: int) -> None:
    @skill
    def long() -> str:
        """Says much."""
        return "x" * 1_000

    assert len((await SkillHarness(long, limit=limit).call()).result) == limit


async def test_a_whole_turn_goes_through_a_real_engine() -> None:
    harness = SkillHarness(tell, settings={"key": "k"}, user=Author(2, "小明"), locale="en")
    reply = await harness.turn("Tell me.", harness.asks(seat={"row": 3}), "Told.")
    assert [c.result for c in reply.calls] == ['["小明","en","k",3]']
    assert (reply.text, reply.finish) == ("Told.", "stop")
    assert harness.progress == ["telling"]


async def test_calls_of_one_answer_are_all_made() -> None:
    harness = SkillHarness(tell)
    reply = await harness.turn("说", [harness.asks(seat={"row": 1}), harness.asks(seat={"row": 2})], "好")
    assert [c.result[-3:] for c in reply.calls] == [",1]", ",2]"]


async def test_a_turn_with_consent_runs_the_held_call() -> None:
    asked = SkillHarness(ask)
    reply = await asked.turn("do it", asked.asks())
    assert (reply.finish, [(c.state, c.result) for c in reply.calls]) == ("approval", [("held", "Really?")])
    paid = SkillHarness(pay, approved=True)
    reply = await paid.turn("pay", paid.asks(amount=5), "Paid.")
    assert (reply.text, [c.result for c in reply.calls]) == ("Paid.", ["paid 5"])


async def test_a_script_that_is_too_long_or_too_short_fails() -> None:
    harness = SkillHarness(pay)
    with pytest.raises(ScriptError, match="2 entries, but 1 requests came; left: 'never said'"):
        await harness.turn("hi", "hello", "never said")
    harness = SkillHarness(tell)
    with pytest.raises(ScriptError, match="1 entries, but request 2 came"):
        await harness.turn("hi", harness.asks())


async def test_more_requests_than_entries_are_told_when_the_engine_closes() -> None:
    engine = await scripted_engine([]).__aenter__()
    with pytest.raises(TurnError):
        await engine.ask("a", "hi")
    with pytest.raises(ScriptError, match="0 entries, but request 1 came"):
        await engine.aclose()


async def test_an_error_of_the_test_itself_is_not_hidden_by_what_is_left_of_a_script() -> None:
    with pytest.raises(ZeroDivisionError):
        async with scripted_engine(["left"]):
            raise ZeroDivisionError


@skill(effect="read")
def hour(ctx: Context) -> float:
    """Tells the time."""
    assert ctx.clock
    return ctx.clock()


async def test_a_clock_that_travels_is_what_a_skill_sees() -> None:
    clock = Clock(datetime(2030, 1, 1, tzinfo=UTC))
    harness = SkillHarness(hour, clock=clock)
    before = float((await harness.call()).result)
    clock.travel(days=1, hours=-1)
    reply = await harness.turn("几点", harness.asks(), "好")
    assert float(reply.calls[0].result) - before == 23 * 3600
    assert clock.now == datetime(2030, 1, 1, 23, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock(datetime(2030, 1, 1))  # noqa: DTZ001


async def test_a_consent_that_comes_too_late_by_the_clock_has_expired() -> None:
    clock = Clock()
    model = ScriptedModel([CallDelta(0, "", "pay", '{"amount": 5}'), "too late"])
    async with scripted_engine(model, skills=[pay], clock=clock) as engine:
        session = engine.session("a")
        assert (await session.ask("pay")).finish == "approval"
        (held,) = await session.held()
        clock.travel(seconds=engine.settings.approval_timeout + 1)
        assert await session.held() == []
        async for _ in session.events(await session.decide(held.call.id, True)):
            pass
        calls = (await session.history())[0].steps[0].calls
    assert [(c.state, c.result) for c in calls] == [("refused", "expired")]
