"""One poll of a program that is killed when what arrived is kept: `... killed TOKEN URL DATABASE`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from pydantic import SecretStr

from duihua.telegram.health import Pulse
from duihua.telegram.intake import Poller
from duihua.telegram.wire import Wire
from duihua_storage import open_store


async def main(token: str, url: str, database: str) -> None:
    wire, store = Wire(SecretStr(token), url), open_store(database)
    await store.open()
    source = f"telegram/{wire.id}"
    # A lease such as the program has, of a process that will be dead.
    await store.hold(source, sys.argv[4].format(pid=os.getpid()), lease=600_000)

    def arrived() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    await Poller(wire, store, source, Pulse(wire.id), arrived).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
