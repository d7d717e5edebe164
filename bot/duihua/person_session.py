"""What a session's handle can do for the person who speaks: who it is, and which identities are theirs."""

from __future__ import annotations

from duihua.codes import new_code
from duihua.place import Handle

CODE_SECONDS = 600
"""How long a code that joins identities is good for."""


class PersonSession(Handle):
    """The verbs of the person whose handle it is, also where several people share the conversation."""

    __slots__ = ()

    @property
    def speaker(self) -> str:
        """The person whose handle this is, as `front/id`."""
        return f"{self.address.front}/{self._place.external or self.address.chat}"

    async def is_admin(self) -> bool:
        """Whether the person whose handle this is is an administrator: by the settings, or by their role."""
        return await self._place.home.is_admin(self.address, await self._place.speaker())

    async def link_code(self) -> str:
        """A code by which another identity of the same person joins this one, once, within ten minutes.

        Ask for it only where nobody else reads along.
        """
        code = new_code()
        await self._place.home.store.offer_link(await self._place.speaker(), code, seconds=CODE_SECONDS)
        return code

    async def disclosed(self, code: str) -> bool:
        """A code was said where others read along: it is good for nothing any more. False: it was none."""
        self._place.home.check_open()
        return await self._place.home.store.void(code)

    async def link(self, code: str) -> bool:
        """Joins the person whose handle this is to the one who was given `code`, for good.

        Both share conversations, facts and everything else from then on. False: the code is not right, too
        old or used, or too many were tried.
        """
        home, info = await self._place.person()
        await home.upkeep.settle(info.id)
        person = await home.store.link(await self._place.speaker(), code)
        if person is None:
            return False
        for known in await home.store.sessions(person):
            home.drop(known.address, known.id)
        return True
