"""The connection to one MCP server: made, kept, made again; calls go through it.

All of the SDK's scopes are entered and left in the task of `Link.run`, or in a task of a call of its own; a
caller only waits, so it can be cancelled or closed at any point. While a server is away its skills stay: a
call asks for a new connection at once and waits for it a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from duihua.errors import SkillError
from duihua.redact import redact, where
from duihua.skills.contract import Context
from duihua.skills.mcp.pipes import LARGEST, open_pipe
from duihua.skills.mcp.results import told
from duihua.skills.mcp.servers import Server
from duihua.skills.mcp.tools import Offer, offer

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import CallToolResult, InputRequiredResult, Tool

log = logging.getLogger(__name__)

TOOLS = 200
"""Tools of one server, at most."""
CONNECT = 30.0
"""Seconds to start a server and read its list."""
PATIENCE = 15.0
"""Seconds that a call waits for a server that is away."""

_PAGES = 20
_ROUNDS = 10  # answers to one call that are questions
_PAUSE = 0.25  # seconds before a server that is not ready is asked again
_FIRST, _LONGEST = 0.5, 60.0  # seconds between tries
_STABLE = 30.0  # seconds up, after which the next failure counts as the first


class Link:
    """One server.

    Args:
        server: how to reach it.
        changed: is told that `offers` are others.
    """

    def __init__(self, server: Server, changed: Callable[[], None]) -> None:
        self.server = server
        self.offers: tuple[Offer, ...] = ()
        self.state = "starting"  # or "up", "away"
        self.reason = ""  # why it was away last
        self.tried = asyncio.Event()
        self._changed = changed
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._wanted = asyncio.Event()
        self._stir = asyncio.Event()
        self._ended: str | None = None
        self._stale = False
        self._closing = False
        self._limit: asyncio.Timeout | None = None
        self._unfit: frozenset[str] = frozenset()
        self._calls: set[asyncio.Task[CallToolResult]] = set()

    async def run(self) -> None:
        """Keeps the connection until `close`."""
        loop = asyncio.get_running_loop()
        delay = _FIRST
        while not self._closing:
            began = loop.time()
            self._wanted.clear()
            reason = ""
            try:
                reason = await self._live()
            except Exception as e:
                reason = self._ended or _reason(e)
                log.debug("MCP server %s: %s", self.server.name, where(e))
            finally:
                self._client = self._limit = None
                self._up.clear()
                self.state = "away"
                if not self._closing:
                    self.reason = self.server.hide(redact(reason))
                self.tried.set()
            if self._closing:
                return
            if loop.time() - began > _STABLE:
                delay = _FIRST
            log.warning(
                "MCP server %s is away: %s; next try in %g seconds. If it stays away, correct its entry "
                "in the file of DUIHUA_MCP_SERVERS or disable it there; `duihua doctor` tries it",
                self.server.name,
                self.reason,
                delay,
            )
            try:
                async with asyncio.timeout(delay):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            delay = min(delay * 2, _LONGEST)

    def close(self) -> None:
        """Lets `run` come to its end."""
        self._closing = True
        self._wanted.set()
        self._stir.set()
        if self._limit is not None:  # it is just being connected
            with suppress(RuntimeError):  # or has just failed to
                self._limit.reschedule(0)

    async def call(self, tool: str, arguments: Mapping[str, Any], context: Context) -> str:
        """What the tool answers.

        Raises:
            SkillError: it failed, or the server is away.
        """
        client = await self._present()
        task = asyncio.create_task(self._request(client, tool, arguments, context))
        self._calls.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise SkillError(self._gone())
        try:
            result = task.result()
        except SkillError:
            raise
        except Exception as e:
            raise SkillError(self._failed(e)) from None
        return told(self.server, result, context)

    # ------------------------------------------------------------ the connection

    async def _live(self) -> str:
        """One connection, from its start to its end; returns why it ended."""
        import mcp_types as types
        from mcp import Client

        from duihua import __version__

        self._ended, self._stale = None, False
        self._stir.clear()

        async def heard(message: Any) -> None:
            if isinstance(message, types.ToolListChangedNotification):
                self._refresh()

        client = Client(
            open_pipe(self.server, self._over),
            read_timeout_seconds=CONNECT / 2,
            client_info=types.Implementation(name="duihua", version=__version__),
            message_handler=heard,
            cache=None,
        )
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT) as self._limit:
                await stack.enter_async_context(client)
                await self._list(client)
            self._limit = None
            listener = asyncio.create_task(self._listen(client))
            stack.push_async_callback(_cancelled, listener)
            self._client, self.state = client, "up"
            self.tried.set()
            self._up.set()
            log.info("MCP server %s is up with %d tools", self.server.name, len(self.offers))
            while self._ended is None and not self._closing:
                await self._stir.wait()
                self._stir.clear()
                if self._stale:
                    self._stale = False
                    await self._list(client)
        return self._ended or "it was closed"

    def _over(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._client = None
        self._up.clear()
        self._stir.set()

    def _refresh(self) -> None:
        self._stale = True
        self._stir.set()

    async def _listen(self, client: Client) -> None:
        """Hears of other tools where the protocol has a stream for it; older servers notify by themselves."""
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
        from mcp.shared.exceptions import MCPError

        if client.server_capabilities.tools is None:
            return
        try:
            async with client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    self._refresh()
        except SubscriptionLost:
            self._over("its stream of changes ended")
        except (ListenNotSupportedError, MCPError, TimeoutError):
            return

    async def _list(self, client: Client) -> None:
        found: list[Tool] = []
        cursor: str | None = None
        if client.server_capabilities.tools is not None:
            for _ in range(_PAGES):
                page = await client.list_tools(cursor=cursor, cache_mode="bypass")
                found += page.tools
                cursor = page.next_cursor
                if cursor is None or len(found) > TOOLS:
                    break
        if len(found) > TOOLS or cursor is not None:
            log.warning("MCP server %s has more than %d tools: the first are used", self.server.name, TOOLS)
        offers: dict[str, Offer] = {}
        for tool in found[:TOOLS]:
            await asyncio.sleep(0)  # a schema may be dear to read, but never so dear as 200 of them
            try:
                one = offer(self.server, tool, self.call)
                offers.setdefault(one.tool, one)
            except ValueError as e:
                known, self._unfit = tool.name in self._unfit, self._unfit | {tool.name}
                log.log(
                    logging.DEBUG if known else logging.WARNING,
                    "the tool %.80r of MCP server %s is left out: %s",
                    tool.name,
                    self.server.name,
                    e,
                )
        self.offers = tuple(offers.values())
        self._changed()

    # ------------------------------------------------------------ calls

    async def _present(self) -> Client:
        self._wanted.set()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._up.wait()
        except TimeoutError:
            pass
        if self._client is None or self._closing:
            raise SkillError(f"MCP server {self.server.name} is not there at the moment.")
        return self._client

    async def _request(
        self, client: Client, tool: str, arguments: Mapping[str, Any], context: Context
    ) -> CallToolResult:
        import mcp_types as types

        async def report(progress: float, total: float | None, message: str | None) -> None:
            share = f"{progress:g}" + (f"/{total:g}" if total else "")
            context.progress(self.server.hide(message or share))

        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        for _ in range(_ROUNDS):
            # Not `call_tool`: that checks the result against a schema of the server's, at any price.
            result = await client.session.send_request(
                types.CallToolRequest(params=params),
                _answer(),
                request_read_timeout_seconds=self.server.timeout + 5,  # the skill's own time-out comes first
                progress_callback=report,
            )
            if isinstance(result, types.CallToolResult):
                return result
            if not result.input_requests:  # it is not ready yet
                await asyncio.sleep(_PAUSE)
            params = params.model_copy(update=self._declined(result))
        raise SkillError(f"MCP server {self.server.name} asks again and again for what it was refused.")

    def _declined(self, asked: InputRequiredResult) -> dict[str, Any]:
        """The answer to what a server asks of its client's user: no, for that is no person it may talk to.

        We do not say that we could ask, so only a server that does not care gets here; those of an older
        protocol are answered by the SDK.
        """
        import mcp_types as types

        requests = asked.input_requests or {}
        if not all(isinstance(one, types.ElicitRequest) for one in requests.values()):
            raise SkillError(f"MCP server {self.server.name} asks for what it is not offered here.")
        answers = {key: types.ElicitResult(action="decline") for key in requests}
        return {"input_responses": answers or None, "request_state": asked.request_state}

    def _failed(self, error: Exception) -> str:
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED

        if not isinstance(error, MCPError):
            log.error("a call of MCP server %s failed: %s", self.server.name, where(error))
            return f"MCP server {self.server.name} sent what is no answer."
        if error.error.code == CONNECTION_CLOSED or error.error.message == "Session terminated":
            self._over(error.error.message)
            return self._gone()
        return f"MCP server {self.server.name} refused: {self.server.hide(error.error.message)[:1_000]}"

    def _gone(self) -> str:
        return (
            f"The connection to MCP server {self.server.name} ended before it answered, or its answer was "
            f"larger than {LARGEST >> 20} MB. The call may have taken effect all the same."
        )

    def _forget(self, task: asyncio.Task[CallToolResult]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()


@cache
def _answer() -> TypeAdapter[CallToolResult | InputRequiredResult]:
    import mcp_types as types

    return TypeAdapter(types.CallToolResult | types.InputRequiredResult)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _reason(error: BaseException) -> str:
    """What an exception of a connection says, in one line: the first one of a group."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = group.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"it did not answer within {CONNECT:g} seconds"
    return f"{type(error).__name__}: {error}"[:300]
