from __future__ import annotations

import asyncio
from typing import Any

from duihua.memories import Document, FactChange, Finding, Kept
from duihua.memory.facts import found_in
from duihua.messages import Author, TurnRef, Usage
from duihua_storage import SqlStore
from tests.leftovers import leftovers, run
from tests.storage.talk import at, end, said, say, talk

CODE = "K7QF-M2PX"


async def person(store: SqlStore, external: str, *texts: str, **fields: Any) -> int:
    """Somebody who has said something in a chat of their own; their id."""
    await talk(store, *texts, chat=external, **fields)
    user = await store.user("main", "terminal", external)
    assert user is not None
    return user


async def remember(store: SqlStore, user: int) -> None:
    """Indexes all that a person has said, with the facts in it."""
    for info in await store.sessions(user):
        chore = await store.chore(info.id)
        assert chore is not None
        book = await store.facts(user)
        changes = [FactChange(f) for turn in chore.turns for f in found_in(turn)]
        documents = tuple(Document(turn.ref, turn.at, {"word": 1}) for turn in chore.turns)
        kept = Kept(chore.turns[-1].ref.seq, user, book.version, documents, tuple(changes))
        assert await store.keep(chore, kept)


async def known(store: SqlStore, user: int, **fields: Any) -> list[str]:
    return sorted(fact.text for fact in (await store.facts(user, **fields)).facts)


async def test_everything_of_one_becomes_the_others(store: SqlStore, database_url: str) -> None:
    ann = await person(store, "ann", "我叫安娜", "我住在北京")
    await talk(store, "hello", chat="second", external="web", author=Author(0, "Anna"))
    web = await store.user("main", "terminal", "web")
    assert web is not None
    await talk(store, "我搬到上海了", "我喜欢茶", "我叫安娜", chat="second")
    await talk(store, "in a group", chat="group", author=Author(0, "Anna"), external="web")
    await store.ensure(at("friends"), "bob", "Bob")
    work = await say(store, "hi", "friends", author=Author(0, "Anna"), external="web")
    await end(store, work, usage=Usage(5, 7))
    for user in (ann, web):
        await remember(store, user)
    await store.put_vectors(web, "m", {(2, 1): b"1234"})
    await store.new_task("main", web, "drawing", "p", "m")
    run(
        database_url,
        "INSERT INTO reminders (session_id, owner_id, due, tz, state) VALUES (2, ?, 1, 'UTC', 'armed')",
        web,
    )
    run(
        database_url,
        "INSERT INTO skill_calls (session_id, seq, step, idx, name, effect, state, arguments, asker_id,"
        " approver_id) VALUES (4, 1, 0, 0, 'x', 'read', 'held', ?, ?, ?)",
        *(b"{}", web, web),
    )
    turns = [(await store.usage(user))[0][1] for user in (ann, web)]

    await store.offer_link(ann, CODE, seconds=600)
    assert await store.link(web, "k7qf m2px") == ann

    assert [await store.user("main", "terminal", name) for name in ("ann", "web")] == [ann, ann]
    assert {info.address.chat for info in await store.sessions(ann)} == {"ann", "second", "group"}
    assert await known(store, ann) == ["我叫安娜", "我喜欢茶", "我搬到上海了"]
    assert await known(store, ann, superseded=True) == ["我住在北京", "我叫安娜", "我喜欢茶", "我搬到上海了"]
    [name] = [f for f in (await store.facts(ann)).facts if f.subject == "name"]
    assert name.sources == (TurnRef(1, 1), TurnRef(2, 4))
    assert (await store.match(ann, ["word"])).documents == 7
    assert await store.vectors([TurnRef(2, 1)], "m") == {(2, 1): b"1234"}
    assert (await store.usage(ann))[0][1] == sum(turns)
    assert (await store.path(4, 1))[0].author == Author(ann, "Anna")
    for table, column in (
        *(("identities", "user_id"), ("sessions", "owner_id"), ("facts", "owner_id"), ("tasks", "owner_id")),
        *(("reminders", "owner_id"), ("usage", "owner_id"), ("segments", "owner_id"), ("users", "id")),
        *(("skill_calls", "asker_id"), ("skill_calls", "approver_id"), ("inbox", "author_id")),
    ):
        assert run(database_url, f"SELECT * FROM {table} WHERE {column} = ?", web) == [], table


