"""Our skills as an MCP server: over stdio to the program that started us, over HTTP to whoever has the key.

What needs a person's consent is put to the client's user, and refused where the client cannot ask. Skills for
administrators are not offered at all. Over HTTP without a key only this machine is answered, and no page of a
browser on it.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from duihua.asking import TOO_LONG, shown
from duihua.errors import AskUser, ConfigError, StorageError
from duihua.messages import Attachment, Call
from duihua.ports import Skill
from duihua.skills.complaint import clipped
from duihua.skills.contract import Context
from duihua.skills.mcp.consents import PATIENCE, Consents, Refused
from duihua.skills.mcp.ledger import Client, Ledger
from duihua.skills.runner import run

if TYPE_CHECKING:
    import mcp_types as types
    from mcp.server import Server, ServerRequestContext

log = logging.getLogger(__name__)

PATH = "/mcp"
LONGEST = 100_000
"""Characters of a result: a client of ours has no way to read on."""
SAID = 2_000
"""Characters of what a skill asks or of a refusal, at most."""
ATTACHED = 8
"""Attachments of one result, at most."""

Question = Callable[[Call, str], str]
"""A call and what the skill asks, if anything -> the question to a person."""
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def make(
    skills: Sequence[Skill],
    context: Callable[[Skill], Context],
    question: Question,
    ledger: Ledger,
    patience: float = PATIENCE,
) -> Server[Any]:
    """A server of these skills.

    Args:
        skills: those for administrators are left out.
        context: makes what a call of a skill is given.
        question: words what a person is asked before a call.
        ledger: keeps each client within `rate`, and the audit.
        patience: seconds that the person has to answer.
    """
    from mcp.server import Server

    from duihua import __version__

    offered = {skill.name: skill for skill in skills if not skill.admin_only}
    served = _Served(offered, context, question, ledger, Consents(patience))
    return Server("duihua", version=__version__, on_list_tools=served.list, on_call_tool=served.call)


@dataclass(frozen=True, slots=True)
class _Served:
    skills: Mapping[str, Skill]
    context: Callable[[Skill], Context]
    question: Question
    ledger: Ledger
    consents: Consents

    async def list(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        import mcp_types as types

        return types.ListToolsResult(tools=[_tool(skill) for skill in self.skills.values()])

    async def call(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        # In a task of its own: the SDK's cancellation would come again and again while the runner cleans up.
        task = asyncio.create_task(self._answer(ctx, params))
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result()

    async def _answer(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        import mcp_types as types

        attached: list[Attachment] = []
        reports: set[asyncio.Task[None]] = set()
        done = 0

        def progress(text: str) -> None:
            nonlocal done
            done += 1
            report = asyncio.create_task(ctx.session.report_progress(done, None, text))
            reports.add(report)
            report.add_done_callback(reports.discard)

        arguments = orjson.dumps(params.arguments or {}).decode()
        skill = self.skills.get(params.name)
        effect = skill.effect if skill else "read"
        call = Call(f"mcp-{secrets.token_hex(8)}", params.name[:64], arguments, effect=effect)
        context = replace(
            self.context(skill) if skill else Context(), progress=progress, attach=attached.append
        )
        try:
            outcome = await self._outcome(call, skill, context, ctx, params)
        except StorageError as e:
            log.error("a call of an MCP client cannot be written down: %s", e)
            outcome = replace(call, state="failed", result=f"{call.name}: the audit cannot be written.")
        await asyncio.gather(*reports, return_exceptions=True)
        if not isinstance(outcome, Call):
            return outcome
        blocks: list[types.ContentBlock] = [types.TextContent(text=outcome.result)]
        blocks += [_block(one) for one in attached[:ATTACHED]]
        return types.CallToolResult(content=blocks, is_error=outcome.state != "done")

    async def _outcome(
        self,
        call: Call,
        skill: Skill | None,
        context: Context,
        ctx: ServerRequestContext[Any],
        params: types.CallToolRequestParams,
    ) -> Call | types.InputRequiredResult:
        """The call, carried out or refused; or what the client must ask first."""
        try:
            approved = self.consents.given(params)
            try:
                return await self._run(call, skill, replace(context, approved=approved), ctx)
            except AskUser as e:
                if approved:  # it was told that it need not ask
                    raise
                if shown(call.arguments) is None:
                    raise Refused(TOO_LONG) from None
                asked = await self.consents.ask(self.question(call, str(e)), params, ctx)
                return asked or await self._run(call, skill, replace(context, approved=True), ctx)
        except (AskUser, Refused) as e:
            said = clipped(str(e), SAID) or f"{call.name} asks for a consent that it has."
            call = replace(call, state="refused", result=said)
            await self.ledger.end(await self.ledger.begin(await self._client(ctx), call, False), call, 0)
            return call

    async def _run(
        self, call: Call, skill: Skill | None, context: Context, ctx: ServerRequestContext[Any]
    ) -> Call:
        """Runs a call that stands in the audit before its skill is entered, unless it comes too soon."""
        client = await self._client(ctx)
        context, written, began = replace(context, user=client.author), "", time.monotonic()

        async def begin(arguments: Mapping[str, Any], asks: bool) -> Call | None:
            nonlocal written
            # A call counts when it is asked for: nobody consents to what then comes too often.
            why = "" if skill is None or context.approved else self.ledger.too_often(skill, client)
            if asks and not why:
                return None
            written = await self.ledger.begin(client, call, context.approved)
            return replace(call, state="failed", result=why) if why else None

        done = replace(call, state="unknown")  # it was cut off
        try:
            done = await run(call, skill, context, known=tuple(self.skills), limit=LONGEST, begin=begin)
            written = written or await self.ledger.begin(client, call, context.approved)
        except AskUser as e:
            done = replace(call, state="refused", result=str(e))
            raise
        finally:
            if written:
                await self.ledger.end(written, done, time.monotonic() - began)
        return done

    async def _client(self, ctx: ServerRequestContext[Any]) -> Client:
        about = ctx.session.client_params
        return await self.ledger.client(about.client_info.name if about else "")


def _tool(skill: Skill) -> types.Tool:
    import mcp_types as types

    return types.Tool(
        name=skill.name,
        description=skill.spec.description,
        input_schema=dict(skill.spec.schema),
        annotations=types.ToolAnnotations(
            read_only_hint=skill.effect == "read", idempotent_hint=skill.effect != "write"
        ),
    )


def _block(attachment: Attachment) -> types.ContentBlock:
    import mcp_types as types

    data = base64.b64encode(attachment.data).decode()
    match attachment.media:
        case "image":
            return types.ImageContent(data=data, mime_type=attachment.mime)
        case "audio":
            return types.AudioContent(data=data, mime_type=attachment.mime)
        case _:
            uri = f"attachment://{attachment.id}/{attachment.name}"
            blob = types.BlobResourceContents(uri=uri, mime_type=attachment.mime, blob=data)
            return types.EmbeddedResource(resource=blob)


async def serve_stdio(server: Server[Any]) -> None:
    """Serves until stdin ends; while it does, what skills print goes to stderr."""
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def serve_http(
    server: Server[Any],
    host: str,
    port: int,
    key: str = "",
    ready: Callable[[str], object] = str,
    hosts: Sequence[str] = (),
) -> None:
    """Serves over streamable HTTP until it is cancelled or interrupted; `ready` is told the address.

    `hosts`: the names that a proxy on this machine may pass on as `Host`.

    Raises:
        ConfigError: the host is not of this machine alone and there is no key, or the port is taken.
    """
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    local = is_loopback(host)
    if not local and not key:
        raise ConfigError(
            f"duihua mcp listens on {host} only with a key: set DUIHUA_MCP_KEY", "config_mcp_key", host=host
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(found[4][:2], family=found[0])  # pyright: ignore[reportArgumentType]
    except OSError:
        raise ConfigError(
            f"duihua mcp cannot listen on {host}:{port}", "config_mcp_port", host=host, port=str(port)
        ) from None
    names = [f"{name}:*" for name in {"127.0.0.1", "localhost", "[::1]", _bracketed(host)}]
    passed = [form for name in hosts for form in (name, f"{name}:*")]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=local,
        allowed_hosts=[*names, *passed],
        allowed_origins=[f"http://{name}" for name in names] + [f"https://{name}" for name in passed],
    )
    app: Asgi = server.streamable_http_app(streamable_http_path=PATH, host=host, transport_security=security)
    config = uvicorn.Config(
        _keyed(app, key) if key else app, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    with listener:
        ready(f"http://{_bracketed(host)}:{listener.getsockname()[1]}{PATH}")
        web = uvicorn.Server(config)
        task = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            await asyncio.wait((task,))
        finally:
            web.should_exit = True
            await task


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _keyed(app: Asgi, key: str) -> Asgi:
    """`app` for those whose `Authorization: Bearer` is the key."""
    wanted = f"bearer {key}".encode()

    async def keyed(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers: Mapping[bytes, bytes] = dict(scope["headers"])
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if not hmac.compare_digest(scheme.lower() + b" " + token, wanted):
                start = {"type": "http.response.start", "status": 401}
                await send(
                    {**start, "headers": [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]}
                )
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return keyed
