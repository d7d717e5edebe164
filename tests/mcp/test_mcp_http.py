"""Tools of an MCP server over HTTP as skills: listed, called, refused, cut off."""

from __future__ import annotations

import asyncio

import pytest

from duihua.messages import Attachment, Call
from duihua.skills import Context
from duihua.skills.mcp import Server
from duihua.skills.runner import run
from duihua.testing import SkillHarness
from tests.mcp.conftest import Start, listening, remote
from tests.mcp.server import Bench

Http = tuple[Bench, str]


async def test_tools_are_skills_with_schema_effect_consent_and_origin(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1], timeout=7))
    echo, set_, add = (skills.all[name] for name in ("echo", "set", "add"))
    assert echo.spec.schema == {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
    }
    assert (echo.effect, set_.effect, add.effect) == ("read", "idempotent", "write")
    assert [one.confirm({}) for one in (echo, set_, add)] == [False, True, True]
    assert (add.origin, add.timeout) == ("mcp server bench", 7)
    assert (await SkillHarness(add).call(word="x")).state == "held"
    assert (await skills.call("add", word="红色")).result == "红色"


async def test_hostile_names_descriptions_and_schemas_do_no_harm(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1]))
    assert {"names_with_spaces_and_dots", "chatty"} <= set(skills.all)
    assert "bomb" not in skills.all
    said = skills.all["chatty"].spec.description
    assert (len(said), said.isprintable()) == (1_024, True)


async def test_images_are_attached_and_named(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1]))
    attached: list[Attachment] = []
    call = Call("c", "picture", "{}")
    done = await run(call, skills.all["picture"], Context(attach=attached.append))
    assert [(one.media, one.mime) for one in attached] == [("image", "image/png")]
    assert done.result.splitlines()[0] == "look"
    assert done.result.splitlines()[2] == "[image that cannot be read]"


@pytest.mark.parametrize(
    ("tool", "state", "result"), [("broken", "failed", "no such city"), ("data", "done", '{"answer":42}')]
)
async def test_results(bench: Http, start: Start, tool: str, state: str, result: str) -> None:
    call = await (await start(remote(bench[1]))).call(tool)
    assert (call.state, call.result) == (state, result)


async def test_wrong_arguments_never_reach_the_server(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1]))
    harness = SkillHarness(skills.all["echo"])
    for text in ("{}", "[1]", "{nonsense", '{"x": "' + "y" * 300_000 + '"}'):
        call = await harness.call_json(text)
        assert (call.state, call.result.startswith("The arguments")) == ("failed", True)


@pytest.mark.parametrize("text", ['```json\n{"word": "x"}\n```', '{"word": "x",}', "x"])
async def test_arguments_that_are_nearly_right_are_repaired(bench: Http, start: Start, text: str) -> None:
    skills = await start(remote(bench[1]))
    call = await SkillHarness(skills.all["echo"]).call_json(text)
    assert (call.state, call.result) == ("done", "x")


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1], timeout=600))
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    context = Context(progress=told.set_result)
    task = asyncio.create_task(run(Call("c", "slow", "{}"), skills.all["slow"], context))
    assert await told == "halfway"
    task.cancel()
    await bench[0].cancelled.wait()


async def test_a_slow_call_ends_in_time(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1], timeout=0.1))
    call = await skills.call("slow")
    assert (call.state, "no answer within" in call.result) == ("failed", True)


async def test_a_huge_answer_is_refused_and_the_next_call_works(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1]))
    assert (await skills.call("huge")).state == "failed"
    assert (await skills.call("echo", word="on")).result == "on"


async def test_a_server_that_asks_a_person_is_declined(
    bench: Http, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duihua.skills.mcp.links._PAUSE", 0)
    skills = await start(remote(bench[1]))
    call = await skills.call("ask")
    assert (call.state, call.result) == ("done", "round 2: decline")
    call = await skills.call("nag", roots=True)
    assert (call.state, "asks for what it is not offered" in call.result) == ("failed", True)
    call = await skills.call("nag")
    assert (call.state, "again and again" in call.result) == ("failed", True)


async def test_other_tools_are_picked_up(bench: Http, start: Start) -> None:
    skills = await start(remote(bench[1]))
    await skills.call("grow")
    await skills.until("grown")
    assert (await skills.call("names_with_spaces_and_dots")).state == "failed"


async def test_a_server_that_refuses_us_has_no_skills(bench: Http, start: Start) -> None:
    assert not (await start(Server("bench", url=bench[1]))).all


async def test_a_name_that_is_taken_gets_the_servers_before_it(bench: Http, start: Start) -> None:
    servers = [remote(bench[1], name) for name in ("one", "two")]
    skills = await start(*servers, taken=("add",))
    assert {"one_add", "two_add"} <= set(skills.all)
    assert ("add" in skills.all, "echo" in skills.all) == (False, True)
    assert {skills.all[name].origin for name in ("echo", "one_echo", "two_echo") if name in skills.all} == {
        "mcp server one",
        "mcp server two",
    }


async def test_a_server_that_comes_back_is_used_again(start: Start) -> None:
    async with listening(Bench().server) as url:
        skills = await start(remote(url))
    port = int(url.rpartition(":")[2].partition("/")[0])
    async with listening(Bench().server, port=port):
        call = await skills.call("echo", word="back")
        if call.state == "failed":  # the first one may be what tells that the server was away
            call = await skills.call("echo", word="back")
        assert call.result == "back"
