"""PostgreSQL: a pool of connections, a transaction statement by statement on one of them.

A transaction that meets a deadlock, or a connection that is gone before COMMIT was sent, is begun again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL

from duihua.errors import StorageError
from duihua_storage.failpoint import failpoint
from duihua_storage.revision import FIND, older, outdated, upgrade
from duihua_storage.statement import Rows, Tx

try:
    import psycopg
    from psycopg import errors
    from psycopg.waiting import Ready, Wait
    from psycopg_pool import AsyncConnectionPool, PoolTimeout
except ImportError:
    raise StorageError('PostgreSQL needs its driver: pip install "duihua[postgres]"') from None

if TYPE_CHECKING:
    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

T = TypeVar("T")
DIALECT = PGDialect_psycopg()
CONNECTIONS = 10
TRIES = 8
AGAIN = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.ForeignKeyViolation,  # a person was forgotten between two statements
)

LONGEST = 20_000
"""Ms that a transaction may take at least before a server that can ends it."""


class Postgres:
    """One PostgreSQL database, shared with any number of other processes.

    Args:
        url: of the database.
        migrate: whether `open()` makes or upgrades the tables.
        lease: of a session, in ms: a process that stops inside a transaction must not keep its row locks
            for longer than a third of it.
    """

    def __init__(self, url: URL, *, migrate: bool = False, lease: int = 15_000) -> None:
        self._url = url
        self._migrate, self._idle_limit = migrate, max(lease // 3, 100)
        self._longest = max(lease * 4, LONGEST)
        self._where = url.set(drivername="postgresql").render_as_string()  # without the password
        self._reach = failpoint()
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self) -> None:
        """Connects; looks at the tables' revision and upgrades them if it may."""
        self._closed = False
        info = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            async with await psycopg.AsyncConnection.connect(
                info, autocommit=True, connect_timeout=10
            ) as one:
                found = await _revision(one)
        except psycopg.Error as e:
            raise self._explain(e) from None
        if found is None or older(found, self._where):
            if not self._migrate:
                raise outdated(found, self._where)
            await asyncio.to_thread(upgrade, self._url)
        self._pool = AsyncConnectionPool(
            info,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=CONNECTIONS,
            configure=self._configure,
            open=False,
        )
        try:
            await self._pool.open(wait=True)
        except PoolTimeout:
            await self.aclose()
            raise StorageError(f"{self._where}: no connection; how many does the server allow?") from None

    async def aclose(self) -> None:
        """Waits for what was accepted, then closes every connection."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    def write(self, transaction: Callable[[], Tx[T]], label: str) -> Awaitable[T]:
        """Carries the transaction out in a task of its own, whether or not its caller still waits."""
        return self._apart(self._write(transaction, label))

    def read(self, transaction: Callable[[], Tx[T]]) -> Awaitable[T]:
        """Runs it on one state of the database.

        In a task of its own, too: a query that is cancelled in a pipeline ends with an error of the server
        instead of the cancellation, and whoever cancelled would wait for ever.
        """
        return self._apart(self._transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", transaction))

    def _apart(self, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
        if self._closed:
            work.close()
            raise StorageError("the store is not open")
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settled)
        return asyncio.shield(task)

    async def scrub(self) -> None:
        """Nothing: deleted rows are out of every query and dump; autovacuum takes them out of the files."""

    # ------------------------------------------------------------ transactions

    async def _write(self, transaction: Callable[[], Tx[T]], label: str) -> T:
        if self._reach is not None:
            self._reach(label, "before")
        result = await self._transact("BEGIN", transaction)
        if self._reach is not None:
            self._reach(label, "after")
        return result

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that is gone does not ask

    async def _transact(self, begin: str, transaction: Callable[[], Tx[T]]) -> T:
        if self._pool is None:
            raise StorageError("the store is not open")
        for tries in range(1, TRIES + 1):
            try:
                connection = await self._pool.getconn()
            except PoolTimeout:
                raise StorageError(
                    f"{self._where}: no connection became free; is the server there?"
                ) from None
            committing = lost = False
            try:
                result = await _run(connection, begin, transaction())
                committing = True
                await connection.execute("COMMIT")
                return result
            except psycopg.Error as e:
                lost = connection.closed or isinstance(e, psycopg.OperationalError)
                if tries == TRIES or committing or not (lost or isinstance(e, AGAIN)):
                    raise self._explain(e) from None
            finally:
                await self._give_back(self._pool, connection)
            if lost:
                await self._pool.check()  # after a restart of the server all the others are gone, too
            await asyncio.sleep(random.uniform(0, 0.02 * tries))
        raise AssertionError("unreachable")

    async def _give_back(self, pool: AsyncConnectionPool[Connection], connection: Connection) -> None:
        if not connection.closed and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                await connection.execute("ROLLBACK")
            except (psycopg.Error, asyncio.CancelledError):
                await connection.close()
        await pool.putconn(connection)

    async def _configure(self, connection: Connection) -> None:
        await connection.execute(cast(Any, f"SET idle_in_transaction_session_timeout = {self._idle_limit}"))
        # One that stops while it sends a transaction is not idle to the server: newer ones end that, too.
        await connection.execute(
            cast(
                Any,
                f"SELECT set_config('transaction_timeout', '{self._longest}', false) "
                "WHERE current_setting('server_version_num')::int >= 170000",
            )
        )

    def _explain(self, error: psycopg.Error) -> StorageError:
        """Never the detail of an error of the server: it quotes rows."""
        text = error.diag.message_primary or (str(error).strip() if error.sqlstate is None else "")
        return StorageError(f"{self._where}: {text or type(error).__name__}")


async def _revision(connection: Connection) -> str | None:
    try:
        rows = await (await connection.execute(FIND)).fetchall()
    except errors.UndefinedTable:
        return None
    return str(rows[0][0]) if rows else None


async def _run(connection: Connection, begin: str, transaction: Tx[T]) -> T:
    """Runs a transaction up to its COMMIT. In a pipeline BEGIN costs no journey of its own."""
    async with connection.pipeline() as pipeline:
        await connection.execute(cast(Any, begin))
        try:
            asked = next(transaction)
            while True:
                cursors: list[psycopg.AsyncCursor[tuple[Any, ...]]] = []
                for statement, values in asked if isinstance(asked, list) else (asked,):
                    text, constants = statement.on(DIALECT)
                    bound = {**constants, **values} if constants else values
                    cursors.append(await connection.execute(cast(Any, text), bound))
                await connection.wait(_sent(connection))
                await pipeline.sync()
                await connection.wait(_sent(connection))
                answers: Rows = [await cursor.fetchall() if cursor.description else [] for cursor in cursors]
                asked = transaction.send(answers if isinstance(asked, list) else answers[0])
        except StopIteration as end:
            return cast(T, end.value)


def _sent(connection: Connection) -> Generator[Wait, Ready | int, None]:
    """Sends all that is queued: the driver waits for answers to what the socket was too full to take."""
    while connection.pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            connection.pgconn.consume_input()
