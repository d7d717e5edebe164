from __future__ import annotations

from typing import Any

import pytest

from duihua.memories import Fact, FactChange, Finding
from duihua.messages import TurnRef
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run
from tests.storage.talk import at, end, say, talk

DAY = 86_400_000


def new(text: str, *seqs: int, replaces: tuple[int, ...] = (), session: int = 1, **fields: Any) -> FactChange:
    sources = tuple(TurnRef(session, seq) for seq in seqs)
    usual = {"kind": "profile", "subject": "name", "at": 1_000, **fields}
    return FactChange(Finding(**usual, text=text, sources=sources), replaces=replaces)


async def put(store: SqlStore, *changes: FactChange, owner: int = 1) -> bool:
    return await store.put_facts(owner, (await store.facts(owner)).version, changes)


async def known(store: SqlStore, owner: int = 1, **fields: Any) -> list[str]:
    return [fact.text for fact in (await store.facts(owner, **fields)).facts]


async def test_a_fact_is_kept_as_it_was_found(store: SqlStore) -> None:
    await talk(store, "a", "b")
    finding = Finding(
        "event", "plan", "我下周三去\ud800上海", (TurnRef(1, 1), TurnRef(1, 2)), 0.7, 5, 9 * 10**12
    )
    assert await put(store, FactChange(finding))
    [fact] = (await store.facts(1)).facts
    assert fact == Fact(
        id=fact.id,
        owner=1,
        kind="event",
        subject="plan",
        text="我下周三去?上海",
        sources=finding.sources,
        confidence=0.7,
        first_seen=5,
        last_seen=5,
        expires=9 * 10**12,
    )


async def test_nobody_elses_facts_are_in_the_book(store: SqlStore) -> None:
    await talk(store, "a")
    await talk(store, "b", chat="away", external="bob")
    await put(store, new("mine", 1))
    await put(store, new("his", 1, session=2), owner=2)
    assert (await known(store, 1), await known(store, 2), await known(store, 99)) == (["mine"], ["his"], [])
    [fact] = (await store.facts(2)).facts
    await put(store, FactChange(Finding("profile", "name", "x", (), at=9_000), known=fact.id))
    assert await store.drop_facts(1, [fact.id]) == 0
    assert [f.last_seen for f in (await store.facts(2)).facts] == [1_000]


