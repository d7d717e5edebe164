"""The simulator as one server: every platform on 127.0.0.1, for tests, benchmarks and trials."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol

from aiohttp import web

from duihua.errors import ConfigError
from duihua.simulator.dashscope_compatible import DashScopeCompatible
from duihua.simulator.dashscope_extras import DashScopeExtras
from duihua.simulator.genstudio import GenStudio
from duihua.simulator.modelarts import ModelArts
from duihua.simulator.openai import OpenAI
from duihua.simulator.qianfan import Qianfan
from duihua.simulator.qianfan_v2 import QianfanV2
from duihua.simulator.speed import Speed
from duihua.simulator.traffic import Prompts, Seen
from duihua.simulator.weather import Weather
from duihua.simulator.wire import Desk, Keys, Settings, json_response
from duihua.simulator.zhipu import Zhipu


class Simulated(Protocol):
    """A service of the simulator."""

    @property
    def title(self) -> str:
        """For people."""
        ...

    def routes(self) -> Sequence[web.RouteDef]:
        """Where it answers."""
        ...

    def settings(self, url: str) -> dict[str, str]:
        """Environment settings that point a program at it; `url` is the simulator's address."""
        ...


PLATFORMS: tuple[Callable[[Desk], Simulated], ...] = (
    Qianfan,
    QianfanV2,
    ModelArts,
    GenStudio,
    OpenAI,
    Zhipu,
    DashScopeExtras,
    DashScopeCompatible,
    Weather,
)

HOST = "127.0.0.1"
LARGEST = 32 * 1024 * 1024
"""Bytes of the largest request body."""


