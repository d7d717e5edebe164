"""A chat server whose streams wait for each other: python stream_server.py CHUNKS PAUSE.

Each stream sends one piece at once and the others, PAUSE seconds apart, after a POST to /go. Prints its
address, ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

import orjson
from aiohttp import web


def event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + orjson.dumps({"id": "s", "choices": [choice]}) + b"\n\n"


async def main(chunks: int, pause: float) -> None:
    piece, end = event({"content": "一二三四"}), event({}, "stop") + b"data: [DONE]\n\n"
    go = asyncio.Event()

    async def chat(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(piece)
        await go.wait()
        for _ in range(chunks - 1):
            await response.write(piece)
            await asyncio.sleep(pause)
        await response.write(end)
        return response

    async def start(request: web.Request) -> web.Response:
        go.set()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/v2/chat/completions", chat), web.post("/go", start)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4_096).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
