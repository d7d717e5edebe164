from __future__ import annotations

from typing import Any

import pytest

from duihua.commands import (
    COMMON,
    QUIT,
    CommandTable,
    Confirm,
    Input,
    Invocation,
    Present,
    Quit,
    Show,
    UnknownCommand,
)
from duihua.errors import NotFound
from duihua.escapes import columns
from duihua.messages import Address
from duihua_prompts import Catalogue
from tests.fake_engine import FakeEngine, FakeSession

WORDS = Catalogue("en")
TABLE = CommandTable((*COMMON, QUIT))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def session(engine: FakeEngine) -> FakeSession:
    return engine.session(Address("terminal", "default"))


async def run(line: str, session: FakeSession, words: Catalogue = WORDS) -> Any:
    invocation = TABLE.parse(line)
    assert isinstance(invocation, Invocation)
    return await TABLE.run(invocation, session, session.engine, words)  # type: ignore[arg-type]


async def say(session: FakeSession, text: str) -> None:
    async for _ in session.say(text):
        pass


@pytest.mark.parametrize(
    ("line", "name", "args"),
    [
        ("/help", "help", ""),
        ("/HELP ", "help", ""),
        ("/persona coder", "persona", "coder"),
        ("/persona\t coder \n", "persona", "coder"),
        ("/exit", "quit", ""),
        ("\uff0fhelp", "help", ""),
        ("/帮助", "help", ""),
        ("/人设 coder", "persona", "coder"),
    ],
)
def test_a_command_is_a_slash_and_its_name(line: str, name: str, args: str) -> None:
    found = TABLE.parse(line)
    assert isinstance(found, Invocation)
    assert (found.command.name, found.args) == (name, args)


@pytest.mark.parametrize(
    "line",
    ["hello", "1/2", "/", "/ help", "/usr/bin/env", "/1", "/etc, what is in it?", "", " /help", "// x"],
)
def test_anything_else_is_an_input_as_it_stands(line: str) -> None:
    assert TABLE.parse(line) == Input(line)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("//help", "/help"),
        ("\uff0f\uff0fhelp", "\uff0fhelp"),
        ("//nope at all", "/nope at all"),
        ("//usr/bin", "//usr/bin"),
    ],
)
def test_two_slashes_make_an_input_of_a_command(line: str, text: str) -> None:
    assert TABLE.parse(line) == Input(text)


@pytest.mark.parametrize(
    ("line", "nearest"), [("/hlep", "help"), ("/pers", "persona"), ("/xyzzy", ""), ("/退", "quit")]
)
def test_an_unknown_command_names_the_nearest(line: str, nearest: str) -> None:
    found = TABLE.parse(line)
    assert found == UnknownCommand(line[1:], nearest)
    told = found.line(WORDS)
    assert line in told
    assert (f"/{nearest}?" if nearest else "/help") in told


@pytest.mark.parametrize("words", [Catalogue("zh"), WORDS], ids=["zh", "en"])
async def test_help_lists_every_command(session: FakeSession, words: Catalogue) -> None:
    shown = await run("/help", session, words)
    assert all(f"/{c.name}" in shown.text for c in TABLE.commands)
    assert "command." not in shown.text
    told = zip(shown.text.split("\n")[1:], TABLE.commands, strict=True)
    assert len({columns(line.partition(c.about(words))[0]) for line, c in told}) == 1  # for a terminal


def test_only_the_owner_of_a_shared_session_may_erase_it() -> None:
    assert {c.name for c in COMMON if c.role == "owner"} == {"forget", "memory", "export", "link", "private"}


async def test_new_leaves_the_path(session: FakeSession) -> None:
    await say(session, "hi")
    assert isinstance(await run("/new", session), Show)
    assert session.turns == []


async def test_retry_presents_a_turn(session: FakeSession) -> None:
    await say(session, "hi")
    shown = await run("/retry", session)
    assert isinstance(shown, Present)
    assert [event.kind async for event in shown.events][-1] == "turn_finished"


async def test_retry_of_nothing_says_so(session: FakeSession) -> None:
    assert await run("/retry", session) == Show(WORDS.t("command.retry.nothing"))


async def test_undo_says_whether_there_was_something(session: FakeSession) -> None:
    await say(session, "hi")
    assert (await run("/undo", session)).text == WORDS.t("command.undo.done")
    assert (await run("/undo", session)).text == WORDS.t("command.undo.nothing")


