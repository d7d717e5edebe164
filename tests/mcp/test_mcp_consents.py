"""Consent to calls of MCP clients, by elicitation over HTTP, with the SDK's own client of both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitResult, ErrorData, InputRequiredResult
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from duihua import AskUser, skill
from duihua.messages import Call
from duihua.skills import Context
from duihua.skills.mcp import serving
from tests.mcp.conftest import ledger, listening

ERAS = {"legacy": LATEST_HANDSHAKE_VERSION, "auto": LATEST_MODERN_VERSION}


class User:
    """A client's user: is asked, and always says the same."""

    def __init__(self, action: Any = "accept") -> None:
        self.action, self.asked = action, list[str]()

    async def __call__(self, context: Any, params: Any) -> ElicitResult | ErrorData:
        self.asked.append(params.message)
        if self.action == "error":
            return ErrorData(code=-32603, message="no window")
        return ElicitResult(action=self.action, content={} if self.action == "accept" else None)


@asynccontextmanager
async def talking(
    mode: str, user: User | None, patience: float = 60
) -> AsyncIterator[tuple[Client, list[int]]]:
    """A client of two skills that pay, and what was paid."""
    paid: list[int] = []

    @skill(confirm=lambda arguments: arguments["amount"] > 10)
    def pay(amount: int) -> str:
        """Pays."""
        paid.append(amount)
        return f"paid {amount}"

    @skill
    def ask(amount: int, ctx: Context) -> str:
        """Pays, if it may."""
        if not ctx.approved:
            raise AskUser("really?")
        paid.append(amount)
        return f"paid {amount}"

    def question(call: Call, said: str) -> str:
        return f"{call.name} {call.arguments} {said}".strip()

    async with ledger() as book:
        server = serving.make([pay, ask], lambda skill: Context(), question, book, patience)
        async with listening(server) as url, Client(url, mode=mode, elicitation_callback=user) as client:
            assert client.protocol_version == ERAS[mode]
            yield client, paid


def text(result: CallToolResult) -> str:
    return result.content[0].model_dump()["text"]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_call_runs_when_the_clients_user_consents_and_each_call_asks_anew(mode: str) -> None:
    user = User()
    async with talking(mode, user) as (client, paid):
        for name, amount in (("pay", 10), ("pay", 11), ("pay", 11), ("ask", 12)):
            result = await client.call_tool(name, {"amount": amount})
            assert (text(result), result.is_error) == (f"paid {amount}", False)
    assert paid == [10, 11, 11, 12]
    assert user.asked == ['pay {"amount":11}', 'pay {"amount":11}', 'ask {"amount":12} really?']


@pytest.mark.parametrize("mode", ERAS)
async def test_without_consent_a_call_is_refused_and_the_model_is_told_why(mode: str) -> None:
    async with talking(mode, user := User()) as (client, paid):
        for user.action, why in (("decline", "the user refused"), ("cancel", "the user dismissed")):
            for name in ("pay", "ask"):
                result = await client.call_tool(name, {"amount": 11})
                assert (result.is_error, why in text(result)) == (True, True)
        assert (len(user.asked), paid) == (4, [])


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_that_cannot_ask_is_refused(mode: str) -> None:
    async with talking(mode, None) as (client, paid):
        for name in ("pay", "ask"):
            result = await client.call_tool(name, {"amount": 11})
            assert (result.is_error, "this client cannot ask" in text(result)) == (True, True)
        assert paid == []


@pytest.mark.parametrize("mode", ERAS)
async def test_consent_that_comes_too_late_is_none(mode: str) -> None:
    async with talking(mode, user := User(), patience=0) as (client, paid):
        result = await client.call_tool("pay", {"amount": 11})
        assert (result.is_error, "nobody consented within 0 seconds" in text(result)) == (True, True)
        assert (len(user.asked), paid) == (1, [])


async def test_a_client_that_fails_to_ask_is_told_so() -> None:
    async with talking("legacy", User("error")) as (client, paid):
        result = await client.call_tool("pay", {"amount": 11})
        assert (result.is_error, "could not ask" in text(result), paid) == (True, True, [])


async def test_consent_is_to_one_call_once() -> None:
    async with talking("auto", User()) as (client, paid):

        async def call(name: str, amount: int, state: str | None) -> CallToolResult | InputRequiredResult:
            return await client.session.call_tool(
                name,
                {"amount": amount},
                input_responses={"consent": ElicitResult(action="accept", content={})},
                request_state=state,
                allow_input_required=True,
            )

        async def asked() -> str | None:
            result = await call("pay", 11, None)  # an answer to no question is none
            assert isinstance(result, InputRequiredResult)
            return result.request_state

        first, second, third = await asked(), await asked(), await asked()
        assert None not in (first, second, third)
        assert len({first, second, third}) == 3
        # other arguments, another skill, one that was used, one that was never given
        for name, amount, state, error in (
            ("pay", 12, first, True),
            ("ask", 11, second, True),
            ("pay", 11, third, False),
            ("pay", 11, third, True),
            ("pay", 11, first, True),
            ("pay", 11, "made up", True),
        ):
            result = await call(name, amount, state)
            assert isinstance(result, CallToolResult)
            assert result.is_error is error
        assert paid == [11]
