"""Buttons, commands, groups, topics, and what becomes of chats."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramForbiddenError, TelegramMigrateToChat, TelegramNotFound
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichBlockBlockQuotation,
    InputRichBlockList,
    InputRichBlockListItem,
    InputRichBlockParagraph,
    InputRichBlockPreformatted,
    InputRichBlockSectionHeading,
    InputRichBlockTable,
    InputRichMessage,
    ReactionTypeEmoji,
    RichBlockTableCell,
    RichTextBold,
    RichTextUrl,
)

from duihua.simulator.telegram import FakeTelegram, ManualClock, User
from tests.simulator.telegram.conftest import close, connect, refusal


def keyboard(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=d or "empty", callback_data=d)] for d in data]
    )


async def test_a_button_is_pressed_and_answered(
    fake: FakeTelegram, bot: Bot, ada: User, clock: ManualClock
) -> None:
    await bot.send_message(42, "stop?", reply_markup=keyboard("stop"))
    query = ada.press(fake.chat(42).last, "stop")
    (update,) = await bot.get_updates()
    assert update.callback_query
    assert (update.callback_query.data, update.callback_query.from_user.id) == ("stop", 42)
    await bot.answer_callback_query(query, "done")
    assert fake.bot.answered[query]["text"] == "done"
    clock.advance(31)
    old = "query is too old and response timeout expired or query ID is invalid"
    assert await refusal(bot.answer_callback_query(query)) == old


async def test_buttons_are_checked(bot: Bot, ada: User) -> None:
    call = bot.send_message(42, "x", reply_markup=keyboard("字" * 22))
    assert await refusal(call) == "BUTTON_DATA_INVALID"
    assert (
        await refusal(bot.send_message(42, "x", reply_markup=keyboard("x" * 64, ""))) == "BUTTON_DATA_INVALID"
    )
    many = bot.send_message(42, "x", reply_markup=keyboard(*map(str, range(101))))
    assert await refusal(many) == "REPLY_MARKUP_TOO_LONG"
    bare = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="x")]])
    assert "Text buttons are unallowed" in await refusal(bot.send_message(42, "x", reply_markup=bare))


async def test_buttons_alone_can_be_changed(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await bot.send_message(42, "x", reply_markup=keyboard("a"))
    await bot.edit_message_reply_markup(chat_id=42, message_id=sent.message_id)
    assert not fake.chat(42).last.buttons
    same = bot.edit_message_reply_markup(chat_id=42, message_id=sent.message_id)
    assert "message is not modified" in await refusal(same)


async def test_commands_by_scope_and_language(fake: FakeTelegram, bot: Bot) -> None:
    chinese = [BotCommand(command="new", description="新对话")]
    await bot.set_my_commands(chinese, language_code="zh")
    assert await bot.get_my_commands() == []
    assert [c.description for c in await bot.get_my_commands(language_code="zh")] == ["新对话"]
    await bot.set_my_commands(chinese, scope=BotCommandScopeAllPrivateChats())
    await bot.delete_my_commands(language_code="zh")
    assert set(fake.bot.commands) == {("all_private_chats", "")}
    wrong = bot.set_my_commands([BotCommand(command="New", description="x")])
    assert await refusal(wrong) == "BOT_COMMAND_INVALID"


async def test_privacy_mode_hides_what_is_not_meant_for_the_bot(fake: FakeTelegram, bot: Bot) -> None:
    ada = fake.user(1, "Ada")
    group = fake.group(title="Friends", members=[ada, fake.bot])
    fake.bot.updates.clear()
    ada.say("hello all", group)
    ada.say("/ask@other_bot x", group)
    ada.say("/ask@duihua_bot x", group)
    sent = await bot.send_message(group.id, "yes?")
    ada.say("go on", group, reply_to=sent.message_id)
    assert [u.message.text for u in await bot.get_updates() if u.message] == ["/ask@duihua_bot x", "go on"]
    group.promote(fake.bot)
    fake.bot.updates.clear()
    ada.say("hello all", group)
    assert len(fake.bot.updates) == 1
    assert [m.status for m in await bot.get_chat_administrators(group.id)] == ["creator", "administrator"]


async def test_a_removed_bot_may_not_write(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    group = fake.group(-5, members=[ada, fake.bot])
    group.remove(fake.bot, by=ada)
    with pytest.raises(TelegramForbiddenError, match="Forbidden: bot was kicked from the group chat"):
        await bot.send_message(-5, "x")
    kinds = [u.event_type for u in await bot.get_updates()]
    assert kinds == ["my_chat_member", "message", "message", "my_chat_member"]


async def test_a_group_becomes_a_supergroup(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    group = fake.group(-5, members=[ada, fake.bot])
    fake.bot.updates.clear()
    new = group.migrate()
    with pytest.raises(TelegramMigrateToChat) as caught:
        await bot.send_message(-5, "x")
    assert caught.value.migrate_to_chat_id == new == group.id
    await bot.send_message(new, "x")
    told = [u.message for u in await bot.get_updates() if u.message]
    assert (told[0].migrate_to_chat_id, told[1].migrate_from_chat_id) == (new, -5)


async def test_topics_of_a_forum(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    group = fake.group(members=[ada, fake.bot], forum=True)
    assert await refusal(bot.create_forum_topic(group.id, "news")) == "not enough rights to create a topic"
    group.promote(fake.bot)
    topic = await bot.create_forum_topic(group.id, "news")
    sent = await bot.send_message(group.id, "x", message_thread_id=topic.message_thread_id)
    assert sent.is_topic_message
    await bot.edit_forum_topic(group.id, topic.message_thread_id, name="old news")
    await bot.close_forum_topic(group.id, topic.message_thread_id)
    assert group.chat.topics[topic.message_thread_id].closed
    await bot.delete_forum_topic(group.id, topic.message_thread_id)
    gone = bot.send_message(group.id, "x", message_thread_id=topic.message_thread_id)
    assert await refusal(gone) == "message thread not found"


async def test_topics_of_a_private_chat(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    assert await refusal(bot.create_forum_topic(42, "x")) == "the chat is not a forum"
    fake.bot.topics = True
    assert (await bot.get_me()).has_topics_enabled
    topic = await bot.create_forum_topic(42, "x")
    ada.say("in it", thread=topic.message_thread_id)
    (update,) = await bot.get_updates()
    assert update.message
    assert (update.message.message_thread_id, update.message.is_topic_message) == (
        topic.message_thread_id,
        True,
    )


async def test_what_is_told_of_chats(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    group = fake.group(members=[ada, fake.bot])
    assert (await bot.get_chat(42)).first_name == "Ada"
    assert (await bot.get_chat_member(group.id, 42)).status == "creator"
    assert await refusal(bot.get_chat_member(group.id, 9)) == "user not found"
    message = ada.say("x")
    await bot.set_message_reaction(42, message.id, [ReactionTypeEmoji(emoji="👀")])
    assert fake.chat(42).reactions[message.id, fake.bot.id][0]["emoji"] == "👀"
    await bot.leave_chat(group.id)
    with pytest.raises(TelegramForbiddenError, match="bot is not a member of the supergroup chat"):
        await bot.send_message(group.id, "x")


async def test_a_paste_is_cut_as_apps_do(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    sent = await ada.paste("a" * 4_095 + "😀" * 3_000, gap=0)
    assert [len(m.text) for m in sent] == [4_095, 2_048, 952]


async def test_an_edit_is_told(bot: Bot, ada: User) -> None:
    ada.edit(ada.say("helo"), "hello")
    updates = await bot.get_updates()
    assert [u.event_type for u in updates] == ["message", "edited_message"]


async def test_bots_have_chats_of_their_own(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    second = fake.add_bot("700000002:AAsecond", "second_bot")
    other = connect(fake, second.token)
    ada.say("to the second", second)
    assert await bot.get_updates() == []
    await other.send_message(42, "hi")
    assert (fake.chat(42, second).last.text, fake.chat(42).last.text) == ("hi", "hello")
    await close(other)


# ---------------------------------------------------------------- rich messages


def rich(*blocks: object) -> InputRichMessage:
    return InputRichMessage(blocks=list(blocks))


async def test_a_rich_message_comes_back(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    cells = [[RichBlockTableCell(align="left", valign="top", text=t) for t in "ab"]]
    items = [InputRichBlockListItem(blocks=[InputRichBlockParagraph(text=["x", RichTextBold(text="y")])])]
    sent = await bot.send_rich_message(
        42, rich(InputRichBlockTable(cells=cells), InputRichBlockList(items=items))
    )
    assert sent.rich_message
    assert [b.type for b in sent.rich_message.blocks] == ["table", "list"]
    assert fake.calls[-1].text == "a\nb\n•\nxy"
    await bot.edit_message_text(
        chat_id=42, message_id=sent.message_id, rich_message=rich(InputRichBlockParagraph(text="z"))
    )
    await bot.edit_message_text("plain", chat_id=42, message_id=sent.message_id)
    assert fake.chat(42).last.rich is None


async def test_rich_limits(bot: Bot, ada: User) -> None:
    def send(*blocks: object) -> object:
        return bot.send_rich_message(42, rich(*blocks))

    line = InputRichBlockParagraph(text="x")
    assert await refusal(send()) == "RICH_MESSAGE_CONTENT_REQUIRED"
    assert await refusal(send(InputRichBlockParagraph(text="x" * 32_769))) == "rich message is too long"
    assert await refusal(send(*[line] * 501)) == "rich message has too many blocks"
    row = [RichBlockTableCell(align="left", valign="top", text="x")] * 21
    assert await refusal(send(InputRichBlockTable(cells=[row]))) == "rich message table has too many columns"
    deep: object = line
    for _ in range(16):
        deep = InputRichBlockList(items=[InputRichBlockListItem(blocks=[deep])])
    assert await refusal(send(deep)) == "rich message is nested too deeply"
    assert "heading size" in await refusal(send(InputRichBlockSectionHeading(text="x", size=7)))
    link = RichTextUrl(text="x", url="./x")
    assert await refusal(send(InputRichBlockParagraph(text=link))) == "RICH_MESSAGE_URL_INVALID"


@pytest.mark.parametrize(
    "block",
    [
        InputRichBlockSectionHeading(text=" ", size=1),
        InputRichBlockPreformatted(text=""),
        InputRichBlockBlockQuotation(blocks=[]),
        InputRichBlockList(items=[InputRichBlockListItem(blocks=[])]),
    ],
)
async def test_a_block_without_content_is_refused(bot: Bot, ada: User, block: object) -> None:
    assert await refusal(bot.send_rich_message(42, rich(block))) == "RICH_MESSAGE_CONTENT_REQUIRED"


async def test_an_older_server_has_no_rich_messages(fake: FakeTelegram, bot: Bot, ada: User) -> None:
    fake.world.rich = False
    line = InputRichBlockParagraph(text="x")
    with pytest.raises(TelegramNotFound):
        await bot.send_rich_message(42, rich(line))
    sent = await bot.send_message(42, "y")
    edit = bot.edit_message_text(chat_id=42, message_id=sent.message_id, rich_message=rich(line))
    assert await refusal(edit) == "message text is empty"
