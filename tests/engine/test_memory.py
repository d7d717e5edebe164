"""Memory in the turn: what is recalled, noted, kept off the record, and what never leaves its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from duihua import Address, ChatEngine, skill
from duihua.memories import Hit
from duihua.messages import TurnRef
from duihua.ports import Flagged, Limits, Request
from duihua.testing.scripted import STRICT
from tests.engine.conftest import Make

SMALL = replace(STRICT, soft=Limits(6_000, 1_200), hard=Limits(24_000, 6_144))


def echo(request: Request) -> str:
    """Says something of its own to every question."""
    return "Noted."


def wants_note(request: Request) -> bool:
    return b'\\"facts\\"' in request.packed.system


def smalltalk(number: int) -> str:
    return f"Tell me about the weather of day {number}, in some words, please. " + "It is long ago. " * 12


def sent(model: Any, number: int = -1) -> str:
    """Everything of a request, as text."""
    request = model.requests[number]
    system = orjson.loads(request.packed.system) if request.packed.system else ""
    return system + "\n" + "\n".join(str(m["content"]) for m in model.sent[number])


def of(engine: ChatEngine, chat: str, person: str = "ann", **more: Any) -> Any:
    return engine.session(Address("embed", chat, **more), external=person)


async def told(make: Make, text: str = "My daughter is called Clementine.") -> tuple[ChatEngine, Any]:
    """An engine whose person ann said something in the conversation `one`."""
    engine, model = await make(echo)
    await of(engine, "one").ask(text)
    await engine.upkeep.flush()
    return engine, model


async def test_what_was_said_in_one_conversation_is_recalled_in_another(make: Make) -> None:
    engine, model = await told(make)
    await of(engine, "two").ask("What is my daughter called?")
    assert "Clementine" in model.sent[-1][-1]["content"]
    assert "Clementine" not in str(model.requests[-1].packed.system)


async def test_nobody_elses_memory_is_recalled(make: Make) -> None:
    engine, model = await told(make)
    await of(engine, "two", "bob").ask("What is my daughter called?")
    assert "Clementine" not in sent(model)


async def test_only_the_bare_question_is_stored(make: Make) -> None:
    engine, _ = await told(make)
    session = of(engine, "two")
    await session.ask("What is my daughter called?")
    [turn] = await session.history()
    assert [part.text for part in turn.input] == ["What is my daughter called?"]


async def test_turns_that_leave_the_window_stay_as_notes(make: Make) -> None:
    engine, model = await make(echo, dialect=SMALL)
    session = of(engine, "one")
    await session.ask("The code of my locker is 4711.")
    for number in range(12):
        await session.ask(smalltalk(number))
    assert "4711" not in str(model.sent[-1][:-1])
    assert "4711" in str(model.requests[-1].packed.system)
    await engine.upkeep.flush()
    info = await engine.store.session(session.address)
    notes = await engine.store.notes(info.id)
    assert notes
    assert all(note.by == "extract" for note in notes)


async def test_storing_a_note_does_not_change_the_request(make: Make) -> None:
    """What is made up on the fly and what upkeep writes down is the same text: the prefix stays."""
    engine, model = await make(echo, dialect=SMALL)
    session = of(engine, "one")
    starts: list[int] = []
    for number in range(40):
        await session.ask(smalltalk(number))
        starts.append((await engine.store.session(session.address)).window_from)
        if len(starts) > 1 and starts[-1] != starts[-2]:
            before = model.requests[-1].packed.system
            await engine.upkeep.flush()
            engine.recollection.drop((await engine.store.session(session.address)).id)
            await session.ask("And now?")
            assert model.requests[-1].packed.system == before
            return
    pytest.fail("the window never moved")


async def test_a_model_writes_the_note_and_finds_facts(make: Make) -> None:
    def script(request: Request) -> str:
        if wants_note(request):
            fact = {
                "kind": "profile",
                "subject": "hobby",
                "text": "The user keeps bees on the roof.",
                "turn": 1,
            }
            return orjson.dumps({"note": "They talked about the bees on the roof.", "facts": [fact]}).decode()
        return "Noted."

    engine, model = await make(script, dialect=SMALL, memory_model="")
    session = of(engine, "one")
    await session.ask("I keep bees on my roof, near the chimney.")
    for number in range(12):
        await session.ask(smalltalk(number))
    await engine.upkeep.flush()
    info = await engine.store.session(session.address)
    notes = await engine.store.notes(info.id)
    assert "the bees on the roof" in notes[0].text
    assert notes[0].by == "scripted/any"
    assert any("bees" in fact.text for fact in await session.facts())
    await session.ask("Go on.")
    assert "the bees on the roof" in str(model.requests[-1].packed.system)


async def test_an_input_cuts_off_the_request_for_a_note(make: Make) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    def script(request: Request) -> Any:
        if wants_note(request):
            asked.set()
            return never
        return "Noted."

    engine, _ = await make(script, dialect=SMALL, memory_model="")
    session = of(engine, "one")
    for number in range(12):
        await session.ask(smalltalk(number))
    for _ in range(3):
        asked.clear()
        flushing = asyncio.create_task(engine.upkeep.flush())
        await asyncio.wait_for(asked.wait(), 10)
        await session.ask("Are you there?")
        await flushing
    info = await engine.store.session(session.address)
    assert not await engine.store.notes(info.id)
    await engine.upkeep.flush()  # cut three times: now it is a plain extract
    assert {note.by for note in await engine.store.notes(info.id)} == {"extract"}


async def test_what_was_taken_back_is_not_recalled(make: Make) -> None:
    engine, model = await told(make)
    await of(engine, "one").undo()
    await of(engine, "two").ask("What is my daughter called?")
    assert "Clementine" not in sent(model)
    assert await of(engine, "one").facts() == []


async def test_memory_that_is_off_recalls_and_learns_nothing(make: Make) -> None:
    engine, model = await told(make)
    session = of(engine, "two")
    await session.remember(False)
    await session.ask("What is my daughter called? My son is called Bartholomew.")
    assert "Clementine" not in sent(model)
    await engine.upkeep.flush()
    await session.remember(True)
    await of(engine, "three").ask("What are my daughter and my son called?")
    assert "Clementine" in sent(model)
    assert "Bartholomew" not in sent(model)


@pytest.mark.parametrize("place", [{"shared": True}, {"user": "ann"}])
async def test_a_conversation_in_public_remembers_only_when_told_to_and_only_its_own(
    make: Make, place: Any
) -> None:
    engine, model = await told(make)
    group = of(engine, "group", **place)
    await group.ask("What is my daughter called? Our train leaves from platform seventeen.")
    assert "Clementine" not in sent(model)
    await engine.upkeep.flush()
    assert not await group.remembers()
    await group.remember(True)
    await group.ask("What is my daughter called? Our hotel is the Quixote.")
    assert "Clementine" not in sent(model)
    await engine.upkeep.flush()
    assert [hit.ref is not None for hit in await group.search("which hotel")] == [True]
    await of(engine, "two").ask("Which hotel is ours?")
    assert "Quixote" not in sent(model)


async def test_a_standing_wish_is_part_of_every_request(make: Make) -> None:
    engine, model = await told(make, "From now on always answer in French.")
    await of(engine, "two").ask("How are you?")
    assert "always answer in French" in str(model.requests[-1].packed.system)


async def test_what_was_recalled_for_two_flagged_turns_is_recalled_no_more(make: Make) -> None:
    def script(request: Request) -> Any:
        if any(b"Clementine" in message for message in request.packed.messages[-1:]):
            return Flagged("input", -1)
        return "Noted."

    engine, model = await make(script)
    await of(engine, "one").ask("About Clem: the daughter is called Clementina or so.")
    info = await engine.store.session(Address("embed", "one"))
    await engine.upkeep.flush()
    model._script = lambda request: (
        Flagged("input", -1) if b"Clementina" in b"".join(request.packed.messages) else "Noted."
    )
    answers: list[str] = []
    for number in range(3):
        reply = await of(engine, f"other{number}").ask("What is the daughter called?")
        answers.append(reply.finish)
    assert answers == ["flagged", "flagged", "stop"]
    assert (await engine.store.turn(TurnRef(info.id, 1))).off_record


async def test_a_recall_service_that_fails_costs_no_answer(make: Make) -> None:
    engine, _ = await make(["ok"])

    class Broken:
        async def search(self, owner: int, query: str, **wanted: Any) -> Sequence[Hit]:
            raise RuntimeError("out of order")

    engine.recollection._recall = Broken()
    assert (await of(engine, "one").ask("hello")).text == "ok"


async def test_a_private_conversation_stores_and_recalls_nothing(make: Make) -> None:
    engine, model = await told(make)
    session = of(engine, "one")
    assert await session.private()
    await session.ask("My daughter and I have a secret, Xanadu.")
    assert "Clementine" not in sent(model)
    await session.ask("What is the secret?")
    assert "Xanadu" in sent(model)
    assert not await session.private()
    assert len(await session.history()) == 1
    await session.ask("What is the secret?")
    assert "Xanadu" not in sent(model)
    export = orjson.dumps(dict(await session.export()), default=str)
    assert b"Xanadu" not in export


async def test_upkeep_that_a_process_left_is_taken_up_by_the_next(make: Make) -> None:
    engine, _ = await make(echo)
    engine.upkeep._closing = True  # as after kill -9: nothing is done any more
    await of(engine, "one").ask("My daughter is called Clementine.")
    engine.upkeep._turns.clear()
    other, model = await make(echo)
    await other.upkeep.take_up()
    await of(other, "two").ask("What is my daughter called?")
    assert "Clementine" in sent(model)


async def test_what_upkeep_made_of_erased_turns_is_not_written(make: Make) -> None:
    engine, _ = await make(echo)
    session = of(engine, "one")
    await session.ask("My daughter is called Clementine.")
    info = await engine.store.session(session.address)
    chore = await engine.store.chore(info.id)
    kept = await engine.upkeep._kept(chore)
    assert kept.documents
    await session.forget()
    assert not await engine.store.keep(chore, kept)
    assert await session.search("Clementine daughter") == []


async def test_the_context_is_what_is_sent_with_all_its_parts(make: Make) -> None:
    engine, model = await told(make, "From now on always answer in French. My daughter is called Clementine.")
    session = of(engine, "two")
    await session.ask("Good morning")
    view = await session.context("What is my daughter called?")
    await session.ask("What is my daughter called?")
    assert list(view.messages) == model.sent[-1]
    assert view.system == orjson.loads(model.requests[-1].packed.system)
    assert {"persona", "memory", "turn", "recalled", "question"} <= {part.kind for part in view.parts}
    assert [hit for hit in view.recalled if hit.ref or hit.fact]
    assert sum(part.tokens for part in view.parts) == view.tokens


async def test_standing_wishes_leave_room_for_everything_else(make: Make) -> None:
    engine, _ = await make(echo)
    session = of(engine, "one")
    for number in range(40):
        await session.ask(f"From now on always mention the tree of kind {number}, {'and its leaves ' * 8}.")
    await engine.upkeep.flush()
    view = await session.context("hi")
    assert view.tokens <= view.limit
    assert "kind 39" in view.system
    assert "kind 0," not in view.system


async def test_a_forgotten_fact_is_not_found_in_its_turn_again(make: Make) -> None:
    engine, model = await told(make)
    session = of(engine, "one")
    facts = await session.facts()
    assert await session.forget_these(facts) == len(facts) + 1  # and the turn
    await of(engine, "two").ask("What is my daughter called?")
    assert "Clementine" not in sent(model)


async def test_words_are_forgotten_wherever_they_were_said(make: Make) -> None:
    engine, _ = await told(make)
    session = of(engine, "two")
    await session.remember(False)
    await session.ask("Clementines are fruit, by the way.")
    facts, turns = await session.mentions("clementine")
    assert (len(facts), len(turns)) == (1, 2)
    await session.forget_these(facts, [turn.ref for turn in turns])
    assert await session.mentions("clementine") == ([], [])


async def test_nobody_erases_the_turns_of_another(make: Make) -> None:
    engine, _ = await told(make)
    info = await engine.store.session(Address("embed", "one"))
    assert await of(engine, "two", "bob").forget_these([], [TurnRef(info.id, 1)]) == 0
    assert await of(engine, "one").facts()


async def test_what_the_first_speaker_exports_of_a_shared_conversation_is_their_own(make: Make) -> None:
    engine, _ = await make(lambda request: "Noted.")
    await of(engine, "group", shared=True).ask("Hello all.")
    await of(engine, "group", "bob", shared=True).ask("My name is Robert.")
    export = orjson.dumps(dict(await of(engine, "alone").export()), default=str)
    assert (b"Hello all." in export, b"Robert" in export) == (True, False)


async def test_what_a_member_exports_of_a_shared_conversation_is_their_own(make: Make) -> None:
    engine, _ = await told(make)
    await of(engine, "group", shared=True).ask("Hello all.")
    await of(engine, "group", "mallory", shared=True).ask("Hello.")
    export = orjson.dumps(dict(await of(engine, "group", "mallory", shared=True).export()), default=str)
    assert b"Clementine" not in export


async def test_a_session_made_private_elsewhere_stores_nothing_here(make: Make) -> None:
    engine, _ = await make(echo)
    other, _ = await make(echo)
    await of(other, "one").ask("Hello.")
    await of(engine, "one").private(True)
    await of(other, "one").ask("My secret is Topsecretus.")
    info = await engine.store.session(Address("embed", "one"))
    assert all("Topsecretus" not in str(turn) for turn in await engine.store.since(info.id, 0))


async def test_forgetting_all_reaches_what_is_said_in_private(make: Make) -> None:
    engine, model = await told(make)
    session = of(engine, "one")
    await session.private(True)
    await session.ask("A secret, Xanadu.")
    await session.forget_everything()
    assert await of(engine, "one").facts() == []
    await session.private(True)
    await session.ask("And now?")
    assert "Xanadu" not in sent(model)


async def test_a_reader_of_a_turn_that_was_forgotten_before_it_began_is_released(make: Make) -> None:
    engine, _ = await make(echo)
    for number in range(8):
        session = of(engine, f"s{number}")
        asked = asyncio.create_task(session.ask("Hello?"))
        for _ in range(number):
            await asyncio.sleep(0)
        await session.forget()
        async with asyncio.timeout(20):
            await asyncio.wait((asked,))
        asked.cancel() if not asked.done() else asked.exception()


async def test_the_context_counts_the_skills_that_are_offered(make: Make) -> None:
    @skill(effect="read")
    def lamp(room: str) -> str:
        """Tells whether the lamp of a room is lit."""
        return room

    engine, _ = await make(echo, skills=[lamp])
    view = await of(engine, "one").context("hi")
    assert view.skills == ("lamp",)
    assert "Tells whether the lamp" in view.offered
    assert view.offered in view.text
    assert sum(part.tokens for part in view.parts) == view.tokens


# ---------------------------------------------------------------- from one's own to everybody's, and back


async def test_what_was_filed_under_a_person_in_a_group_is_theirs_to_forget(make: Make) -> None:
    engine, model = await make(lambda request: "Noted.")
    alone = engine.session(Address("telegram", "42"), external="42")
    own = engine.session(Address("telegram", "-5", user="42"), external="42")
    group = engine.session(Address("telegram", "-5", shared=True), external="42")
    await own.remember(True)
    await own.ask("I live in Lisbon.")
    await group.remember(True)  # the group is switched to one conversation for all
    await group.ask("Where do I live?")
    assert "Lisbon" not in str([request.packed for request in model.requests[1:]])
    assert [fact.text for fact in await own.facts()] == ["I live in Lisbon"]  # and back
    assert "Lisbon" in str(await alone.export())
    facts, turns = await alone.mentions("Lisbon")
    assert (len(facts), len(turns)) == (1, 1)
    await alone.forget_these(facts)
    assert await own.facts() == []
    assert await group.mentions("Lisbon") == ([], [])


async def test_a_conversation_that_others_join_begins_anew_and_knows_nothing(make: Make) -> None:
    engine, model = await make(lambda request: "Noted.")
    ann = engine.session(Address("app", "room"), external="ann", name="Ann")
    await ann.ask("My daughter is called Clementine.")
    assert len(await ann.facts()) == 1
    both = engine.session(Address("app", "room", shared=True), external="bob", name="Bob")
    assert await both.facts() == []
    assert await both.history() == []
    await both.ask("What is her daughter called?")
    assert "Clementine" not in str(model.requests[-1].packed)
    assert not await ann.remembers()  # for good: it is not hers alone any more
    other = engine.session(Address("app", "study"), external="ann", name="Ann")
    assert [fact.text for fact in await other.facts()] == ["My daughter is called Clementine"]
    assert "Clementine" in str(await other.export())
