"""What a message brings beside its text is read, which may take long: a stop ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from duihua.telegram.incoming import Refusal, Taken, parts_of, pointed_at

if TYPE_CHECKING:
    from duihua.engine import ChatEngine
    from duihua.messages import Address
    from duihua.telegram.api import Api
    from duihua.telegram.updates import Said


class Reader:
    """Reads for one bot.

    Args:
        engine: whose models are to answer.
        api: the bot's.
    """

    def __init__(self, engine: ChatEngine, api: Api) -> None:
        self._engine, self._api = engine, api
        self._reading: dict[str, asyncio.Timeout] = {}

    async def read(self, said: Said, text: str) -> Taken | Refusal | None:
        """For the model: what was said and what came with it; None: somebody stopped that.

        Args:
            said: the message.
            text: what it says without a command.
        """
        if not brings(said):
            return Taken(said.asks(text))
        scope, key = asyncio.timeout(None), said.address.key
        try:
            async with scope:
                self._reading[key] = scope
                try:
                    return await parts_of(
                        said.sent, self._api, self._engine, address=said.address, text=said.pieces(text)
                    )
                finally:
                    if self._reading.get(key) is scope:  # a group that moves may have another one here
                        del self._reading[key]
        except TimeoutError:
            if not scope.expired():
                raise
            return None

    def stop(self, address: Address) -> bool:
        """Ends what is read for a conversation; False: nothing is."""
        scope = self._reading.get(address.key)
        if scope is None or scope.expired():
            return False
        scope.reschedule(asyncio.get_running_loop().time())
        return True


def brings(said: Said) -> bool:
    """Whether there is more than text for the model to read, in the message or in what it points at."""
    return bool(said.media or (said.sent and pointed_at(said.sent[0])))
