from __future__ import annotations

import httpx
import pytest
from pydantic import BaseModel

from duihua.messages import Author
from duihua.skills import AskUser, Context, skill
from duihua.testing import SkillHarness


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


@pytest.mark.parametrize("limit", [100, 200])
async def test_the_limit_of_results_can_be_set(limit: int) -> None:
    @skill
    def long() -> str:
        """Says much."""
        return "x" * 1_000

    assert len((await SkillHarness(long, limit=limit).call()).result) == limit
