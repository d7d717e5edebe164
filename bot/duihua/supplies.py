"""What an engine's skills are given to work with, and who may have them called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING

from duihua.abilities import Drawing
from duihua.config import Settings
from duihua.errors import NoSuchAbility, ProviderError, SkillError
from duihua.escapes import one_line
from duihua.messages import Address, Attachment
from duihua.ports import Skill, Work
from duihua.reminding import Own, Reminding
from duihua.skills.gate import Gate

if TYPE_CHECKING:
    import httpx

    from duihua.skills.guard import Guard

Draw = Callable[[str, str | None], Awaitable[Drawing]]
"""Draws a prompt in a size, by any platform that can."""


class Supplies:
    """One for all sessions of an engine; nothing is opened before a skill uses it.

    Args:
        settings: of the network.
        gate: refuses calls.
        reminding: keeps reminders.
        reached: the front ends that deliver, by name.
        draw: draws.
        timezone: of everybody; None: the machine's.

    Attributes:
        lasting: whether what is said outlives the process.
        guard: keeps the skills' HTTP clients from what they must not reach; None: none was needed yet.
    """

    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        reminding: Reminding,
        reached: Container[str],
        *,
        draw: Draw,
        timezone: tzinfo | None,
    ) -> None:
        self._settings, self.gate, self._reminding, self._reached = settings, gate, reminding, reached
        self._draw, self._timezone = draw, timezone
        self.lasting = True
        self.guard: Guard | None = None
        self._http: httpx.AsyncClient | None = None

    def client(self, skill: Skill) -> httpx.AsyncClient:
        """The HTTP client for one call of a skill."""
        if self.guard is None:
            from duihua.skills.guard import Guard  # brings httpx along

            self.guard = Guard(proxy=self._proxy, networks=self._settings.skills_networks)
        return self.guard.client(skill, self._settings.of_skill(skill.name))

    def reminders(self, session: int, address: Address, person: int) -> Own:
        """The reminders of a session, for whoever speaks there."""
        shared = partial(self.gate.is_admin, address, person) if address.shared else None
        return self._reminding.of(session, person, self._timezone, shared=shared)

    def reminds(self, work: Work, person: int) -> Own | None:
        """The reminders that skills of a turn may arm; None where nobody could deliver them."""
        front = work.address.front
        if not self.lasting or (front == "embed" and front not in self._reached):
            return None
        return self.reminders(work.turn.ref.session, work.address, person)

    async def draw(self, prompt: str, size: str) -> list[Attachment]:
        """Images of `prompt`, as skills get them. Raises SkillError."""
        from duihua.drawings import attachments

        try:
            drawing = await self._draw(prompt, size or None)
        except (ProviderError, NoSuchAbility) as e:
            raise SkillError(f"nothing could be drawn: {one_line(str(e), 500)}") from None
        return await attachments(drawing, self._plain())

    async def aclose(self) -> None:
        """Closes what was opened."""
        try:
            if self._http is not None:
                await self._http.aclose()
        finally:
            if self.guard is not None:
                await self.guard.aclose()

    @property
    def _proxy(self) -> str | None:
        proxy = self._settings.proxy
        return proxy.get_secret_value() if proxy else None

    def _plain(self) -> httpx.AsyncClient:
        """A client of our own, for images that platforms give as addresses."""
        if self._http is None:
            from duihua.providers.http import client

            self._http = client(proxy=self._proxy)
        return self._http
