"""One of several processes that fire the reminders of one database until it is killed or none is left.

python ringer.py <url>: prints the id of each reminder that it fired, before it looks for the next one.
"""

from __future__ import annotations

import asyncio
import sys
import time

from duihua.ports import Store
from duihua.reminders import Armed
from duihua.reminding import Reminding
from duihua_storage import SqlStore


class Told(SqlStore):
    """Tells what it fired."""

    async def fire(self, reminder: Armed, again: int, body: bytes) -> bool:
        fired = await super().fire(reminder, again, body)
        if fired:
            print(reminder.id, flush=True)
        return fired


async def main(url: str) -> None:
    store: Store = Told(url)
    await store.open()
    await Reminding(store, lambda: None, time.time).ring()
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
