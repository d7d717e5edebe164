"""The commands that the apps offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duihua.simulator.telegram import FakeTelegram, User
from duihua.telegram.clerk import TABLE
from duihua_prompts import Catalogue
from tests.telegram.life import living
from tests.telegram.test_desk import answers

CALLS = ("setMyCommands", "deleteMyCommands")


def menu(fake: FakeTelegram, scope: str, lang: str = "") -> dict[str, str]:
    return {item["command"]: item["description"] for item in fake.bot.commands[scope, lang]}


async def test_each_scope_has_its_commands_in_both_languages(
    fake: FakeTelegram, ada: User, start: Callable[..., Any]
) -> None:
    ada.say("/start")
    await start()
    await fake.until(lambda: fake.bot.waiting)
    assert menu(fake, "chat:42") == {c.name: c.about(Catalogue("en")) for c in TABLE.commands}
    private, group = menu(fake, "all_private_chats", "zh"), menu(fake, "all_group_chats")
    assert private["reminders"] == "查看或取消提醒"
    assert {"start", "memory"} <= private.keys()
    assert "access" not in private
    assert "ask" in group
    assert not {"start", "memory", "access"} & group.keys()
    assert "memory" in menu(fake, "all_chat_administrators")


async def test_menus_are_set_when_they_have_changed_alone(
    fake: FakeTelegram, ada: User, database_url: str
) -> None:
    async def calls(**given: Any) -> dict[str, int]:
        before = {name: fake.calls.counts[name] for name in CALLS}
        ada.say("/start")
        count = len(answers(fake))
        async with living(fake, database_url=database_url, **given):
            await fake.until(lambda: len(answers(fake)) > count)
        return {name: fake.calls.counts[name] - before[name] for name in CALLS}

    assert await calls(owners=("telegram/42", "telegram/43")) == {"setMyCommands": 10, "deleteMyCommands": 0}
    fake.user(43, "Bob").say("/start")  # his chat was not there yet, so that one was refused
    assert await calls(owners=("telegram/42", "telegram/43")) == {"setMyCommands": 2, "deleteMyCommands": 0}
    assert await calls() == {"setMyCommands": 0, "deleteMyCommands": 2}
    assert await calls() == {"setMyCommands": 0, "deleteMyCommands": 0}