class Simulator:
    """All simulated platforms, as an async context manager.

        async with Simulator() as simulator:
            settings = Settings.load(env_file=None, **...)  # or os.environ | simulator.settings()

    Args:
        port: 0 takes a free one.
        keys: the keys that are accepted.
        token_lifetime: seconds that an access token lives.
        ban_base: the number that `ban_round` gives to the first round.
        pieces: into how many pieces an answer is cut; None: of one to four characters (speed mode: 3 in all).
        clock: the time, aware; "today" comes from it.
        requests_per_minute: limit for each model.
        tokens_per_minute: limit for each model.
        system_with_functions: False refuses `system` beside `functions`, as some v1 models did.
        gullible: models do what the text of a function's result tells them to (not on Qianfan's v1 wire).
        speed: ready answers for benchmarks instead of strictness and a brain.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        keys: Keys | None = None,
        token_lifetime: int = 2_592_000,
        ban_base: int = 0,
        pieces: int | None = None,
        clock: Callable[[], datetime] | None = None,
        requests_per_minute: int = 60_000,
        tokens_per_minute: int = 100_000_000,
        system_with_functions: bool = True,
        gullible: bool = False,
        speed: bool = False,
    ) -> None:
        settings = Settings(
            keys=keys or Keys(),
            token_lifetime=token_lifetime,
            ban_base=ban_base,
            pieces=pieces,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            system_with_functions=system_with_functions,
            gullible=gullible,
        )
        self._settings = replace(settings, clock=clock) if clock else settings
        self._wanted, self._speed = port, speed
        self._runner: web.AppRunner | None = None
        self._desk: Desk | None = None
        self.port = 0

    async def __aenter__(self) -> Simulator:
        desk = self._desk = Desk(self._settings)
        self.platforms = tuple(platform(desk) for platform in PLATFORMS)
        app = web.Application(client_max_size=LARGEST)
        if self._speed:
            app.add_routes(Speed(desk).routes())
        for platform in self.platforms:
            app.add_routes(platform.routes())
        app.add_routes(
            [
                web.get("/_simulator/requests", self._get_requests),
                web.get("/_simulator/counts", self._get_counts),
                web.get("/_simulator/prompts", self._get_prompts),
                web.get("/_simulator/cpu", self._get_cpu),
                web.post("/_simulator/reset", self._post_reset),
            ]
        )
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._wanted).start()
        except OSError as e:
            await runner.cleanup()
            raise ConfigError(
                f"the simulator cannot listen on {HOST}:{self._wanted} ({e.strerror}); choose another port",
                "config_port",
                port=str(self._wanted),
            ) from e
        self._runner = runner
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    # ------------------------------------------------------------ where it is

    @property
    def desk(self) -> Desk:
        """What the platforms share."""
        if self._desk is None:
            raise RuntimeError("the simulator is not running: use `async with Simulator()`")
        return self._desk

    @property
    def keys(self) -> Keys:
        """The keys that are accepted."""
        return self._settings.keys

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://{HOST}:{self.port}"

    @property
    def qianfan_url(self) -> str:
        """For QIANFAN_BASE_URL."""
        return self.url

    @property
    def qianfan_v2_url(self) -> str:
        """For QIANFAN_V2_BASE_URL."""
        return f"{self.url}/v2"

    @property
    def iam_url(self) -> str:
        """Where bearers are made from access keys."""
        return self.url

    @property
    def weather_forecast_url(self) -> str:
        """The base of the forecast service; it answers on `/v1/forecast`."""
        return self.url

    @property
    def weather_geocoding_url(self) -> str:
        """The base of the geocoding service; it answers on `/v1/search`."""
        return self.url

    def settings(self) -> dict[str, str]:
        """Environment settings that point a program here."""
        found: dict[str, str] = {}
        for platform in self.platforms:
            found |= platform.settings(self.url)
        return found

    def signing_settings(self) -> dict[str, str]:
        """Like `settings`, with the access key pair that signs requests in place of the API key."""
        keys = {
            "QIANFAN_ACCESS_KEY_ID": self.keys.access_key_id,
            "QIANFAN_ACCESS_KEY_SECRET": self.keys.access_key_secret,
        }
        others = {
            k: v for k, v in self.settings().items() if k not in ("QIANFAN_API_KEY", "QIANFAN_SECRET_KEY")
        }
        return keys | others

    # ------------------------------------------------------------ what it saw

    @property
    def requests(self) -> Sequence[Seen]:
        """The requests that came, oldest first, without their secrets. Speed mode only counts."""
        return list(self.desk.traffic.requests)

    @property
    def counts(self) -> dict[str, int]:
        """How many requests came: `all`, by platform, and by platform and path."""
        return dict(self.desk.traffic.counts)

    @property
    def prompts(self) -> dict[str, Prompts]:
        """How large the chat requests to each `platform/model` were. Speed mode does not look at sizes."""
        return {model: replace(sizes) for model, sizes in self.desk.traffic.prompts.items()}

    def reset(self) -> None:
        """Forgets requests, counts and used-up faults; tokens stay good."""
        self.desk.traffic.clear()
        self.desk.faults.clear()

    def expire_tokens(self) -> None:
        """Lets every access token end now."""
        for platform in self.platforms:
            if isinstance(platform, Qianfan):
                platform.expire()

    async def _get_requests(self, request: web.Request) -> web.Response:
        return json_response([seen.as_dict() for seen in self.requests])

    async def _get_counts(self, request: web.Request) -> web.Response:
        return json_response(self.counts)

    async def _get_prompts(self, request: web.Request) -> web.Response:
        return json_response({model: asdict(sizes) for model, sizes in self.prompts.items()})

    async def _get_cpu(self, request: web.Request) -> web.Response:
        return json_response({"cpu_ms": time.process_time() * 1000})

    async def _post_reset(self, request: web.Request) -> web.Response:
        self.reset()
        return json_response({"ok": True})


def describe(simulator: Simulator) -> list[str]:
    """Plain lines about a running simulator, which may be pasted into `.env` as they are."""
    about = [
        f"# duihua simulator 模拟器 {simulator.url}",
        "# answers and weather are invented · 回答和天气都是虚构的",
        f"# requests        {simulator.url}/_simulator/requests  /_simulator/counts  /_simulator/prompts",
    ]
    for platform in simulator.platforms:
        about.append(f"# {platform.title}")
        about += [f"{name}={value}" for name, value in platform.settings(simulator.url).items()]
    return about


def run(port: int = 0, **options: Any) -> int:
    """Serves until Ctrl-C or SIGTERM, after printing what it serves and the settings to copy.

    Args:
        port: 0 takes a free one.
        options: as for `Simulator`.

    Raises:
        ConfigError: the port is taken.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(Simulator(port, **options)))
    return 0


async def _serve(simulator: Simulator) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # a platform without signal handlers ends by KeyboardInterrupt
            loop.add_signal_handler(name, stop.set)
    async with simulator:
        print("\n".join(describe(simulator)), flush=True)
        await stop.wait()
