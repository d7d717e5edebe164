"""The platform in a process of its own: prints its settings as JSON, ends with its stdin.

It is in speed mode, where a number is that of the pieces every answer is cut into; `--strict`: it thinks and
checks every request, as in tests.
"""

from __future__ import annotations

import asyncio
import json
import sys

from duihua.simulator import Simulator


async def main(pieces: int | None, *, strict: bool) -> None:
    async with Simulator(port=0, speed=not strict, pieces=pieces) as sim:
        print(json.dumps({"url": sim.url, "settings": sim.settings()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--strict"]
    asyncio.run(main(int(given[0]) if given else None, strict="--strict" in sys.argv))
