"""What a front end was handed: kept once, in order, emptied when it is done, gone with who sent it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

from duihua_storage import SqlStore, arrivals, upgrade
from duihua_storage.sqlite import DIALECT
from tests.leftovers import leftovers, run
from tests.storage.talk import at, talk

BOT = "telegram/42"
DAY = 86_400_000


def update(number: int, text: str = "你好", author: str = "7") -> tuple[str, str, bytes]:
    return str(number), author, json.dumps({"update_id": number, "text": text}).encode()


async def keys(store: SqlStore, source: str = BOT, **fields: int) -> list[str]:
    return [arrival.key for arrival in await store.arrived(source, **fields)]


def age(url: str, days: int) -> None:
    run(url, "UPDATE arrivals SET at = at - ?", days * DAY + 1)


async def test_a_batch_that_comes_again_after_a_crash_is_kept_once(
    store: SqlStore, database_url: str
) -> None:
    """Two polls before a crash, one of them settled in part, and the same batch again after it."""
    batch = [update(3), update(1), update(3)]
    assert await store.arrive(BOT, batch) == 2
    assert await keys(store) == ["3", "1"]  # as they came, whatever their numbers
    first, second = await store.arrived(BOT)
    assert first.body == batch[0][2]
    await store.settle_arrivals([first.id])
    again = SqlStore(database_url)
    await again.open()
    assert await again.arrive(BOT, [*batch, update(4)]) == 1
    assert await keys(again) == ["1", "4"]
    assert await keys(again, after=second.id) == ["4"]
    assert await keys(again, limit=1) == ["1"]
    assert await again.arrive("telegram/43", batch) == 2  # another bot counts on its own
    await again.aclose()


async def test_a_done_one_has_neither_body_nor_author_and_is_swept_after_three_days(
    store: SqlStore, database_url: str
) -> None:
    await store.arrive(BOT, [update(1, "秘密", "somebody"), update(2)])
    first, second = await store.arrived(BOT)
    await store.settle_arrivals([first.id])
    await store.scrub()
    assert leftovers(database_url, "秘密", "somebody") == []
    age(database_url, 3)
    await store.arrive(BOT, [update(3)])
    await store.settle_arrivals([arrival.id for arrival in await store.arrived(BOT, after=second.id)])
    await store.sweep()
    assert run(database_url, "SELECT key, state FROM arrivals ORDER BY id") == [("2", "new"), ("3", "done")]
    assert await store.arrive(BOT, [update(1)]) == 1


async def test_what_cannot_be_read_is_kept_apart(store: SqlStore, database_url: str) -> None:
    await store.arrive(BOT, [update(1), update(2), update(3)])
    ids = [arrival.id for arrival in await store.arrived(BOT)]
    await store.settle_arrivals(ids[:1], error="e" * 9_999)
    await store.settle_arrivals(ids[1:2], error="no \0 update")
    assert await keys(store) == ["3"]
    last, first = await store.quarantine()
    assert (last.source, last.key, last.error, last.body) == (BOT, "2", "no  update", update(2)[2])
    assert len(first.error) == arrivals.ERROR
    await store.settle_arrivals(ids[:1])
    assert [bad.key for bad in await store.quarantine()] == ["2"]
    age(database_url, 29)
    await store.sweep()
    assert len(await store.quarantine()) == 1
    age(database_url, 1)
    await store.sweep()
    assert run(database_url, "SELECT key FROM arrivals") == [("3",)]


async def test_the_quarantine_of_a_source_is_bounded(store: SqlStore) -> None:
    await store.arrive(BOT, [update(n) for n in range(arrivals.QUARANTINED + 2)])
    ids = [arrival.id for arrival in await store.arrived(BOT, limit=5_000)]
    await store.arrive("telegram/43", [update(1)])
    [other] = await store.arrived("telegram/43")
    await store.settle_arrivals([*ids, other.id], error="unreadable")
    kept = await store.quarantine(limit=5_000)
    assert sorted(bad.id for bad in kept) == [*ids[2:], other.id]
    assert await store.arrive(BOT, [update(0)]) == 0  # its key is still known


async def test_batches_at_the_same_moment_get_their_numbers_in_the_order_of_their_commits(
    store: SqlStore,
) -> None:
    """A reader that goes on from the last id would miss what was given earlier and committed later."""

    async def read() -> list[str]:
        seen: list[str] = []
        last = 0
        while len(seen) < 40:
            for arrival in await store.arrived(BOT, after=last):
                seen.append(arrival.key)
                last = arrival.id
        return seen

    async with asyncio.timeout(30):
        reader = asyncio.create_task(read())
        await asyncio.gather(*(store.arrive(BOT, [update(n), update(n + 100)]) for n in range(20)))
        assert sorted(map(int, await reader)) == [*range(20), *range(100, 120)]


async def test_one_token_has_a_source_until_its_lease_is_over(store: SqlStore, database_url: str) -> None:
    assert await store.hold(BOT, "one", lease=60_000)
    assert await store.hold(BOT, "one", lease=60_000)
    assert not await store.hold(BOT, "two", lease=60_000)
    assert await store.hold("telegram/43", "two", lease=60_000)
    await store.let_go(BOT, "two")
    assert not await store.hold(BOT, "two", lease=60_000)
    run(database_url, "UPDATE holds SET until = until - 60001 WHERE source = ?", BOT)
    assert await store.hold(BOT, "two", lease=60_000)
    assert not await store.hold(BOT, "one", lease=60_000)
    await store.let_go(BOT, "two")
    assert await store.hold(BOT, "one", lease=60_000)


async def test_what_arrives_leaves_the_right_to_a_source_alone(store: SqlStore) -> None:
    await store.arrive(BOT, [update(1)])
    assert await store.hold(BOT, "one", lease=60_000)
    await store.arrive(BOT, [update(2)])
    assert not await store.hold(BOT, "two", lease=60_000)


async def test_a_forgotten_person_s_arrivals_are_emptied_at_their_front_end_alone(
    store: SqlStore, database_url: str
) -> None:
    await talk(store, "hello", address=at("7", "telegram"))
    user = await store.user("main", "telegram", "7")
    assert user is not None
    await store.arrive(BOT, [update(1, "甲"), update(2, "乙"), update(3, "丙", "8"), update(4, "丁", "")])
    await store.arrive("telegram_/42", [update(1, "戊")])
    bad = (await store.arrived(BOT))[1].id
    await store.settle_arrivals([bad], error="乙 is no update")
    exported = (await store.export(user))["arrivals"]
    assert [(a["key"], a["state"], a["body"]["text"]) for a in exported] == [
        ("1", "new", "甲"),
        ("2", "quarantined", "乙"),
    ]
    await store.forget_user(user)
    await store.scrub()
    words = [json.dumps(char)[1:-1] for char in "甲乙"]
    assert leftovers(database_url, "甲", "乙", *words) == []
    assert await keys(store) == ["3", "4"]
    assert await keys(store, "telegram_/42") == ["1"]
    assert await store.quarantine() == []
    assert await store.arrive(BOT, [update(1, "甲")]) == 0  # the platform delivers it once more


def test_open_ones_are_found_by_an_index_of_theirs(tmp_path: Path) -> None:
    """However many are done."""
    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    upgrade(url)
    sql, constants = arrivals.OPEN.on(DIALECT)
    with sqlite3.connect(tmp_path / "x.db") as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {sql}", {**constants, "so": BOT, "i": 0, "n": 9}).fetchall()
    db.close()
    assert [row[3] for row in plan] == ["SEARCH arrivals USING INDEX arrivals_open (source=? AND id>?)"]
