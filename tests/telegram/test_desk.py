"""What people send, from the fake's door to the session and back."""

from __future__ import annotations

import asyncio

from duihua.ports import Request
from duihua.simulator.telegram import FakeTelegram, User
from tests.telegram.conftest import Start


def echo(request: Request) -> str:
    return "you said " + request.packed.messages[-1].decode().partition('"content":"')[2].partition('"')[0]


async def test_a_message_is_answered(fake: FakeTelegram, ada: User, start: Start) -> None:
    life = await start(echo)
    ada.say("hello")
    await fake.until(lambda: fake.chat(42).answers)
    assert fake.chat(42).last.text == "you said hello"
    assert await life.engine.store.arrived("telegram/700000001") == []
    await asyncio.sleep(0)
