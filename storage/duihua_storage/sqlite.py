"""SQLite: one writing connection, a few reading ones, a whole transaction in one hop to a thread.

Transactions that arrive while a commit runs go into the next one together, each behind a savepoint: one
commit, and on `synchronous=FULL` one wait for the disk, serves all of them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, cast

import aiosqlite
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from duihua.errors import StorageError
from duihua_storage.failpoint import failpoint
from duihua_storage.revision import FIND, HEAD, creation, older, outdated, upgrade
from duihua_storage.statement import Rows, Tx

T = TypeVar("T")
Synchronous = Literal["NORMAL", "FULL"]
DIALECT = sqlite.dialect(paramstyle="named")
READERS = 3
BATCH = 256
CHECKPOINT_TRIES, CHECKPOINT_PAUSE = 20, 0.1
CLOSED = "the store is not open"
ADVICE = {
    "database is locked": "another process has been writing for over 5 seconds; see which one it is",
    "disk is full": "nothing of this was kept; make room on the disk and try again",
    "readonly database": "the file or its folder may not be written; correct its owner or mode",
    "unable to open database file": "does the folder exist, and may it be written? see DUIHUA_DATABASE_URL",
    "disk I/O error": "the disk or its file system fails; look at the system's log",
    "is malformed": "the file is damaged; restore it from a backup",
    "file is not a database": "this is another kind of file; name another one in DUIHUA_DATABASE_URL",
    "already exists": "the file belongs to another program; name another one in DUIHUA_DATABASE_URL",
}

_Waiting = tuple[Callable[[], Tx[Any]], str, "asyncio.Future[Any]"]


class _Reader:
    """A connection for reading and how many reads wait for it."""

    __slots__ = ("connection", "load")

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.connection, self.load = connection, 0


class Sqlite:
    """One SQLite file, shared with any number of other processes; or a database in memory, for this one."""

    def __init__(self, url: URL, *, synchronous: Synchronous = "NORMAL", migrate: bool = True) -> None:
        self._memory = url.database in (None, "", ":memory:")
        if url.query or (url.database or "").startswith("file:"):
            raise StorageError(
                f"{url}: give a plain path, without options, as in sqlite+aiosqlite:///duihua.db"
            )
        self._path = ":memory:" if self._memory else str(url.database)
        self._synchronous, self._migrate = synchronous, migrate
        self._reach = failpoint()
        self._writer: aiosqlite.Connection | None = None
        self._readers: list[_Reader] = []
        self._opening = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed = False

    async def open(self) -> None:
        """Connects; makes or upgrades the tables."""
        self._closed = False
        try:
            if not self._memory:
                _touch(self._path)
            self._writer = await self._connect()
            if await self._submit(self._writer, _prepare, self._writer, self._path, self._migrate):
                await asyncio.to_thread(upgrade, URL.create("sqlite", database=self._path))
        except BaseException as e:
            await self.aclose()
            raise self._explain(e) from None

    async def aclose(self) -> None:
        """Waits for what was accepted, then closes every connection."""
        self._closed = True
        await self._quiet.wait()
        async with self._opening:
            readers, self._readers = self._readers, []
        writer, self._writer = self._writer, None
        for connection in (*(reader.connection for reader in readers), writer):
            if connection is not None:
                await connection.close()  # behind whatever its thread still does

    # ------------------------------------------------------------ writing

    def write(self, transaction: Callable[[], Tx[T]], label: str) -> Awaitable[T]:
        """Queues the transaction; the next commit carries it out, whether or not its caller still waits."""
        if self._writer is None or self._closed:
            raise StorageError(CLOSED)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((transaction, label, done))
        if self._quiet.is_set():
            self._commit_waiting()
        return done

    def _commit_waiting(self) -> None:
        assert self._writer is not None
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._quiet.clear()
        carried = self._submit(self._writer, self._carry_out, [item[:2] for item in batch])
        carried.add_done_callback(lambda results: self._tell(batch, results))

    def _tell(self, batch: list[_Waiting], results: asyncio.Future[list[Any]]) -> None:
        if self._waiting:
            self._commit_waiting()
        else:
            self._quiet.set()
        for (_, _, done), result in zip(batch, results.result(), strict=True):
            if done.done():
                continue  # its caller was cancelled
            if isinstance(result, BaseException):
                done.set_exception(self._explain(result))
            else:
                done.set_result(result[0])

    def _carry_out(self, batch: list[tuple[Callable[[], Tx[Any]], str]]) -> list[Any]:
        """In the thread: one commit for all; per transaction (result,) or what it raised."""
        assert self._writer is not None
        db, reach = _db(self._writer), self._reach
        if reach is not None:
            for _, label in batch:
                reach(label, "before")
        try:
            db.execute("BEGIN IMMEDIATE")
            if len(batch) == 1:
                results: list[Any] = [(_run(db, batch[0][0]()),)]
            else:
                results = [_apart(db, transaction) for transaction, _ in batch]
            db.execute("COMMIT")
        except BaseException as e:
            if db.in_transaction:
                db.execute("ROLLBACK")
            # A commit that fails fails for all; alone, each learns its own fate.
            return [e] if len(batch) == 1 else [self._carry_out([item])[0] for item in batch]
        if reach is not None:
            for _, label in batch:
                reach(label, "after")
        return results

    # ------------------------------------------------------------ reading

    async def read(self, transaction: Callable[[], Tx[T]]) -> T:
        """Runs it on one state of the database, beside any writer."""
        if self._writer is None or self._closed:
            raise StorageError(CLOSED)
        if self._memory:
            return await self._ask(self._writer, transaction)
        reader = await self._reader()
        reader.load += 1
        try:
            return await self._ask(reader.connection, transaction)
        finally:
            reader.load -= 1

    async def _ask(self, connection: aiosqlite.Connection, transaction: Callable[[], Tx[T]]) -> T:
        try:
            return await self._submit(connection, _read, connection, transaction)
        except sqlite3.Error as e:
            raise self._explain(e) from None

    async def _reader(self) -> _Reader:
        """The connection with the least to do; another one while all are busy and there may be more."""
        best = min(self._readers, key=lambda reader: reader.load, default=None)
        if best is not None and (not best.load or len(self._readers) >= READERS):
            return best
        # Shielded: a connection that is being opened when its caller is cancelled would never be closed.
        await asyncio.shield(asyncio.ensure_future(self._add_reader()))
        if not self._readers:
            raise StorageError(CLOSED)
        return min(self._readers, key=lambda reader: reader.load)

    async def _add_reader(self) -> None:
        async with self._opening:
            if self._closed or len(self._readers) >= READERS:
                return
            try:
                self._readers.append(_Reader(await self._connect()))
            except sqlite3.Error as e:
                raise self._explain(e) from None

    # ------------------------------------------------------------ files

    async def scrub(self) -> None:
        """Moves all of the WAL into the file, where erased text is overwritten, and empties it.

        Raises:
            StorageError: a reader kept the WAL in use all the while; the next scrub will get it.
        """
        if self._memory:
            return
        if self._writer is None:
            raise StorageError(CLOSED)
        for _ in range(CHECKPOINT_TRIES):
            if await self._submit(self._writer, _checkpoint, self._writer):
                return
            await asyncio.sleep(CHECKPOINT_PAUSE)
        raise StorageError(
            f"erased text may still be in {self._path}-wal: another process reads the file all the time; "
            "it goes with the next erase, or when every process has closed the file"
        )

    async def _connect(self) -> aiosqlite.Connection:
        connection = aiosqlite.connect(self._path, isolation_level=None, cached_statements=256)
        cast(Any, connection)._thread.daemon = True  # a store that nobody closed must not keep the process
        await connection
        try:
            await self._submit(connection, _configure, connection, self._synchronous)
        except BaseException:
            await connection.close()
            raise
        return connection

    def _submit(
        self, connection: aiosqlite.Connection, work: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Has the connection's thread do `work`: through its own queue, without a task or a coroutine."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        cast(Any, connection)._tx.put_nowait((done, lambda: work(*args)))
        return done

    def _explain(self, error: BaseException) -> BaseException:
        """An error of SQLite in words that say what to do; any other as it is."""
        if isinstance(error, OSError):
            return StorageError(f"cannot open {self._path}: {error.strerror}; see DUIHUA_DATABASE_URL")
        if not isinstance(error, sqlite3.Error):
            return error
        text = str(error)
        for sign, advice in ADVICE.items():
            if sign in text:
                return StorageError(f"{self._path}: {text}: {advice}")
        return StorageError(f"{self._path}: {text}")


def _touch(path: str) -> None:
    """Makes a new file for its owner's eyes alone; SQLite gives the WAL the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _db(connection: aiosqlite.Connection) -> sqlite3.Connection:
    return cast(Any, connection)._conn


