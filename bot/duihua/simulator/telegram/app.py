"""`duihua fake-telegram`: the fake Bot API as a program."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

from duihua.errors import ConfigError
from duihua.simulator.telegram.fake import FakeTelegram
from duihua.simulator.telegram.transcript import Line


def describe(fake: FakeTelegram) -> list[str]:
    """Plain lines about a running fake, which may be pasted into `.env` as they are."""
    say = '-H "Content-Type: application/json" -d \'{"user": 42, "name": "Ada", "text": "hello"}\''
    return [
        f"# duihua fake Telegram 模拟 Telegram {fake.url}  seed {fake.faults.seed}",
        f"# curl {fake.url}/user/say {say}",
        f"# chats           {fake.url}/",
        f"# calls           {fake.url}/fake/calls  /fake/limits  /fake/counts",
        f"TELEGRAM_BOT_TOKEN={fake.token}",
    ]


def run(port: int = 0, log: str = "") -> int:
    """Serves until Ctrl-C or SIGTERM, and prints what is said.

    Args:
        port: 0 takes a free one.
        log: a file that gets every call as a line of JSON.

    Raises:
        ConfigError: the port is taken, or the file cannot be written.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(log).open("ab")) if log else None
        except OSError as e:
            reason = e.strerror or ""
            raise ConfigError(f"{log}: {reason}", "config_file", path=log, reason=reason) from e
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(FakeTelegram(port, log=file)))
    return 0


async def serve(fake: FakeTelegram) -> None:
    """Runs a fake until a signal comes, and prints what is said."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # a platform without signal handlers ends by KeyboardInterrupt
            loop.add_signal_handler(name, stop.set)
    async with fake:
        print("\n".join(describe(fake)), flush=True)
        fake.transcript.tell = _print
        await stop.wait()


def _print(line: Line) -> None:
    print(line, flush=True)
