"""One of several processes that talk in the same sessions of one database, as fast as they can.

python hammer.py <url> <name> <inputs> <sessions>: says so many inputs, each in some session, and works on
every turn that it gets hold of, its own or another's. Prints what it answered: session, turn, input.
"""

from __future__ import annotations

import asyncio
import sys

from duihua.messages import Address, Step, Text, Usage
from duihua.ports import Input, Outcome, Work
from duihua_storage import SqlStore

LANES = 6


async def main(url: str, name: str, inputs: int, sessions: int) -> None:
    store = SqlStore(url)
    await store.open()
    answered: list[tuple[int, int, int]] = []

    async def drain(work: Work | None) -> None:
        while work is not None:
            ref = work.fence.ref
            await store.step(work.fence, 0, Step((Text("thinking"),)), usage=Usage(1, 1))
            following = await store.finish(
                work.fence, Outcome("done", "stop", 1, Step((Text("ok"),)), Usage(1, 1)), lease=60_000
            )
            answered.append((ref.session, ref.seq, work.inbox[0]))
            work = following

    async def lane(first: int) -> None:
        for number in range(first, inputs, LANES):
            address = Address("hammer", str(number % sessions))
            said = Input("hammer", f"{name}-{number}", address, parts=(Text(f"{name} {number}"),))
            accepted = await store.accept(said, cap=10_000, token=f"{name}-{number}", lease=60_000)
            await drain(accepted.work)

    await asyncio.gather(*(lane(first) for first in range(LANES)))
    await store.aclose()
    for row in answered:
        print(*row)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