def _configure(connection: aiosqlite.Connection, synchronous: str) -> None:
    db = _db(connection)
    db.execute("PRAGMA busy_timeout=5000")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("PRAGMA secure_delete=ON")
    db.execute("PRAGMA foreign_keys=ON")


def _prepare(connection: aiosqlite.Connection, path: str, migrate: bool) -> bool:
    """Makes the tables of a new file. Returns whether older ones must be upgraded."""
    db = _db(connection)
    if path != ":memory:":
        _write_ahead(db)
    found = _revision(db)
    if found is None:
        if not migrate:
            raise outdated(None, path)
        db.execute("BEGIN IMMEDIATE")
        try:
            found = _revision(db)  # another process may have been faster
            if found is None:
                for statement in creation(DIALECT):
                    db.execute(statement)
                found = HEAD
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
    if not older(found, path):
        return False
    if not migrate:
        raise outdated(found, path)
    return True


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switches to WAL. Two processes at once get "locked" at once, whatever the busy timeout."""
    for remaining in reversed(range(100)):
        try:
            db.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except sqlite3.OperationalError as e:
            if "locked" not in str(e) or not remaining:
                raise
        time.sleep(0.02)


def _revision(db: sqlite3.Connection) -> str | None:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchall():
        return None
    rows = db.execute(FIND).fetchall()
    return str(rows[0][0]) if rows else None


def _checkpoint(connection: aiosqlite.Connection) -> bool:
    db = _db(connection)
    db.execute("PRAGMA busy_timeout=100")  # writers queue behind this: better to try again than to wait long
    try:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except sqlite3.OperationalError as e:
        if "locked" in str(e):
            return False
        raise
    finally:
        db.execute("PRAGMA busy_timeout=5000")


def _read(connection: aiosqlite.Connection, transaction: Callable[[], Tx[T]]) -> T:
    db = _db(connection)
    db.execute("BEGIN")
    try:
        return _run(db, transaction())
    finally:
        db.execute("COMMIT")


def _apart(db: sqlite3.Connection, transaction: Callable[[], Tx[Any]]) -> Any:
    """One of several in a commit: what it raises undoes it alone."""
    db.execute("SAVEPOINT one")
    try:
        result: Any = (_run(db, transaction()),)
    except Exception as e:
        if not db.in_transaction:
            raise  # the disk is full, or the like: SQLite has undone the whole commit
        db.execute("ROLLBACK TO one")
        result = e
    db.execute("RELEASE one")
    return result


def _run(db: sqlite3.Connection, transaction: Tx[T]) -> T:
    execute, send = db.execute, transaction.send
    try:
        asked = next(transaction)
        while True:
            answers: Rows = []
            for statement, values in asked if isinstance(asked, list) else (asked,):
                text, constants = statement.on(DIALECT)
                answers.append(execute(text, {**constants, **values} if constants else values).fetchall())
            asked = send(answers if isinstance(asked, list) else answers[0])
    except StopIteration as end:
        return cast(T, end.value)
