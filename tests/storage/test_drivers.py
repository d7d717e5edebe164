import asyncio
import logging
import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from duihua.errors import SessionBusy, StorageError, Superseded
from duihua_storage import SqlStore
from duihua_storage.failpoint import STATUS
from duihua_storage.statement import Statement, Tx
from tests.leftovers import run
from tests.storage.talk import at, end, history, queue, said, say, talk, token


def url_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/x.db"


# ---------------------------------------------------------------- writes


async def test_an_accepted_write_is_carried_out_without_its_caller(store: SqlStore) -> None:
    await store.ensure(at())
    task = asyncio.create_task(store.accept(said("hello")))
    await asyncio.sleep(0)  # it has reached the driver
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.put_state("x", b"")  # behind it
    work = await claimed_soon(store)
    assert await end(store, work) is None
    assert await history(store) == ["hello"]


async def claimed_soon(store: SqlStore) -> Any:
    while True:
        work = await store.claim(1, token(), lease=9000)
        if work is not None:
            return work


async def test_closing_carries_out_what_was_accepted(database_url: str) -> None:
    store = SqlStore(database_url)
    await store.open()
    writes = [asyncio.create_task(store.accept(said(f"{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await store.aclose()
    assert all(accepted.new for accepted in await asyncio.gather(*writes))
    assert run(database_url, "SELECT pending FROM sessions") == [(20,)]


async def test_one_that_fails_does_not_spoil_those_beside_it(store: SqlStore) -> None:
    full, work = await queue(store, "a", "full"), await say(store, "a", "late")
    await end(store, work)
    twice = said("twice", "twice")
    results = await asyncio.gather(
        store.accept(said("b", "good")),
        store.accept(said("b", "full"), cap=1),
        end(store, work),
        store.accept(twice),
        store.accept(twice),
        store.accept(said("c", "good")),
        return_exceptions=True,
    )
    kinds = [type(r) if isinstance(r, Exception) else r.new for r in results if r is not None]  # type: ignore
    assert kinds[:3] == [True, SessionBusy, Superseded]
    assert sorted(kinds[3:5]) == [False, True]
    assert kinds[5] is True
    assert (await store.session(at("good"))).pending == 2  # pyright: ignore[reportOptionalMemberAccess]
    assert (await store.session(at("full"))).pending == 1  # pyright: ignore[reportOptionalMemberAccess]
    assert await store.waiting(full.session) == [full.inbox]


async def test_waiting_writes_share_a_commit(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    await store.open()
    await store.ensure(at())
    commits: list[str] = []
    db: Any = store._db  # pyright: ignore[reportPrivateUsage]

    def trace() -> None:
        db._writer._conn.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

    await db._submit(db._writer, trace)
    await asyncio.gather(*(store.accept(said(f"{n}")) for n in range(50)))
    assert len(commits) == 2  # the first did not wait for anyone
    await store.aclose()


async def test_a_commit_that_fails_fails_for_each_and_leaves_nothing(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    await store.open()
    await talk(store, "a")
    [(pages,)] = run(url_of(tmp_path), "PRAGMA page_count")
    await store._db.write(lambda: _pragma(f"PRAGMA max_page_count={pages}"), "")  # pyright: ignore
    results = await asyncio.gather(
        *(store.accept(said("x" * 50_000, f"{n}")) for n in range(5)), return_exceptions=True
    )
    assert {type(result) for result in results} == {StorageError}
    assert "make room on the disk" in str(results[0])
    await store._db.write(lambda: _pragma("PRAGMA max_page_count=1000000"), "")  # pyright: ignore
    assert await history(store) == ["a"]
    await talk(store, "b")
    await store.aclose()


def _pragma(sql: str) -> Tx[None]:
    yield Statement(text(sql)), {}


async def test_a_deadlock_is_tried_again(pg_database: Callable[..., str]) -> None:
    store = SqlStore(pg_database())
    await store.open()
    for chat in ("one", "two"):
        await store.ensure(at(chat))
    met = asyncio.Barrier(2)
    tries = 0

    async def cross(first: int, second: int) -> None:
        def transaction() -> Tx[None]:
            nonlocal tries
            tries += 1
            touch = Statement(text("UPDATE sessions SET touched = touched + 1 WHERE id = :i"))
            yield touch, {"i": first}
            yield Statement(text("SELECT pg_sleep(0.05)")), {}
            yield touch, {"i": second}

        await met.wait()
        await store._db.write(transaction, "")  # pyright: ignore[reportPrivateUsage]

    await asyncio.gather(cross(1, 2), cross(2, 1))
    assert tries == 3
    await store.aclose()


async def test_connections_that_were_cut_are_replaced(pg_database: Callable[..., str]) -> None:
    url = pg_database()
    store = SqlStore(url)
    await store.open()
    await asyncio.gather(*(talk(store, "a", chat=f"{n}") for n in range(8)))
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()",
    )
    await asyncio.gather(*(talk(store, "b", chat=f"{n}") for n in range(8)))
    assert await history(store, "3") == ["a", "b"]
    await store.aclose()


async def test_a_process_that_stops_inside_a_transaction_loses_its_locks(
    pg_database: Callable[..., str],
) -> None:
    store = SqlStore(pg_database(), lease=9000)
    await store.open()

    def ask() -> Tx[str]:
        rows = yield Statement(text("SHOW idle_in_transaction_session_timeout")), {}
        return rows[0][0]

    assert await store._db.read(ask) == "3s"  # pyright: ignore[reportPrivateUsage]
    await store.aclose()


async def test_an_error_of_the_server_does_not_quote_rows(
    pg_database: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = pg_database()
    store = SqlStore(url)
    await store.open()
    run(url, "ALTER TABLE inbox ADD CONSTRAINT short CHECK (length(source_id) < 5)")
    with pytest.raises(StorageError) as raised:
        await store.accept(said("hello", source_id="机密 secret"))
    assert "violates check constraint" in str(raised.value)
    assert "secret" not in str(raised.value) + caplog.text
    await store.aclose()


async def test_no_text_of_a_person_is_logged(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    work = await say(store, "机密 secret")
    await store.partial(work.fence, "机密 secret")
    await end(store, work, "机密 secret")
    await history(store)
    assert "secret" not in caplog.text


# ---------------------------------------------------------------- SQLite


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    await store.open()
    await talk(store, "a")
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600}
    await store.aclose()


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
async def test_connections_are_set_up(tmp_path: Path, synchronous: Any) -> None:
    store = SqlStore(url_of(tmp_path), synchronous=synchronous)
    await store.open()

    def settings() -> Tx[list[Any]]:
        names = ("journal_mode", "synchronous", "busy_timeout", "secure_delete", "foreign_keys")
        rows: list[Any] = []
        for name in names:
            rows.append((yield Statement(text(f"PRAGMA {name}")), {})[0][0])
        return rows

    expected = ["wal", {"NORMAL": 1, "FULL": 2}[synchronous], 5000, 1, 1]
    assert await store._db.write(settings, "") == expected  # pyright: ignore[reportPrivateUsage]
    assert await store._db.read(settings) == expected  # pyright: ignore[reportPrivateUsage]
    await store.aclose()


async def test_a_file_that_others_keep_locked_is_said(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    await store.open()
    await talk(store, "a")
    await store._db.write(lambda: _pragma("PRAGMA busy_timeout=0"), "")  # pyright: ignore[reportPrivateUsage]
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another process has been writing"):
        await store.accept(said("b"))
    assert await history(store) == ["a"]
    other.execute("ROLLBACK")
    other.close()
    await talk(store, "b")
    await store.aclose()


async def test_a_store_that_nobody_closed_does_not_keep_the_process(tmp_path: Path) -> None:
    code = (
        "import asyncio\nfrom duihua_storage import SqlStore\n"
        f"async def main():\n store = SqlStore({url_of(tmp_path)!r})\n await store.open()\n"
        " await store.put_state('x', b'')\n await store.get_state('x')\nasyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(child.wait(), 30) == 0


async def test_a_database_in_memory_works(tmp_path: Path) -> None:
    store = SqlStore("sqlite+aiosqlite://")
    await store.open()
    await talk(store, "a", "b")
    assert await history(store) == ["a", "b"]
    await store.erase(1)
    await store.scrub()
    await store.aclose()


async def test_reads_go_beside_a_long_write(tmp_path: Path) -> None:
    store = SqlStore(url_of(tmp_path))
    await store.open()
    await talk(store, "a")
    go, inside = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def long() -> Tx[None]:
        yield Statement(text("UPDATE sessions SET title = 'x'")), {}
        loop.call_soon_threadsafe(inside.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()

    writing = store._db.write(long, "")  # pyright: ignore[reportPrivateUsage]
    await inside.wait()
    infos = await asyncio.gather(*(store.session(at()) for _ in range(10)))
    assert {info.title for info in infos if info} == {""}
    go.set()
    await writing
    assert (await store.session(at())).title == "x"  # pyright: ignore[reportOptionalMemberAccess]
    await store.aclose()


async def test_a_cancelled_read_leaves_its_connection_usable(store: SqlStore) -> None:
    await talk(store, "a")
    for number in range(30):
        task = asyncio.create_task(history(store))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
    assert await history(store) == ["a"]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://x/y", "no database is known as mysql"),
        ("duihua.db", "is no URL of a database"),
        ("sqlite:///file:x?mode=memory", "plain path"),
    ],
)
def test_a_url_that_names_no_database(url: str, why: str) -> None:
    with pytest.raises(StorageError, match=why):
        SqlStore(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "duihua_storage.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r'pip install "duihua\[postgres\]"'):
        SqlStore("postgresql://localhost/x")


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory; see DUIHUA_DATABASE_URL"):
        await SqlStore(f"sqlite+aiosqlite:///{tmp_path}/none/x.db").open()


async def test_another_kind_of_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database " * 100)
    with pytest.raises(StorageError, match="another kind of file"):
        await SqlStore(url_of(tmp_path)).open()


async def test_a_store_that_is_not_open_says_so(database_url: str) -> None:
    store = SqlStore(database_url)
    for _ in range(2):
        with pytest.raises(StorageError, match="not open"):
            await store.accept(said("a"))
        with pytest.raises(StorageError, match="not open"):
            await store.due()
        await store.open()
        await talk(store, "a")
        await store.aclose()


# ---------------------------------------------------------------- failpoints

DYING = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from tests.storage.talk import calling, end, say, NOTHING, LEASE
from duihua_storage import SqlStore

async def main(url):
    store = SqlStore(url)
    await store.open()
    await store.put_state("x", b"")
    work = await say(store, "hello")
    await store.renew([(work.fence.ref.session, work.fence.token)], lease=LEASE)
    await store.step(work.fence, 0, calling(work.fence.ref, "planned"), usage=NOTHING)
    await end(store, work)
    await store.take_sends(["terminal"], lease=LEASE)
    await store.aclose()

asyncio.run(main(sys.argv[1]))
"""


async def scenario(url: str, **environment: str) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING, url, str(Path(__file__).parent), env={**os.environ, **environment}
    )
    return await child.wait()


async def test_a_process_dies_at_the_point_that_was_asked_for(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "points"
    assert await scenario(database_url, DUIHUA_FAILPOINT="4", DUIHUA_FAILPOINT_LOG=str(log)) == STATUS
    assert log.read_text().splitlines() == [
        "1 accept before",
        "2 accept after",
        "3 step before",
        "4 step after",
    ]
    assert run(database_url, "SELECT state FROM turns") == [("running",)]
    assert run(database_url, "SELECT count(*) FROM steps") == [(1,)]


async def test_points_are_counted_without_dying(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "points"
    assert await scenario(database_url, DUIHUA_FAILPOINT_LOG=str(log)) == 0
    assert log.read_text().splitlines()[-1] == "6 finish after"
    assert await scenario(database_url, DUIHUA_FAILPOINT="1") == STATUS


def test_psycopg_and_aiosqlite_still_have_what_is_used_of_them() -> None:
    """No public way of aiosqlite runs a transaction in one hop to its thread."""
    import aiosqlite

    connection = aiosqlite.connect(":memory:")
    assert hasattr(connection, "_tx")
    assert hasattr(connection, "_thread")
    assert hasattr(type(connection), "_conn")
    assert psycopg.AsyncConnection.pipeline
    assert make_url("sqlite://").get_backend_name() == "sqlite"
