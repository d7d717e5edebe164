"""The smallest front end there can be, for tests of intake: whole answers as plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
from pydantic import SecretStr

from duihua.commands import Document
from duihua.errors import NotSent
from duihua.events import AnyEvent
from duihua.messages import Address
from duihua.ports import Send
from duihua.telegram.clerk import Voice
from duihua.telegram.wire import Wire, WireError


class PlainFront:
    """Sends the text of the outbox; what commands answer goes the same way."""

    name = "telegram"

    def __init__(self, url: str, *tokens: str) -> None:
        self._wires = {token.partition(":")[0]: Wire(SecretStr(token), url) for token in tokens}
        self.documents: list[Document] = []

    async def present(self, address: Address, events: AsyncIterator[AnyEvent]) -> None:
        async for _ in events:
            pass

    async def send(self, send: Send) -> str:
        body = orjson.loads(send.body)
        return await self.say(send.address, body.get("text") or body.get("error") or "-")

    async def say(self, place: Address, text: str, reply_to: int = 0) -> str:
        fields = {"chat_id": place.chat, "text": text}
        if place.topic:
            fields["message_thread_id"] = place.topic
        if reply_to:
            fields["reply_parameters"] = {"message_id": reply_to}
        try:
            return str((await self._wires[place.bot].call("sendMessage", fields))["message_id"])
        except WireError as e:
            raise NotSent(str(e), 0.05) from e

    async def give(self, place: Address, document: Document, reply_to: int = 0) -> None:
        self.documents.append(document)

    async def answer(self, query: str, text: str = "") -> None:
        wire = next(iter(self._wires.values()))
        await wire.call("answerCallbackQuery", {"callback_query_id": query, "text": text})

    @property
    def voice(self) -> Voice:
        return Voice(self.say, self.give, self.answer)

    async def aclose(self) -> None:
        for wire in self._wires.values():
            await wire.aclose()