async def test_stop_says_whether_something_ran(session: FakeSession) -> None:
    assert (await run("/stop", session)).text == WORDS.t("command.stop.nothing")
    session.running = True
    assert (await run("/stop", session)).text == WORDS.t("command.stop.done")


async def test_persona_lists_and_marks_the_current(session: FakeSession) -> None:
    session.own["persona"] = "coder"
    text = (await run("/persona", session)).text
    assert "* coder" in text
    assert "  default" in text


async def test_persona_changes_and_greets(session: FakeSession) -> None:
    text = (await run("/persona coder", session, Catalogue("zh"))).text
    assert session.own["persona"] == "coder"
    assert "程序员" in text
    assert "git rebase" in text


async def test_an_unknown_persona_changes_nothing(session: FakeSession) -> None:
    with pytest.raises(NotFound):
        await run("/persona nobody", session)
    assert session.own == {}


async def test_history_shows_questions_and_answers(session: FakeSession) -> None:
    assert (await run("/history", session)).text == WORDS.t("command.history.nothing")
    await say(session, "one")
    await say(session, "\x1b[2Jtwo")
    assert (await run("/history", session)).text == "Q: one\nA: echo one\nQ: two\nA: echo two"
    assert (await run("/history 1", session)).text == "Q: two\nA: echo two"


@pytest.mark.parametrize("args", ["0", "-1", "many", "1000", "٣"])
async def test_history_wants_a_number_it_can_show(session: FakeSession, args: str) -> None:
    assert "/history 5" in (await run(f"/history {args}", session)).text


async def test_forget_asks_first(session: FakeSession) -> None:
    await say(session, "hi")
    asked = await run("/forget", session)
    assert isinstance(asked, Confirm)
    assert len(session.turns) == 1
    done = await asked.proceed()
    assert isinstance(done, Show)
    assert "1" in done.text
    assert session.turns == []


async def test_usage_is_by_model(session: FakeSession) -> None:
    assert (await run("/usage", session)).text == WORDS.t("command.usage.nothing")
    await say(session, "hi")
    assert "fake/m" in (await run("/usage", session)).text
    assert "1,200" in (await run("/usage", session)).text
    assert (await run("/usage", session)).text.count("1.25 CNY") == 2  # beside its model, and in the sum


@pytest.mark.parametrize(
    ("line", "decided"),
    [("/yes 1", ("1.1.0.0", True)), ("/no 1", ("1.1.0.0", False)), ("/no 2", ("1.1.0.1", False))],
)
async def test_a_held_call_is_decided(session: FakeSession, line: str, decided: tuple[str, bool]) -> None:
    await say(session, "hold")
    assert isinstance(await run(line, session), Present)
    assert session.decided == [decided]


async def test_a_call_keeps_its_number_when_another_is_decided(session: FakeSession) -> None:
    await say(session, "hold")
    for line in ("/no 1", "/yes 1"):
        await run(line, session)
    assert session.decided == [("1.1.0.0", False)]
    await run("/yes 2", session)
    assert session.decided[1:] == [("1.1.0.1", True)]


async def test_a_wrong_number_decides_nothing(session: FakeSession) -> None:
    await say(session, "hold")
    text = (await run("/yes 3", session)).text
    assert "2. pay" in text
    assert session.decided == []


@pytest.mark.parametrize("line", ["/yes", "/no"])
async def test_among_several_calls_one_must_be_named(session: FakeSession, line: str) -> None:
    await say(session, "hold")
    text = (await run(line, session)).text
    assert f"{line} 1" in text
    assert "1. mail" in text
    assert session.decided == []


async def test_nothing_held_is_said(session: FakeSession) -> None:
    assert (await run("/yes", session)).text == WORDS.t("approval.none")


async def test_quit_quits(session: FakeSession) -> None:
    assert isinstance(await run("/quit", session), Quit)


@pytest.mark.parametrize("text", ["last few weeks", "最近几天"])
async def test_a_span_that_is_not_known_forgets_nothing(session: FakeSession, text: str) -> None:
    asked = await run(f"/forget {text}", session)
    assert isinstance(asked, Show)
    assert asked.text == WORDS.t("command.forget.no_span", text=text)
    assert "last week" in asked.text
