"""A strict fake of Telegram's Bot API on loopback, with people who use it.

    async with FakeTelegram() as fake:
        session = AiohttpSession(api=TelegramAPIServer.from_base(fake.url))
        bot = aiogram.Bot(fake.token, session=session)
        ada = fake.user(42, "Ada", language_code="en")
        ada.say("hello")                            # an update for the bot
        ...                                         # the bot answers
        await fake.until(lambda: fake.chat(42).answers)
        assert fake.chat(42).last.text == "hi"

`fake.url`, `fake.token`: where it is, and the first bot; `fake.add_bot(token, username)` adds more.
`fake.user(id, ...)`: a `User` with the verbs of an app: say, paste, photo, album, document, voice, audio,
edit, press, stop, react, block, unblock, topic, join, leave. `fake.group(id, ...)`: a `Group`: add, remove,
promote, demote, topic, migrate. `fake.inject(update)` queues any update, invalid ones too.
`fake.chat(id)`: what a user sees: `messages`, `shown`, `answers`, `last`, `draft()`; a message has `text`,
`entities`, `buttons`, `versions`, `deleted`.
`fake.faults.add(kind, method=..., chat=..., nth=..., probability=...)`: what goes wrong.
`fake.calls`: every call with its outcome, `fake.calls.of("sendMessage", chat=42)`; `fake.bot.budget.gauges`:
how near the limits it came. `FakeTelegram(clock=ManualClock())`: time passes by `clock.advance(seconds)`.
"""

from __future__ import annotations

from duihua.simulator.telegram.actor import User
from duihua.simulator.telegram.app import run
from duihua.simulator.telegram.bots import Bot
from duihua.simulator.telegram.clock import Clock, ManualClock, RealClock
from duihua.simulator.telegram.fake import FakeTelegram
from duihua.simulator.telegram.faults import Faults, Rule
from duihua.simulator.telegram.groups import Group
from duihua.simulator.telegram.limits import NO_LIMITS, Limits
from duihua.simulator.telegram.log import Call, Calls

__all__ = [
    "NO_LIMITS",
    "Bot",
    "Call",
    "Calls",
    "Clock",
    "FakeTelegram",
    "Faults",
    "Group",
    "Limits",
    "ManualClock",
    "RealClock",
    "Rule",
    "User",
    "run",
]
