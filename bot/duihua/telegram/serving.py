"""The two small HTTP servers of the program: health for whoever runs it, webhooks for Telegram."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from duihua.errors import ConfigError
from duihua.telegram.webhook import BODY, Receiver

Report = Callable[[], tuple[int, dict[str, Any]]]


def health_app(report: Report) -> web.Application:
    """`GET /healthz`."""

    async def answer(request: web.Request) -> web.Response:
        status, facts = report()
        return web.json_response(facts, status=status)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    return app


def webhook_app(report: Report, receivers: Mapping[str, Receiver]) -> web.Application:
    """`POST .../<bot id>`, whatever a proxy in front makes of the path before it; and `/healthz`."""

    async def take(request: web.Request) -> web.Response:
        receiver = receivers.get(request.path.rpartition("/")[2])
        if receiver is None:
            return web.Response(status=404)
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > BODY:
                break
        return web.Response(status=await receiver.handle(request.headers, bytes(body)))

    app = health_app(report)
    app.router.add_post("/{path:.*}", take)
    return app


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncGenerator[int]:
    """Serves it; yields the port, which 0 leaves to the system.

    Raises:
        ConfigError: the address cannot be taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as e:
            raise ConfigError(
                f"duihua telegram cannot listen on {host}:{port} ({e.strerror})",
                "config_telegram_port",
                host=host,
                port=str(port),
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
