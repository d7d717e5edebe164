from __future__ import annotations

from duihua_storage import SqlStore
from tests.leftovers import leftovers
from tests.storage.talk import say


async def start(store: SqlStore, *, tenant: str = "main", owner: int = 0, model: str = "glm-4") -> int:
    return await store.new_task(tenant, owner, "chat", "zhipu", model)


async def test_a_task_is_written_before_it_is_started(store: SqlStore) -> None:
    id_ = await start(store)
    task = await store.task("main", id_)
    assert task is not None
    assert (task.state, task.platform, task.model, task.kind) == ("starting", "zhipu", "glm-4", "chat")
    assert (task.external_id, task.result, task.error, task.ended) == ("", None, None, 0)
    assert task.created > 1_600_000_000_000


async def test_a_running_task_keeps_the_platforms_id_and_model(store: SqlStore) -> None:
    id_ = await start(store)
    assert await store.settle_task(id_, "running", external_id="v-1", echoed="glm-4-plus")
    assert await store.settle_task(id_, "done", result=b"{}")
    task = await store.task("main", id_)
    assert task is not None
    assert (task.external_id, task.echoed, task.state, task.result) == ("v-1", "glm-4-plus", "done", b"{}")
    assert task.ended >= task.created


async def test_a_result_is_stored_once(store: SqlStore) -> None:
    id_ = await start(store)
    assert await store.settle_task(id_, "done", result=b"first")
    assert not await store.settle_task(id_, "done", result=b"second")
    assert not await store.settle_task(id_, "failed", error=b"late")
    task = await store.task("main", id_)
    assert task is not None
    assert (task.state, task.result, task.error) == ("done", b"first", None)


async def test_an_unknown_task_may_still_turn_out_to_run(store: SqlStore) -> None:
    id_ = await start(store)
    assert await store.settle_task(id_, "unknown", error=b"{}")
    task = await store.task("main", id_)
    assert task is not None
    assert (task.state, task.ended) == ("unknown", 0)
    assert await store.settle_task(id_, "running", external_id="v-1")


async def test_tasks_are_listed_newest_first_each_tenants_own(store: SqlStore) -> None:
    ids = [await start(store) for _ in range(3)]
    other = await start(store, tenant="other")
    assert [task.id for task in await store.tasks("main")] == ids[::-1]
    assert [task.id for task in await store.tasks("main", limit=2)] == ids[:0:-1]
    assert await store.task("main", other) is None
    assert not await store.forget_task("main", other)


async def test_a_forgotten_task_leaves_nothing(store: SqlStore, database_url: str) -> None:
    id_ = await start(store, model="Geheim")
    await store.settle_task(id_, "done", external_id="Geheim", echoed="Geheim", result=b"Geheim")
    assert leftovers(database_url, "Geheim")
    assert await store.forget_task("main", id_)
    assert not await store.forget_task("main", id_)
    assert not await store.settle_task(id_, "done", result=b"Geheim")
    await store.scrub()
    assert leftovers(database_url, "Geheim") == []


async def test_forgetting_a_person_takes_their_tasks_and_no_others(store: SqlStore) -> None:
    owner = (await say(store, "hello")).owner
    theirs, nobodys = await start(store, owner=owner), await start(store)
    await store.forget_user(owner)
    assert await store.task("main", theirs) is None
    assert await store.task("main", nobodys) is not None


async def test_what_a_text_column_cannot_hold_is_no_obstacle(store: SqlStore) -> None:
    id_ = await start(store, model="a\0b\ud83d")
    await store.settle_task(id_, "running", external_id="x\0", echoed="\ud83d")
    task = await store.task("main", id_)
    assert task is not None
    assert (task.model, task.external_id) == ("ab?", "x")
