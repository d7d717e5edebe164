"""`FakeTelegram`: the fake Bot API as an async context manager."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from aiohttp import web

from duihua.errors import ConfigError
from duihua.simulator.telegram.actor import User
from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.chats import Chat
from duihua.simulator.telegram.clock import Clock, RealClock
from duihua.simulator.telegram.control import Control
from duihua.simulator.telegram.faults import Faults
from duihua.simulator.telegram.groups import Group
from duihua.simulator.telegram.limits import Limits
from duihua.simulator.telegram.log import KEPT, Calls
from duihua.simulator.telegram.people import Person
from duihua.simulator.telegram.server import Server
from duihua.simulator.telegram.transcript import Transcript
from duihua.simulator.telegram.world import World

HOST = "127.0.0.1"
TOKEN = "700000001:AAFakeTokenOfTheFakeTelegramServer1"
"""The first bot's token."""


class FakeTelegram:
    """A Bot API on loopback. See the package for how it is used.

    Args:
        port: 0 takes a free one.
        clock: the time; a `ManualClock` lets tests turn it on.
        limits: of each bot.
        seed: of faults with a probability; None draws one.
        kept: messages that each chat remembers.
        kept_edits: earlier contents that each message remembers; a draft remembers ten times as many.
        kept_calls: calls that `calls` remembers.
        rich: whether it knows rich messages; False is a server of Bot API 10.0.
        log: gets every call as a line of JSON.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: Clock | None = None,
        limits: Limits | None = None,
        seed: int | None = None,
        kept: int = 200,
        kept_edits: int = 50,
        kept_calls: int = KEPT,
        rich: bool = True,
        log: io.BufferedIOBase | None = None,
    ) -> None:
        self.clock: Clock = clock or RealClock()
        self.world = World(self.clock, limits or Limits(), kept, kept_edits, rich=rich)
        self.faults = Faults(seed)
        self.calls = Calls(kept_calls, log)
        self.bot = self.add_bot(TOKEN, "duihua_bot", "对话")
        self.port = port
        self._server = Server(self.world, self.faults, self.calls)
        self._control = Control(self)
        self._transcript: Transcript | None = None
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> FakeTelegram:
        server = web.Server(self._answer, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self.port).start()
        except OSError as e:
            await runner.cleanup()
            raise ConfigError(
                f"the fake Bot API cannot listen on {HOST}:{self.port} ({e.strerror}); choose another port",
                "config_port",
                port=str(self.port),
            ) from e
        self._runner = runner
        self.port = runner.addresses[0][1]
        self.world.touch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bot in self.world.bots.values():
            bot.set_webhook(None)
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    # ------------------------------------------------------------ where it is

    @property
    def url(self) -> str:
        """For `TelegramAPIServer.from_base`."""
        return f"http://{HOST}:{self.port}"

    @property
    def listening(self) -> bool:
        """Whether it runs."""
        return self._runner is not None

    @property
    def token(self) -> str:
        """The first bot's token."""
        return self.bot.token

    # ------------------------------------------------------------ who is there

    def add_bot(
        self, token: str, username: str, name: str = "", *, privacy: bool = True, topics: bool = False
    ) -> Bot:
        """A further bot.

        Args:
            token: the number before the colon is its user id.
            username: without @.
            name: as people see it.
            privacy: in groups it gets only what is meant for it.
            topics: its private chats have topics.
        """
        return self.world.add_bot(token, username, name or username, privacy=privacy, topics=topics)

    def user(
        self, id_: int, name: str = "", *, username: str = "", language_code: str = "", premium: bool = False
    ) -> User:
        """A user; the same id gives the same user, changed where something is given."""
        person = self.world.users.get(id_)
        if person is None:
            person = self.world.users[id_] = Person(id_, name or f"User {id_}")
        person.first_name = name or person.first_name
        person.username = username or person.username
        person.language_code = language_code or person.language_code
        person.is_premium = premium or person.is_premium
        return User(self, person)

    def group(
        self,
        id_: int = -1_001_000_000_001,
        title: str = "Group",
        *,
        members: Iterable[User | Bot] = (),
        supergroup: bool | None = None,
        forum: bool = False,
    ) -> Group:
        """A group; the same id gives the same group. The first member owns it.

        Args:
            id_: below -1,000,000,000,000 it is a supergroup.
            title: its name.
            members: who is in it from the start; bots are told of it.
            supergroup: None decides by the id.
            forum: it has topics.
        """
        chat = self.world.groups.get(id_)
        if chat is not None:
            return Group(self.world, chat)
        large = id_ < -1_000_000_000_000 if supergroup is None else supergroup
        group = Group(self.world, self.world.add_group(id_, title, supergroup=large, forum=forum))
        for who in members:
            if group.chat.members:
                group.add(who)
            else:
                group.chat.members[who.person.id], group.chat.people[who.person.id] = "creator", who.person
        return group

    def chat(self, id_: int, bot: Bot | None = None) -> Chat:
        """A chat as its people see it; a private one with the first bot unless another is named.

        Raises:
            LookupError: there is none.
        """
        chat = self.world.find(bot or self.bot, id_)
        if chat is None:
            raise LookupError(f"there is no chat {id_}")
        return chat

    def inject(self, update: dict[str, Any], bot: Bot | None = None) -> int:
        """Queues an update just as it is, valid or not; returns its id."""
        return (bot or self.bot).push_raw(update)

    def inject_bytes(self, payload: bytes, kind: str = "message", bot: Bot | None = None) -> int:
        """Queues an update with a payload that is written as it is, JSON or not; returns its id."""
        return (bot or self.bot).push_bytes(kind, payload)

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Waits until something has happened; the condition is asked again after every event.

        Raises:
            TimeoutError: it did not happen within so many real seconds.
        """
        return await self.world.until(condition, seconds)

    @property
    def transcript(self) -> Transcript:
        """What happens, for people to read; from the first use on."""
        if self._transcript is None:
            self._transcript = Transcript(self.world)
        return self._transcript

    # ------------------------------------------------------------ the wire

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/bot"):
            try:
                return await self._server.answer(request)
            finally:
                self.world.touch()
        if path.startswith("/file/bot"):
            return await self._server.download(request)
        return await self._control.answer(request)
