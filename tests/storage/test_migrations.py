import asyncio
import re
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import duihua_storage
from duihua.errors import StorageError
from duihua_storage import SqlStore, upgrade
from duihua_storage.revision import HEAD, REVISIONS
from tests.leftovers import leftovers, run, tables
from tests.storage.talk import at, end, history, say, talk

CHILD = """
import asyncio, sys
from duihua.messages import Address, Text
from duihua.ports import Input
from duihua_storage import SqlStore

async def main(url, name):
    store = SqlStore(url, upgrade=True)
    await store.open()
    await store.accept(Input("test", name, Address("terminal", "home"), parts=(Text(name),)))
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/new.db"
    make: Callable[..., str] = request.getfixturevalue("pg_database")
    return make(empty=True)


async def use(url: str) -> None:
    """Opens a store, talks in it, and closes it."""
    store = SqlStore(url, upgrade=True)
    await store.open()
    await talk(store, "hello")
    assert await history(store) == ["hello"]
    await store.aclose()


def structure(url: str) -> object:
    """Tables and indexes with their columns and constraints, in whatever order and layout."""
    if url.startswith("sqlite"):
        rows = run(url, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(*row, frozenset(re.findall(r"[^\s,()]+", sql))) for *row, sql in rows}
    columns = run(
        url,
        "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'",
    )
    indexes = run(url, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    return {*columns, *indexes}


def test_every_migration_is_listed() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(duihua_storage.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(s.revision for s in scripts.walk_revisions())[::-1] == REVISIONS
    assert scripts.get_heads() == [HEAD]


async def test_new_files_and_migrated_ones_have_the_same_tables(tmp_path: Path) -> None:
    made, migrated = (f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("made", "migrated"))
    store = SqlStore(made)
    await store.open()
    await store.aclose()
    upgrade(migrated)
    assert structure(made) == structure(migrated)


def test_the_migrations_lead_to_the_tables_of_the_code(empty_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from duihua_storage.tables import metadata

    upgrade(empty_url)
    engine = create_engine(empty_url.replace("+aiosqlite", ""))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_database_of_every_revision_opens(empty_url: str, revision: str) -> None:
    upgrade(empty_url, revision)
    assert run(empty_url, "SELECT version_num FROM alembic_version") == [(revision,)]
    await use(empty_url)
    assert run(empty_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_what_an_older_version_stored_is_kept(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first tables, with a conversation in them, and then today's program."""
    from duihua_storage import revision

    upgrade(empty_url, "0001")
    assert "tasks" not in tables(empty_url)
    with monkeypatch.context() as earlier:
        for module in ("revision", "sqlite", "postgres"):
            earlier.setattr(f"duihua_storage.{module}.HEAD", "0001", raising=False)
        earlier.setattr(revision, "REVISIONS", ("0001",))
        await use(empty_url)
        assert run(empty_url, "SELECT version_num FROM alembic_version") == [("0001",)]
    store = SqlStore(empty_url, upgrade=True)
    await store.open()
    assert await history(store) == ["hello"]
    await talk(store, "again")
    assert await history(store) == ["hello", "again"]
    task = await store.new_task("main", 1, "drawing", "zhipu", "cogview")
    assert [t.id for t in await store.tasks("main")] == [task]
    await store.aclose()
    assert run(empty_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_an_older_file_is_upgraded_by_opening_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a revision before the first: what the code does with any older one."""
    from duihua_storage import revision

    upgrade(empty_url)
    run(empty_url, "UPDATE alembic_version SET version_num = '0000'")
    monkeypatch.setattr(revision, "REVISIONS", ("0000", *REVISIONS))
    asked: list[str] = []
    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"duihua_storage.{module}.upgrade", lambda url: asked.append(str(url)))
    store = SqlStore(empty_url, upgrade=True)
    await store.open()
    await store.aclose()
    assert len(asked) == 1
    locked = SqlStore(empty_url, upgrade=False)
    with pytest.raises(StorageError, match=r"has tables of revision 0000, .* run `duihua db upgrade`"):
        await locked.open()


async def test_a_database_of_a_newer_version_is_refused(empty_url: str) -> None:
    upgrade(empty_url)
    run(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer version of duihua"):
        await SqlStore(empty_url, upgrade=True).open()
    with pytest.raises(StorageError, match="newer version of duihua"):
        upgrade(empty_url)


async def test_tables_are_not_made_unasked_on_a_server(pg_database: Callable[..., str]) -> None:
    url = pg_database(empty=True)
    with pytest.raises(StorageError, match="has no tables yet: run `duihua db upgrade`"):
        await SqlStore(url).open()
    assert tables(url) == []
    upgrade(url)
    await use(url)


async def test_a_file_may_be_left_alone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="run `duihua db upgrade`"):
        await SqlStore(f"sqlite+aiosqlite:///{tmp_path}/x.db", upgrade=False).open()


async def test_upgrading_twice_is_upgrading_once(empty_url: str) -> None:
    upgrade(empty_url)
    await use(empty_url)
    upgrade(empty_url)
    assert leftovers(empty_url, "hello") != []


async def test_processes_that_open_a_new_database_at_once_all_succeed(empty_url: str) -> None:
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, empty_url, f"child {n}")
        for n in range(3)
    ]
    assert [await child.wait() for child in children] == [0, 0, 0]
    store = SqlStore(empty_url)
    await store.open()
    work = await store.claim(1, "t", lease=9000)
    for _ in range(3):
        assert work is not None
        work = await end(store, work)
    assert sorted(await history(store)) == ["child 0", "child 1", "child 2"]
    await store.aclose()


async def test_stores_that_open_a_new_database_at_once_all_succeed(empty_url: str) -> None:
    stores = [SqlStore(empty_url, upgrade=True) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.ensure(at())
        await store.aclose()


async def test_opening_at_the_newest_revision_does_not_load_alembic(tmp_path: Path) -> None:
    code = f"import sys\n{CHILD}\nassert 'alembic' not in sys.modules\nassert 'psycopg' not in sys.modules\n"
    for name in ("new", "there already"):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, f"sqlite+aiosqlite:///{tmp_path}/x.db", name
        )
        assert await child.wait() == 0


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE sessions (id INTEGER)")
    db.close()
    with pytest.raises(StorageError, match="belongs to another program"):
        asyncio.run(SqlStore(f"sqlite+aiosqlite:///{tmp_path}/x.db").open())


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    url = "postgresql+psycopg://someone:geheim@127.0.0.1:1/db"
    with pytest.raises(StorageError) as raised:
        await SqlStore(url).open()
    assert "127.0.0.1" in str(raised.value)
    assert "geheim" not in str(raised.value)
    with pytest.raises(StorageError) as raised:
        upgrade(url)
    assert "geheim" not in str(raised.value)


async def test_a_turn_can_run_right_after_opening(empty_url: str) -> None:
    store = SqlStore(empty_url, upgrade=True)
    await store.open()
    assert await end(store, await say(store, "hello")) is None
    await store.aclose()


def test_threads_may_upgrade_at_the_same_moment(tmp_path: Path) -> None:
    urls = [f"sqlite+aiosqlite:///{tmp_path}/{n}.db" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, urls))
    assert [run(url, "SELECT version_num FROM alembic_version") for url in urls] == [[(HEAD,)]] * 4
