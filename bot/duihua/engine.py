"""The engine: puts store, platforms, skills, personas and front ends together, and owns their lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from duihua.access import Access
from duihua.brief import Brief, Rules, Usual
from duihua.briefs import Briefs
from duihua.calibrations import Calibrations
from duihua.config import Settings, zone
from duihua.contexts import Contexts
from duihua.delivery import Delivery
from duihua.errors import DuihuaError, NotFound
from duihua.events import AnyEvent
from duihua.finder import Finder
from duihua.following import Reply
from duihua.frontends import Frontends
from duihua.history import History
from duihua.lanes import Lanes
from duihua.long_term import LongTermMemory
from duihua.memories import Recall
from duihua.messages import Address, Part, TurnRef
from duihua.options import ModelOptions
from duihua.platforms import Platforms
from duihua.ports import Accepted, Frontend, Input, Limiter, Provider, Skill, Store, Work
from duihua.preview import Previews
from duihua.prices import Prices
from duihua.redact import install
from duihua.relay import Relay
from duihua.reminding import Reminding
from duihua.roster import Roster
from duihua.session import Session
from duihua.skills.gate import Gate
from duihua.skills.loading import Loaded
from duihua.skills.mcp import Hub
from duihua.skills.mcp import load as load_servers
from duihua.skills.registry import Registry
from duihua.skills.repertoire import Repertoire
from duihua.supplies import Supplies
from duihua.tasking import Tasking
from duihua.turn import Turns

if TYPE_CHECKING:
    from duihua_prompts import PersonaLibrary

SETTLE = 5.0
"""Seconds that the first turn waits for the MCP servers to tell what they can do."""


class ChatEngine(Tasking):
    """Many conversations over one store. Use it as an async context manager.

    What platforms can do beyond chat are methods, too: `complete`, `embed`, `draw` and others (`able.Able`),
    `start` and `result` for what they do in the background (`tasking.Tasking`).

    Args:
        model: `provider/model`, or several parted by commas: where one is overloaded, silent or out of reach
            before its first word, the next one answers. None: the setting `DUIHUA_MODEL`.
        skills: what models may call; None: those that `DUIHUA_SKILLS` names, be they bundled, installed or
            in the folder `DUIHUA_SKILLS_DIR`. One that cannot be loaded is logged and left out: `loaded`.
        settings: None: read from the environment and `.env`, once, now.
        store: None: the database of `DUIHUA_DATABASE_URL`.
        provider: clients by name that are used instead of our own (tests, platforms of your own).
        limiter: keeps within the platforms' rates; None: one of our own, in this process.
        recall: finds past turns and facts; None: our own search over the store.
        clock: seconds since the epoch, for what people see of time: skills, consents that expire,
            reminders, memory. Time-outs run on the event loop and leases on the database:
            no test can move those.

    Raises:
        ConfigError: a setting is wrong. MissingKey: the key of a model's platform is not set.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        skills: Sequence[Skill] | None = None,
        settings: Settings | None = None,
        store: Store | None = None,
        provider: Mapping[str, Provider] | None = None,
        limiter: Limiter | None = None,
        recall: Recall | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from duihua_prompts import PersonaLibrary, language

        super().__init__()
        install()  # an application's own logging at DEBUG must not show keys that stand in URLs
        self.settings, self.clock = settings or Settings.load(), clock
        self.model = model or self.settings.model
        self.locale = language(self.settings.lang)
        self.timezone = zone(self.settings.timezone)
        self.prices = Prices.load(self.settings.prices)
        self.repertoire = Repertoire(self.settings, skills)
        self.mcp = Hub(
            load_servers(self.settings.mcp_servers),
            partial(self.repertoire.invite, "mcp"),
            self.repertoire.taken,
        )
        self.personas: PersonaLibrary = PersonaLibrary(self.settings.personas_dir)
        self.relay = Relay()
        self._open = False
        self._aside: ChatEngine | None = None
        self._beginning = asyncio.Lock()
        self.store: Store = store or self._make_store()
        self.access = Access(self.store, self.settings, clock, self._fired)
        self.contexts = Contexts(self.store, lambda: self.briefs.forget())
        self.platforms = Platforms(self.settings, self.store, self.contexts, given=provider, limiter=limiter)
        self.finder = Finder(self.settings, self.platforms, self.model)
        self.calibrations = Calibrations(self.store)
        self.platforms.resolve_all(self.model)
        self.personas.get(self.settings.persona)
        self.frontends = Frontends(self.store)
        self.delivery = Delivery(self.store, self.frontends.attached)
        self.reminding = Reminding(self.store, self._fired, clock)
        self.supplies = Supplies(
            self.settings,
            Gate(self.access.is_admin),
            self.reminding,
            self.frontends.attached,
            draw=lambda prompt, size: self.draw(prompt, size=size),
            timezone=self.timezone,
        )
        usual = Usual(self.model, self.locale, self.timezone)
        self.briefs = Briefs(
            self.settings, self.platforms, self.personas, self.repertoire, self.supplies, self.prices, usual
        )
        self.history = History(self.store)
        self.lanes = Lanes(self.store, self._run, lease=self.settings.lease)
        memory = LongTermMemory(
            self.settings,
            self.store,
            self.platforms,
            self.calibrations,
            self.prices,
            embed=self.embed,
            titled=self.frontends.entitle,
            recall=recall,
            usual=usual,
            clock=clock,
        )
        self.recall, self.recollection, self.upkeep = memory.recall, memory.recollection, memory.upkeep
        self.previews = Previews(self.store, self.recollection, self.briefs, self.is_admin)
        self.roster = Roster(self.store, self.lanes, self.relay, self.history, self.recollection, self.upkeep)
        self._turns = Turns(
            self.store,
            self.relay,
            self.history,
            self._brief,
            Rules.of(self.settings, clock),
            self.platforms.circuits,
            self.recollection,
            self.calibrations,
            opened=self.frontends.show,
            finished=self._fired,
            ended=self.upkeep.ended,
        )

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> ChatEngine:
        await self.store.open()
        await self.platforms.load(self.model)
        for provider, model, _ in self.platforms.resolve_all(self.model):
            await self.calibrations.load(f"{provider.name}/{model}")
        self._open = True
        await self.mcp.open(self.store)
        self.lanes.open()
        self.upkeep.open()
        self.delivery.open()
        self.reminding.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets running turns finish for a while, hands over the others, closes everything."""
        if not self._open:
            return
        self._open = False
        async with AsyncExitStack() as last:  # whatever fails to close, the others are closed
            last.push_async_callback(self.store.aclose)
            last.push_async_callback(self.supplies.aclose)
            last.push_async_callback(self.platforms.aclose)
            if self._aside is not None:
                last.push_async_callback(self._aside.aclose)
            last.push_async_callback(self.mcp.aclose)
            await self.lanes.aclose(self.settings.shutdown_timeout)
            await self.upkeep.aclose()
            await self.reminding.aclose()
            self.relay.close()
            await self.delivery.aclose()
            await self.contexts.aclose()
            await self.calibrations.aclose()
            await self.frontends.aclose()

    async def aside(self) -> ChatEngine:
        """An engine beside this one that keeps conversations in memory alone: see `Session.private`."""
        self.check_open()
        async with self._beginning:
            if self._aside is None:
                values = {"DUIHUA_MEMORY": "off", "DUIHUA_DATABASE_URL": "sqlite+aiosqlite://"}
                values["DUIHUA_MCP_SERVERS"] = ""  # it is given what the servers here offer
                aside = ChatEngine(
                    self.model,
                    skills=(),
                    settings=self.settings.replaced(values),
                    provider=self.platforms.clients,
                    limiter=self.platforms.limiter,
                    clock=self.clock,
                )
                aside.repertoire = aside.briefs.repertoire = self.repertoire
                aside.supplies.gate = Gate(partial(self.access.is_admin, store=aside.store))  # roles are here
                aside.supplies.lasting = False
                aside.frontends.share(self.frontends)
                aside.delivery = Delivery(aside.store, aside.frontends.attached)
                await aside.__aenter__()
                self._aside = aside
        return self._aside

    def attach(self, frontend: Frontend, *, live: bool = False) -> None:
        """Delivers the outbox of the front end's addresses to it; `live`: shows it running turns too."""
        self.frontends.attach(frontend, live=live)
        self.delivery.poke()

    def use_skills(self, source: str, skills: Sequence[Skill]) -> None:
        """Offers these beside the engine's own skills, in place of what `source` offered before.

        A turn that runs keeps what it began with. A name that is taken stays with its owner.
        """
        self.repertoire.invite(source, skills)

    @property
    def registry(self) -> Registry:
        """The skills that there are now."""
        return self.repertoire.registry

    @property
    def loaded(self) -> Loaded:
        """The skills that were loaded, and those that could not be."""
        return self.repertoire.loaded

    async def deliver(self) -> None:
        """Sends what the attached front ends owe now, due reminders too, and returns when it is sent."""
        await self.reminding.ring()
        await self.delivery.flush()
        if self._aside is not None:
            await self._aside.deliver()

    async def reload_skills(self) -> Loaded:
        """Reads the skills again, those of the folder from their files; skills given in code stay.

        Turns that begin from now on have the new ones, turns that are running keep theirs.

        Returns:
            what was loaded, and what was not and why.

        Raises:
            ConfigError: two skills have one name, or the folder is gone. The old ones stay then.
        """
        return await self.repertoire.reload()

    async def is_admin(self, address: Address, user: int) -> bool:
        """Whether the person with this `users.id` is an administrator when they speak there."""
        return await self.supplies.gate.is_admin(address, user)

    # ------------------------------------------------------------ use

    def session(self, to: str | Address, *, name: str = "", external: str = "") -> Session:
        """The handle of a conversation: of an address, or of a name of your own (front `embed`).

        Args:
            to: name or address.
            name: what the person who speaks is called.
            external: the person's id at the front end; empty: one person per session.
        """
        address = Address("embed", to) if isinstance(to, str) else to
        return Session(self, address, name=name, external=external)

    async def ask(self, key: str, text: str, *, options: ModelOptions | None = None) -> Reply:
        """Says something in the session `key` and returns the whole reply."""
        return await self.session(key).ask(text, options=options)

    def stream(self, key: str, text: str, *, options: ModelOptions | None = None) -> AsyncIterator[AnyEvent]:
        """Says something in the session `key` and yields the turn's events."""
        return self.session(key).say(text, options=options)

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[AnyEvent]]:
        """All events of this process; a slow subscriber loses the oldest and never slows a turn."""
        return self.relay.subscribe()

    async def forget_user(self, front: str, external: str, tenant: str = "main") -> int:
        """Erases a person with everything stored about them; returns how many sessions went."""
        user = await self.store.user(tenant, front, external)
        return await self.forget_person(user) if user is not None else 0

    async def forget_person(self, user: int) -> int:
        """Erases the person with this `users.id`; returns how many sessions went."""
        count, sessions = await self.roster.forget_person(user)
        if self._aside is not None:
            for info in sessions:
                if private := await self._aside.store.session(info.address):
                    await self._aside.roster.forget(private)
        return count

    async def erase(self, turns: Sequence[TurnRef]) -> int:
        """Erases turns with everything derived from them; returns how many turns."""
        return await self.roster.forget_turns(turns)

    async def move_chat(self, address: Address, chat: str) -> None:
        """A chat has got another id: its conversations go there, with all that they have and owe."""
        await self.roster.move_chat(address, chat)
        if self._aside is not None:
            await self._aside.move_chat(address, chat)
        self.delivery.poke()

    async def unhear_chat(self, address: Address) -> None:
        """Erases what was overheard in all conversations of a chat, and was not given to a model yet."""
        await self.roster.unhear_chat(address)
        if self._aside is not None:
            await self._aside.unhear_chat(address)

    async def export_user(
        self, front: str, external: str, tenant: str = "main", *, files: bool = False
    ) -> Mapping[str, Any]:
        """Everything stored about a person, as plain data; `files`: with the bytes of attachments.

        `exporting.to_json` and `exporting.markdown` write it out.

        Raises:
            NotFound: nobody is known by this id at this front end.
        """
        user = await self.store.user(tenant, front, external)
        if user is None:
            raise NotFound("user", f"{front}/{external}")
        return await self.store.export(user, files=files)

    # ------------------------------------------------------------ for handles

    def check_open(self) -> None:
        """Raises DuihuaError if the engine is not running."""
        if not self._open:
            raise DuihuaError("the engine is closed; use it inside `async with ChatEngine(...)`")

    async def accept(self, input: Input) -> Accepted:
        """Writes an input down and sets its session to work."""
        self.check_open()
        claim = self.store.accept(
            input, cap=self.settings.max_pending, token=self.lanes.token(), lease=self.lanes.lease
        )
        return await self.lanes.claiming(claim, self._begin)

    def _begin(self, accepted: Accepted) -> None:
        self.upkeep.begun(accepted.session)
        if accepted.work is not None:
            self._turns.open(accepted.work)
            self.lanes.start(accepted.work)

    async def check(self, address: Address, parts: Sequence[Part], options: ModelOptions | None) -> None:
        """Refuses what the session's model cannot take, before it is accepted."""
        self.check_open()
        settings = await self.roster.settings(address)
        brief = self.briefs.of(settings, options=options)
        brief.dialect.admit(brief.system, parts)

    def drop(self, address: Address, session: int) -> None:
        """Forgets what is kept in memory of a session."""
        self.roster.drop(address, session)

    # ------------------------------------------------------------ inside

    async def _run(self, work: Work, lane: Any) -> Work | None:
        try:
            return await self._turns.run(work, lane)
        finally:
            self.platforms.measure(str(work.settings.get("model") or self.model))

    async def _brief(self, work: Work) -> Brief:
        await self.mcp.settled(SETTLE)
        return await self.briefs.of_work(work)

    def _fired(self) -> None:
        self.delivery.poke()  # of now: `aside` gets another one later

    def _make_store(self) -> Store:
        from duihua_storage import open_store

        return open_store(
            self.settings.database_url,
            synchronous=self.settings.sqlite_synchronous,
            lease=int(self.settings.lease * 1000),
        )