async def test_a_code_works_once_and_for_whoever_has_it(store: SqlStore) -> None:
    ann, bob, eve = [await person(store, name, "hi") for name in ("ann", "bob", "eve")]
    await store.offer_link(ann, CODE, seconds=600)
    assert await store.link(ann, CODE) == ann  # one's own: nothing happens, and it may still be used
    assert await store.link(bob, CODE) == ann
    assert await store.link(eve, CODE) is None
    assert len(await store.sessions(ann)) == 2


async def test_a_code_ends(store: SqlStore, database_url: str) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    await store.offer_link(ann, CODE, seconds=0)
    assert await store.link(bob, CODE) is None
    await store.offer_link(ann, CODE, seconds=600)
    await store.offer_link(ann, "another", seconds=600)  # an older one ends
    assert await store.link(bob, CODE) is None
    assert run(database_url, "SELECT user_id FROM links") == [(ann,)]
    assert leftovers(database_url, CODE, CODE.replace("-", ""), "another") == []
    assert await store.link(bob, "another") == ann


async def test_guessing_ends_after_a_few_tries(store: SqlStore, database_url: str) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    await store.offer_link(ann, CODE, seconds=600)
    for number in range(5):
        assert await store.link(bob, f"wrong{number}") is None
    assert await store.link(bob, CODE) is None
    run(database_url, "UPDATE users SET guessed = guessed - 3600000 WHERE id = ?", bob)
    assert await store.link(bob, CODE) == ann


async def test_people_of_two_tenants_stay_apart(store: SqlStore, database_url: str) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    run(database_url, "UPDATE users SET tenant = 'other' WHERE id = ?", bob)
    await store.offer_link(ann, CODE, seconds=600)
    assert await store.link(bob, CODE) is None
    assert len(await store.sessions(bob)) == 1


async def test_memory_that_one_has_turned_off_stays_off(store: SqlStore, database_url: str) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    await store.switch_memory(bob, False)
    await store.offer_link(ann, CODE, seconds=600)
    await store.link(bob, CODE)
    assert run(database_url, "SELECT memory FROM users") == [("off",)]


async def test_upkeep_in_flight_writes_nothing_for_who_is_gone(store: SqlStore) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    [info] = await store.sessions(bob)
    chore, book = await store.chore(info.id), await store.facts(bob)
    assert chore is not None
    await store.offer_link(ann, CODE, seconds=600)
    await store.link(bob, CODE)
    assert not await store.keep(chore, Kept(1, bob, 0, (Document(TurnRef(info.id, 1), 1, {"a": 1}),)))
    assert not await store.put_facts(bob, book.version, [FactChange(Finding("other", "", "x", ()))])


async def test_of_two_who_use_a_code_at_once_one_gets_it(store: SqlStore) -> None:
    ann, bob, eve = [await person(store, name, "hi") for name in ("ann", "bob", "eve")]
    await store.offer_link(ann, CODE, seconds=600)
    joined = await asyncio.gather(store.link(bob, CODE), store.link(eve, CODE))
    assert sorted(joined, key=bool) == [None, ann]


async def test_talk_goes_on_while_two_are_joined(store: SqlStore) -> None:
    ann, bob = [await person(store, name, "hi") for name in ("ann", "bob")]
    await store.offer_link(ann, CODE, seconds=600)
    work = await say(store, "and", "bob")
    await asyncio.gather(store.link(bob, CODE), store.accept(said("so on", "bob")), end(store, work))
    [info] = [info for info in await store.sessions(ann) if info.address.chat == "bob"]
    assert (info.head, info.owner) == (2, ann)
