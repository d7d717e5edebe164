"""The fake Bot API in a process of its own: prints where it is as JSON, ends with its stdin.

It keeps to the documented limits; `--free`: to none.
"""

from __future__ import annotations

import asyncio
import json
import sys

from duihua.simulator.telegram import NO_LIMITS, FakeTelegram


async def main(*, free: bool) -> None:
    async with FakeTelegram(limits=NO_LIMITS if free else None, kept_edits=3) as fake:
        _ = fake.transcript  # listens from here on
        print(json.dumps({"url": fake.url, "token": fake.token}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(free="--free" in sys.argv))