async def test_the_same_said_again_is_another_source(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await put(store, new("我叫小明", 1))
    [fact] = (await store.facts(1)).facts
    again = Finding("profile", "name", "我的名字是小明", (TurnRef(1, 2), TurnRef(1, 1)), 0.9, 2_000, 0)
    await put(store, FactChange(again, known=fact.id))
    [seen] = (await store.facts(1)).facts
    assert (seen.text, seen.first_seen, seen.last_seen, seen.confidence) == ("我叫小明", 1_000, 2_000, 0.9)
    assert seen.sources == (TurnRef(1, 1), TurnRef(1, 2))


async def test_what_is_replaced_stays_as_history(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await put(store, new("old", 1))
    [old] = (await store.facts(1)).facts
    await put(store, new("new", 2, replaces=(old.id,)))
    assert await known(store) == ["new"]
    history = (await store.facts(1, superseded=True)).facts
    assert [(f.text, f.superseded_by) for f in history] == [("old", history[1].id), ("new", 0)]


async def test_what_one_batch_replaces_of_its_own_is_history(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await put(store, new("other", 1))
    [other] = (await store.facts(1)).facts
    again = FactChange(new("other", 2).finding, known=other.id)
    lost = new("of no turn that is there", 9)
    await put(
        store, again, new("old", 1), lost, new("newer", 2, replaces=(-2, -3)), new("new", 2, replaces=(-4,))
    )
    assert await known(store) == ["other", "new"]
    by = {fact.text: fact for fact in (await store.facts(1, superseded=True)).facts}
    assert (by["old"].superseded_by, by["newer"].superseded_by) == (by["newer"].id, by["new"].id)


async def test_what_has_expired_is_history(store: SqlStore) -> None:
    await talk(store, "a")
    await put(store, new("past", 1, expires=1), new("future", 1, expires=9 * 10**12))
    assert await known(store) == ["future"]
    assert await known(store, superseded=True) == ["past", "future"]


@pytest.mark.parametrize("owner", [1, -1])
async def test_on_top_of_an_old_version_nothing_is_written(store: SqlStore, owner: int) -> None:
    await talk(store, "a", "b")
    before = (await store.facts(owner)).version
    assert await store.put_facts(owner, before, [new("first", 1)])
    assert not await store.put_facts(owner, before, [new("second", 2)])
    after = (await store.facts(owner)).version
    assert await store.put_facts(owner, after, [new("third", 2)])
    assert await known(store, owner) == ["first", "third"]
    stale = (await store.facts(owner)).version
    [fact, _] = (await store.facts(owner)).facts
    assert await store.drop_facts(owner, [fact.id]) == 1
    assert not await store.put_facts(owner, stale, [new("fourth", 2)])
    assert not await store.put_facts(owner * 99, 0, [new("of nobody", 1)])


@pytest.mark.parametrize("owner", [1, -1])
async def test_any_change_of_a_fact_makes_another_version(store: SqlStore, owner: int) -> None:
    await talk(store, "a", "b")
    versions = [(await store.facts(owner)).version]
    for change in (new("x", 1), new("y", 2)):
        await put(store, change, owner=owner)
        versions.append((await store.facts(owner)).version)
    [_, fact] = (await store.facts(owner)).facts
    await put(store, FactChange(Finding("profile", "name", "y", (), 0.9, 3_000), known=fact.id), owner=owner)
    versions.append((await store.facts(owner)).version)
    await store.withdraw([TurnRef(1, 1)])
    versions.append((await store.facts(owner)).version)
    await store.erase(1, [2])
    versions.append((await store.facts(owner)).version)
    assert len(set(versions)) == 6


async def test_a_source_that_is_gone_is_left_out(store: SqlStore) -> None:
    await talk(store, "a", "b", "c")
    version = (await store.facts(1)).version
    await store.erase(1, [1])  # while upkeep had it in hand; it has no facts yet, so the version stays
    await store.withdraw([TurnRef(1, 2)])
    found = [new("of a", 1), new("of b", 2), new("of a and c", 1, 3), new("said outright"), new("of none", 7)]
    assert await store.put_facts(1, version, found)
    facts = {f.text: f.sources for f in (await store.facts(1)).facts}
    assert facts == {"of a and c": (TurnRef(1, 3),), "said outright": ()}


async def test_a_running_turn_is_a_source(store: SqlStore) -> None:
    work = await say(store, "remember it")
    await put(store, new("it", 1))
    await end(store, work)
    assert await known(store) == ["it"]


async def test_a_dropped_fact_goes_with_its_history(store: SqlStore, database_url: str) -> None:
    await talk(store, "a", "b", "c", "d")
    await put(store, new("机密one", 1))
    for seq, text in ((2, "机密two"), (3, "three")):
        [fact] = (await store.facts(1)).facts
        await put(store, new(text, seq, replaces=(fact.id,)))
    await put(store, new("beside", 4))
    one, two, three, _ = (await store.facts(1, superseded=True)).facts
    assert await store.drop_facts(1, [two.id, two.id, 999]) == 2
    await store.scrub()
    assert leftovers(database_url, "机密") == []
    assert await known(store, superseded=True) == ["three", "beside"]
    assert run(database_url, "SELECT COUNT(*) FROM fact_sources") == [(2,)]
    assert await store.drop_facts(1, [one.id]) == 0
    assert await store.drop_facts(1, [three.id]) == 1


async def test_withdrawn_turns_take_their_facts_along(store: SqlStore) -> None:
    await talk(store, "a", "b")
    await put(store, new("of both", 1, 2), new("of a", 1), new("named", 2), new("of b", 2))
    named = (await store.facts(1)).facts[2]
    await store.withdraw([TurnRef(1, 1)], [named.id])
    assert {f.text: f.sources for f in (await store.facts(1)).facts} == {
        "of both": (TurnRef(1, 2),),
        "of b": (TurnRef(1, 2),),
    }
    assert [turn.off_record for turn in await store.path(1, 2)] == [True, False]


async def test_what_an_erased_fact_had_replaced_follows_what_is_left(store: SqlStore) -> None:
    await talk(store, *"abcd")
    await put(store, new("first", 1))
    for seq, text in ((2, "second"), (3, "third")):
        [fact] = (await store.facts(1)).facts
        await put(store, new(text, seq, replaces=(fact.id,)))
    await store.erase(1, [2])  # first is replaced by third now
    assert await known(store) == ["third"]
    await store.erase(1, [3])
    assert await known(store) == ["first"]


async def test_a_shared_conversation_is_an_owner_of_its_own(store: SqlStore) -> None:
    await talk(store, "a")
    info = await store.session(at())
    assert info is not None
    await put(store, new("ours", 1), new("said outright"), owner=-info.id)
    assert (await known(store, info.owner), await known(store, -info.id)) == ([], ["ours", "said outright"])
    await store.erase(info.id)
    assert await known(store, -info.id) == []
