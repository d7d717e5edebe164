"""Memory as people see and rule it: what is outdated, what goes, what stays, and what they are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from duihua import Address, ChatEngine, skill
from duihua.commands import COMMON, CommandTable, Confirm, Invocation
from duihua.exporting import markdown
from duihua.memories import FactChange, Finding
from duihua.ports import CallDelta, Request
from duihua_prompts import Catalogue
from tests.engine.conftest import Make
from tests.leftovers import leftovers

TABLE = CommandTable(COMMON)
WORDS = Catalogue("en")


def echo(request: Request) -> str:
    """Says nothing of the question."""
    return "Noted."


def of(engine: ChatEngine, chat: str = "one") -> Any:
    return engine.session(Address("embed", chat), external="ann")


async def command(engine: ChatEngine, line: str, chat: str = "one") -> tuple[str, str]:
    """What a command asks before it does anything (if it does), and what it says in the end."""
    invocation = TABLE.parse(line)
    assert isinstance(invocation, Invocation)
    answer: Any = await TABLE.run(invocation, of(engine, chat), engine, WORDS)
    if not isinstance(answer, Confirm):
        return "", answer.text
    done: Any = await answer.proceed()
    return answer.question, done.text


async def texts(engine: ChatEngine, *, superseded: bool = False) -> list[str]:
    return [fact.text for fact in await of(engine).facts(superseded=superseded)]


async def test_a_fact_goes_with_its_turn_and_the_others_of_it_stay(make: Make, database_url: str) -> None:
    engine, _ = await make(echo)
    await of(engine).ask("My name is Annika. I like hiking.")
    await of(engine, "two").ask("I think I like  HIKING, and you?")
    await engine.upkeep.flush()
    number = (await texts(engine)).index("I like hiking") + 1
    asked, done = await command(engine, f"/forget {number}")
    assert "Remembered lines: 1, turns: 2." in asked
    assert "What else was learnt from these turns stays:\n- My name is Annika\n" in asked
    assert "/forget WORDS" in done
    assert await texts(engine, superseded=True) == ["My name is Annika"]
    assert leftovers(database_url, "hiking", "HIKING") == []
    assert WORDS.t("command.memory.stays") in (await command(engine, "/memory"))[1]
    await of(engine).forget()  # what it was said in goes: and so does it, though its turn had gone before
    assert await texts(engine) == []


async def test_what_was_to_stay_is_not_said_to_go(make: Make) -> None:
    engine, _ = await make(echo)
    await of(engine).ask("My name is Annika. I like hiking.")
    await engine.upkeep.flush()
    number = (await texts(engine)).index("I like hiking") + 1
    await command(engine, f"/forget {number}")
    await of(engine).ask("My name is Annika, as I said.")
    await engine.upkeep.flush()
    _, done = await command(engine, "/forget as I said")
    assert "Remembered lines: 0, turns: 1." in done
    assert await texts(engine) == ["My name is Annika"]
    assert "without a turn" in markdown(await of(engine).export(), WORDS)


async def test_what_was_to_stay_goes_with_all_that_was_said_in_that_time(
    make: Make, database_url: str
) -> None:
    engine, _ = await make(echo)
    await of(engine).ask("My name is Annika. I like hiking.")
    await of(engine, "two").ask("I like oolong.")
    await engine.upkeep.flush()
    number = (await texts(engine)).index("I like hiking") + 1
    await command(engine, f"/forget {number}")
    await of(engine).ask("My name is Annika, as I said.")
    await engine.upkeep.flush()
    asked, done = await command(engine, "/forget last 10m")
    assert "- My name is Annika\n" in asked
    assert "Remembered lines: 1, turns: 1." in done
    assert await texts(engine) == ["I like oolong"]
    assert leftovers(database_url, "Annika") == []


async def test_a_reminder_goes_with_its_words(make: Make, database_url: str) -> None:
    engine, _ = await make(echo)
    _, info = await of(engine)._place.made()
    noon = datetime.fromtimestamp(engine.clock(), UTC) + timedelta(days=1)
    own = engine.supplies.reminders(info.id, info.address, info.owner)
    await own.add("call Xylander", noon)
    await own.add("buy milk", noon)
    asked, done = await command(engine, "/forget xylander")
    assert "- a reminder: call Xylander\n" in asked
    assert done.startswith("Forgotten.")
    assert [one.text for one in await of(engine).reminders()] == ["buy milk"]
    assert leftovers(database_url, "Xylander") == []


async def test_with_a_fact_goes_what_it_had_replaced_and_where_that_was_said(
    make: Make, database_url: str
) -> None:
    engine, model = await make(echo)
    await of(engine).ask("I live in Oslo.")
    await engine.upkeep.flush()
    await of(engine, "two").ask("I live in Bergen now.")
    await engine.upkeep.flush()
    asked, _ = await command(engine, "/forget 1")
    assert "I live in Oslo" in asked
    assert await texts(engine, superseded=True) == []
    assert leftovers(database_url, "Oslo", "Bergen") == []
    await of(engine, "three").ask("Where do I live?")
    assert "Oslo" not in str(model.sent[-1])


async def test_a_time_that_is_forgotten_is_told_in_dates(make: Make) -> None:
    engine, _ = await make(echo)
    await of(engine).ask("Hello.")
    engine.timezone = UTC
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    assert (await command(engine, "/forget 昨天"))[1].endswith(f"at that time: {yesterday}.")
    asked, done = await command(engine, "/forget today")
    assert asked.startswith(f"In this conversation, {today}:\n- Hello.")
    assert done.startswith(f"In this conversation, {today}:\nForgotten.")
    assert await of(engine).history() == []


async def test_a_page_that_there_is_not_is_said(make: Make) -> None:
    engine, _ = await make(echo)
    await of(engine).ask("Hello.")
    found = [FactChange(Finding("other", "", f"fact {n}", (), at=n)) for n in range(1, 12)]
    owner = (await engine.store.session(Address("embed", "one"))).owner
    assert await engine.store.put_facts(owner, (await engine.store.facts(owner)).version, found)
    _, said = await command(engine, "/memory 99")
    assert said.startswith("There is no page 99; this is page 2 of 2.")
    assert "11. fact 11" in said


async def test_what_holds_no_more_is_recalled_as_such(make: Make) -> None:
    engine, model = await make(echo)
    await of(engine).ask("I live in Oslo, in a house by the sea.")
    await engine.upkeep.flush()
    await of(engine, "two").ask("I live in Bergen now.")
    await engine.upkeep.flush()
    await of(engine, "three").ask("Where do I live, by the sea?")
    asked = str(model.sent[-1])
    [line] = [line for line in asked.replace("\\n", "\n").splitlines() if "User: I live in Oslo" in line]
    today = f"{datetime.now().astimezone():%Y-%m-%d}"
    assert line.count(f"(outdated: “I live in Oslo”; since {today}: “I live in Bergen now”)") == 1
    assert "Bergen now (outdated" not in asked
    _, shown = await command(engine, "/memory by the sea")
    assert "(outdated: “I live in Oslo”" in shown


async def test_the_context_says_what_counts_and_what_is_likely(make: Make) -> None:
    engine, _ = await make(echo)
    view = await of(engine).context("Hello.")
    assert 0.6 * view.tokens < view.expected < view.tokens  # the margin of an unknown tokenizer
    _, shown = await command(engine, "/context Hello.")
    assert f"It counts as {view.tokens:,} tokens of" in shown
    assert f"Most likely there are {view.expected:,}." in shown


async def test_what_is_being_answered_is_said_not_to_be_forgotten(make: Make) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    @skill(effect="read")
    async def wait() -> str:
        """Waits."""
        begun.set()
        await go.wait()
        return "done"

    engine, _ = await make(["Noted.", CallDelta(0, "", "wait", "{}"), "Noted."], skills=[wait])
    await of(engine).ask("Hiking is fun.")
    asked = asyncio.create_task(of(engine).ask("I like hiking."))
    await begun.wait()
    for line in ("/forget today", "/forget hiking", "/forget today"):  # one turn, and then none
        assert (await command(engine, line))[1].endswith(WORDS.t("command.forget.running"))
    go.set()
    await asked
    assert WORDS.t("command.forget.running") not in (await command(engine, "/forget hiking"))[1]
