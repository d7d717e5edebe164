"""The platform in a process of its own, in speed mode: prints its settings as JSON, ends with its stdin.

An argument is the number of pieces every answer is cut into.
"""

from __future__ import annotations

import asyncio
import json
import sys

from duihua.simulator import Simulator


async def main(pieces: int | None) -> None:
    async with Simulator(port=0, speed=True, pieces=pieces) as sim:
        print(json.dumps({"url": sim.url, "settings": sim.settings()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else None))
