"""Our skills as an MCP server, driven by the SDK's own client over both transports."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult, Implementation

from duihua import AskUser, ConfigError, skill
from duihua.messages import Attachment
from duihua.ports import Rate
from duihua.skills import Context
from duihua.skills.mcp import serving
from duihua.skills.mcp.ledger import Ledger
from tests.mcp.conftest import ledger, listening
from tests.mcp.server import PIXEL

KEY = "a-long-key"


@skill(effect="read")
def greet(name: str, ctx: Context) -> str:
    """Greets somebody.

    Args:
        name: of whom.
    """
    ctx.progress("thinking")
    ctx.attach(Attachment("1", "image", "image/png", PIXEL))
    return f"你好，{name}"


@skill(confirm=lambda arguments: arguments["amount"] > 10)
def pay(amount: int) -> str:
    """Pays."""
    return f"paid {amount}"


@skill
def ask() -> str:
    """Asks."""
    raise AskUser("really?")


@skill(effect="read", rate=Rate(1, 3_600))
def seldom(word: str) -> str:
    """Says it again."""
    return word


@skill(admin_only=True)
def rule() -> str:
    """Rules."""
    return "ruled"


def make(book: Ledger | None = None) -> Any:
    skills = [greet, pay, ask, rule, seldom]
    return serving.make(skills, lambda skill: Context(), lambda call, said: said, cast("Ledger", book))


async def test_a_client_over_http_lists_calls_and_is_refused_what_needs_consent() -> None:
    told: list[str | None] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(message)

    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        ledger() as book,
        listening(make(book), KEY) as url,
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"greet", "pay", "ask", "seldom"}
        assert tools["greet"].input_schema["required"] == ["name"]
        assert tools["greet"].annotations is not None
        assert tools["greet"].annotations.read_only_hint is True
        done = await client.call_tool("greet", {"name": "小明"}, progress_callback=progress)
        assert [block.type for block in done.content] == ["text", "image"]
        assert (done.content[0].model_dump()["text"].splitlines()[0], told) == ("你好，小明", ["thinking"])
        for name, arguments in (("pay", {"amount": 11}), ("ask", {}), ("rule", {}), ("pay", {})):
            assert (await client.call_tool(name, arguments)).is_error
        assert not (await client.call_tool("pay", {"amount": 10})).is_error


async def test_calls_of_a_client_are_counted_and_stand_in_the_audit() -> None:
    about = Implementation(name="Editor\x1b[31m", version="1")
    async with (
        ledger() as book,
        Client(make(book), client_info=about, elicitation_callback=consent) as client,
    ):
        first, second = [await client.call_tool("seldom", {"word": "x"}) for _ in range(2)]
        await client.call_tool("pay", {"amount": 11})
        [who] = await book.store.identities("main")
        await client.call_tool("pay", {"amount": "much"})
        wrong, paid, refused, done = await book.store.audit("main", user=who.user)
    assert (first.is_error, second.is_error) == (False, True)
    assert "1 times in 3600 seconds" in second.content[0].model_dump()["text"]
    assert str(who) == "mcp/Editor"
    assert (done.name, done.state, done.arguments, done.result) == ("seldom", "done", '{"word":"x"}', "x")
    assert (wrong.state, refused.state, paid.result) == ("failed", "failed", "paid 11")
    assert (paid.asker, paid.approver) == (who.user, who.user)
    assert done.started <= done.ended > 0


async def consent(context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={})


@pytest.mark.parametrize("sent", ["", "Bearer", f"Basic {KEY}", "Bearer wrong", f"Bearer {KEY} "])
async def test_without_the_key_nothing_is_served(sent: str) -> None:
    reached: list[Any] = []
    answers: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    async def send(message: Any) -> None:
        answers.append(message)

    keyed = serving._keyed(app, KEY)  # pyright: ignore[reportPrivateUsage]
    await keyed({"type": "http", "headers": [(b"authorization", sent.encode())]}, None, send)
    assert (reached, answers[0]["status"]) == ([], 401)


async def test_a_page_of_another_site_is_not_answered_without_a_key() -> None:
    async with listening(make()) as url, httpx2.AsyncClient() as http:
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            answer = await http.post(url, json={}, headers=headers)
            assert answer.status_code in (403, 421)


async def test_a_proxy_that_keeps_the_host_is_answered_where_its_host_is_named() -> None:
    async with listening(make(), hosts=("bot.example",)) as url, httpx2.AsyncClient() as http:
        for host, code in (("bot.example", 400), ("bot.example:8443", 400), ("evil.example", 421)):
            headers = {"Host": host, "Origin": f"https://{host}"}
            assert (await http.post(url, json={}, headers=headers)).status_code == code


async def test_beyond_this_machine_a_key_is_needed() -> None:
    with pytest.raises(ConfigError, match="DUIHUA_MCP_KEY"):
        await serving.serve_http(make(), "0.0.0.0", 0)
    assert [serving.is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "::", "example.com")] == [
        True, True, True, False, False,
    ]  # fmt: skip


async def test_a_taken_port_is_told() -> None:
    async with listening(make()) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(ConfigError, match=str(port)):
            await serving.serve_http(make(), "127.0.0.1", port)


PLUGIN = """from duihua import skill

@skill(confirm=True)
def wipe(disk: str) -> str:
    'Wipes.'
    print("a print that went astray")
    return f"wiped {disk}"
"""


async def test_the_program_serves_over_stdio_asks_its_user_and_prints_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "wipe.py").write_text(PLUGIN)
    (tmp_path / "bad.py").write_text("raise SystemExit")
    env = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "DUIHUA_SKILLS": "calculator,wipe,bad",
        "DUIHUA_SKILLS_DIR": str(tmp_path),
        "DUIHUA_LANG": "en",
    }
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "duihua", "mcp"], env=env, cwd=tmp_path
    )
    asked: list[str] = []

    async def consent(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={})

    async with (
        AsyncExitStack() as stack,
        asyncio.timeout(60),
    ):
        told = stack.enter_context((tmp_path / "told").open("w"))
        pipe = stdio_client(server, errlog=told)
        client = await stack.enter_async_context(Client(pipe, elicitation_callback=consent))
        assert [tool.name for tool in (await client.list_tools()).tools] == ["calculator", "wipe"]
        done = await client.call_tool("calculator", {"expression": "6*7"})
        assert "42" in done.content[0].model_dump()["text"]
        done = await client.call_tool("wipe", {"disk": "C\n:"})
        assert done.content[0].model_dump()["text"] == "wiped C\n:"
    assert asked == ["duihua: may “wipe” be carried out?\n• disk:\n    C\n    :"]
    assert "bad" in (tmp_path / "told").read_text().splitlines()[0]
