"""The bots at work: one after the other is met, leased, heard and answered, until somebody says stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from duihua.errors import ConfigError, StorageError
from duihua.telegram.abreast import abreast
from duihua.telegram.clerk import TABLE, Clerk
from duihua.telegram.desk import Desk
from duihua.telegram.health import Pulse, report
from duihua.telegram.intake import UNAUTHORIZED, Deaf, Patience, Poller
from duihua.telegram.lease import Lease, LeaseLost
from duihua.telegram.menu import set_menus
from duihua.telegram.porter import staff
from duihua.telegram.serving import health_app, listening, webhook_app
from duihua.telegram.updates import Me
from duihua.telegram.watch import Watch
from duihua.telegram.webhook import Receiver, register, secret_of
from duihua.telegram.wire import API, Wire, WireError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from duihua.engine import ChatEngine
    from duihua.ports import Frontend
    from duihua.telegram.chats import Chats
    from duihua.telegram.voice import Languages, Voice

log = logging.getLogger(__name__)

AGAIN = 1.0, 30.0
"""Seconds until a call that must succeed is tried again, and at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the bots are run.

    Attributes:
        tokens: of the bots.
        url: of the Bot API.
        proxy: of HTTP, for that.
        webhook: where Telegram reaches us, without the bot's id; empty: polling.
        listen: host and port for that.
        secret: of the webhooks; None: one for each bot that only its token tells.
        health: port of `/healthz`; None: it is not served (beside a webhook it always is).
        patience: of the pollers.
    """

    tokens: Sequence[SecretStr]
    url: str = API
    proxy: str | None = None
    webhook: str = ""
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    secret: SecretStr | None = None
    health: int | None = None
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class Met:
    """A bot of the program that Telegram has told us about."""

    token: SecretStr
    wire: Wire
    me: Me
    facts: Mapping[str, Any]
    """As `getMe` tells them."""
    pulse: Pulse


class Running:
    """The program at work; `meet` comes first, then `run`.

    Args:
        plan: how it is run.
        stands_by: told of a bot for which another process works.
        ready: told of a bot for which this one works from now on.

    Attributes:
        bots: those that were met.
        ports: where it listens: `health`, `webhook`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        stands_by: Callable[[Met], None] = lambda bot: None,
        ready: Callable[[Met], None] = lambda bot: None,
    ) -> None:
        self.plan, self._stands_by, self._ready = plan, stands_by, ready
        self._wires = [Wire(token, plan.url, proxy=plan.proxy) for token in plan.tokens]
        self._pulses = [Pulse(wire.id, polls=not plan.webhook) for wire in self._wires]
        self._receivers: dict[str, Receiver] = {}
        self.bots: list[Met] = []
        self.ports: dict[str, int] = {}
        self._failed: Callable[[], int] = lambda: 0

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[None]:
        """Health is told, and webhooks are heard, as long as this is entered. Raises ConfigError."""

        def told() -> tuple[int, dict[str, Any]]:
            return report(self._pulses, self._failed())

        async with AsyncExitStack() as stack:
            for wire in self._wires:
                stack.push_async_callback(wire.aclose)
            if self.plan.health is not None:
                at = listening(health_app(told), "127.0.0.1", self.plan.health)
                self.ports["health"] = await stack.enter_async_context(at)
            if self.plan.webhook:
                at = listening(webhook_app(told, self._receivers), *self.plan.listen)
                self.ports["webhook"] = await stack.enter_async_context(at)
            yield

    async def meet(self) -> Sequence[Met]:
        """Asks Telegram who the bots are; waits for a network that is not there yet.

        Raises:
            ConfigError: a token is refused.
        """
        for token, wire, pulse in zip(self.plan.tokens, self._wires, self._pulses, strict=True):
            try:
                facts = await _insist(wire, pulse, lambda wire=wire: wire.call("getMe"))
            except Deaf:
                raise ConfigError(
                    f"Telegram refuses the token of bot {wire.id}: correct TELEGRAM_BOT_TOKEN",
                    "config_telegram_refused",
                    bot=wire.id,
                ) from None
            facts = cast("dict[str, Any]", facts if isinstance(facts, dict) else {})
            reads = facts.get("can_read_all_group_messages") is True
            topics = facts.get("has_topics_enabled") is True
            me = Me(int(wire.id), str(facts.get("username", "")), reads, topics)
            self.bots.append(Met(token, wire, me, facts, pulse))
        return self.bots

    async def run(
        self,
        engine: ChatEngine,
        front: Frontend,
        voice: Voice,
        languages: Languages,
        chats: Chats,
        stop: asyncio.Event,
    ) -> None:
        """Works until `stop` is set. The engine must be open, `front` is attached with the first lease.

        Raises:
            Deaf: a bot hears nothing or is stuck, and waiting does not help.
            ConfigError: Telegram does not want the webhook.
        """
        self._failed = lambda: engine.delivery.failed

        async def one(bot: Met) -> None:
            await _menus(bot, engine, languages)
            clerk = Clerk(engine, bot.me, voice, languages, chats)
            await self._bot(bot, engine, clerk, lambda: engine.attach(front, live=True))

        await abreast(stop.wait(), *(one(bot) for bot in self.bots))

    async def _bot(self, bot: Met, engine: ChatEngine, clerk: Clerk, leased: Callable[[], None]) -> None:
        pulse, source, lanes = bot.pulse, bot.me.source, engine.lanes
        seconds, desk = engine.settings.lease, Desk(engine.store, bot.me, clerk)

        def waiting() -> None:
            if pulse.state not in ("lost", "standby"):
                pulse.turn("standby")
                self._stands_by(bot)

        if self.plan.webhook:  # by whomever the desk is run: what Telegram brings here is kept
            secret = self.plan.secret or secret_of(bot.token)
            self._receivers[str(bot.me.id)] = Receiver(engine.store, source, secret, desk.poke)
        while True:
            lease = Lease(engine.store, source, lanes.token(), lanes.fate, seconds)
            inherited = await lease.taken(waiting)
            pulse.turn("starting")
            if inherited:
                await _taken_back(engine, source)
            leased()
            self._ready(bot)
            hear = self._called(bot) if self.plan.webhook else self._polls(bot, engine, desk)
            watch = Watch(
                engine.store, source, pulse, turn=engine.settings.turn_timeout, held=lambda: clerk.held
            )
            try:
                await lease.during(abreast(desk.run(), hear, watch.run()))
            except LeaseLost:
                log.error("bot %s: another process works for it now", bot.wire.id)
                pulse.turn("lost", "the lease was lost")
            except Deaf as e:
                pulse.turn("deaf", str(e))
                raise

    async def _polls(self, bot: Met, engine: ChatEngine, desk: Desk) -> None:
        await _insist(bot.wire, bot.pulse, lambda: bot.wire.call("deleteWebhook"))
        poller = Poller(
            bot.wire, engine.store, bot.me.source, bot.pulse, desk.poke, patience=self.plan.patience
        )
        await poller.run()

    async def _called(self, bot: Met) -> None:
        url = f"{self.plan.webhook.rstrip('/')}/{bot.me.id}"
        secret = self.plan.secret or secret_of(bot.token)
        try:
            await _insist(bot.wire, bot.pulse, lambda: register(bot.wire, url, secret))
        except WireError as e:
            raise ConfigError(
                f"Telegram does not take the webhook: {e}", "config_telegram_webhook", reason=str(e)
            ) from None
        bot.pulse.succeeded()
        await asyncio.Event().wait()


async def _menus(bot: Met, engine: ChatEngine, languages: Languages) -> None:
    try:
        await set_menus(bot.wire, engine.store, TABLE, languages.words, await staff(engine.access))
    except StorageError as e:
        log.warning("bot %s: its menus are not set: %s", bot.wire.id, e)


async def _taken_back(engine: ChatEngine, source: str) -> None:
    try:
        await engine.delivery.take_back(source)
    except StorageError as e:  # it is sent a minute later
        log.warning("what was being sent when %s was killed waits: %s", source, e)


async def _insist(wire: Wire, pulse: Pulse, call: Callable[[], Any]) -> Any:
    """Tries until there is an answer.

    Raises:
        Deaf: the token is refused.
        WireError: the call is, and trying again would not help.
    """
    pause, longest = AGAIN
    while True:
        try:
            return await call()
        except WireError as e:
            if e.code in UNAUTHORIZED:
                raise Deaf("unauthorized", f"bot {wire.id}: {e}") from None
            if 400 <= e.code < 500 and e.code not in (409, 429):
                raise
            pulse.failed(str(e))
            log.warning("bot %s: %s", wire.id, e)
            await asyncio.sleep(max(pause, e.retry_after))
            pause = min(pause * 2, longest)
