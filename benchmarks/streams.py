"""`python benchmarks/streams.py 1000`: many answers at once over one client.

Prints whether all finished and the CPU of this process per streamed chunk, beside that of a single stream.
Every chunk is a read of its own in both runs; the cost of opening the streams is printed apart. `--check`
exits with 1 if a stream failed or a chunk of many costs more than twice a chunk of one.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from duihua.errors import ProviderError
from duihua.ports import Finish, Packed, Request, TextDelta
from duihua.providers.auth import BearerKey
from duihua.providers.http import Transport
from duihua.providers.qianfan_v2 import QianfanV2

SINGLE = 2_000
MANY = 24


@dataclass
class Run:
    """What one run cost: µs of CPU per chunk, ms per stream opened; how many streams ended well."""

    streams: int
    finished: int
    chunk: float
    opening: float
    errors: list[str]


def measured(streams: int, chunks: int, pause: float) -> Run:
    """Runs so many streams against a server in a process of its own."""
    server = Path(__file__).with_name("stream_server.py")
    process = subprocess.Popen(
        [sys.executable, server, str(chunks), str(pause)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        return asyncio.run(run(process.stdout.readline().strip(), streams, chunks))
    finally:
        process.stdin.close()
        process.wait(10)


def cpu() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def run(url: str, streams: int, chunks: int) -> Run:
    """Opens all streams, waits until each has begun, then reads them to their ends."""
    transport = Transport()
    client = QianfanV2(transport, BearerKey(SecretStr("k")), base_url=f"{url}/v2")
    packed = Packed(b"", (b'{"role":"user","content":"go"}',), (None,), 1, 2)
    deadline = asyncio.get_running_loop().time() + 120
    begun = asyncio.Semaphore(0)
    errors: list[str] = []

    async def read() -> bool:
        pieces = 0
        try:
            async for delta in client.stream(Request("m", packed, (), {}, deadline)):
                if isinstance(delta, TextDelta):
                    if not pieces:
                        begun.release()
                    pieces += 1
                elif isinstance(delta, Finish):
                    return True
        except ProviderError as e:
            errors.append(str(e))
            begun.release()
        return False

    before = cpu()
    tasks = [asyncio.create_task(read()) for _ in range(streams)]
    for _ in range(streams):
        await begun.acquire()
    opened = cpu()
    await asyncio.to_thread(urllib.request.urlopen, urllib.request.Request(f"{url}/go", method="POST"))
    done = await asyncio.gather(*tasks)
    after = cpu()
    await transport.aclose()
    count = streams * chunks
    return Run(streams, sum(done), (after - opened) / count * 1e6, (opened - before) / streams * 1000, errors)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", type=int, nargs="?", default=1_000)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = given.streams + 256
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    one = measured(1, SINGLE, 0.0005)
    many = measured(given.streams, MANY, 0.25)
    print("streams  finished  opening, ms each  CPU per chunk, us")
    for it in (one, many):
        print(f"{it.streams:7}  {it.finished:8}  {it.opening:16.2f}  {it.chunk:17.1f}")
    for text in sorted(set(one.errors + many.errors)):
        print(f"failed: {text}")
    ratio = many.chunk / one.chunk
    print(f"a chunk of {many.streams} streams costs {ratio:.2f} x a chunk of one (target: at most 2)")
    bad = many.finished != many.streams or ratio > 2
    return int(given.check and bad)


if __name__ == "__main__":
    raise SystemExit(main())
