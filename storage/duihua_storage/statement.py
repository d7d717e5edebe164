"""Statements that are compiled once, and transactions as generators of them.

A transaction is a generator function: it yields a statement with its parameters, gets the rows back, and
returns its result. Of a list of statements, which travels to a server in one go, it gets a list of rows each.
So the same function runs whole on SQLite's thread and step by step on PostgreSQL, can be begun again, and
knows nothing of either driver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Insert = Callable[..., sqlite.Insert]
"""A dialect's own `insert`, which knows ON CONFLICT: the two are built alike."""


class Statement:
    """A Core statement, or a function that builds it with a dialect's own `insert`.

    Its text is compiled at its first use for each kind of database and kept.
    """

    __slots__ = ("_source", "_texts")

    def __init__(self, source: ClauseElement | Callable[[Insert], ClauseElement]) -> None:
        self._source = source
        self._texts: dict[str, tuple[str, dict[str, Any]]] = {}

    def on(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        """The text for this database and the parameters that SQLAlchemy itself put into it."""
        ready = self._texts.get(dialect.name)
        return self._compile(dialect) if ready is None else ready

    def _compile(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        source = self._source
        if not isinstance(source, ClauseElement):
            source = source(sqlite.insert if dialect.name == "sqlite" else postgresql.insert)  # pyright: ignore[reportArgumentType]
        compiled = source.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        for parameter in compiled.binds.values():
            if parameter.type.dialect_impl(dialect).bind_processor(dialect) is not None:
                raise TypeError(f"{parameter.key}: bind a plain number, text or bytes")
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._texts[dialect.name] = ready = (compiled.string, constants)
        return ready


T = TypeVar("T")
Rows = list[Any]
Op = tuple[Statement, Mapping[str, Any]]
Tx = Generator[Op | list[Op], Rows, T]


class Driver(Protocol):
    """One database. It runs transactions; StorageError when the database refuses."""

    async def open(self) -> None:
        """Connects and looks at the tables' revision."""
        ...

    async def aclose(self) -> None:
        """Finishes what was accepted and closes."""
        ...

    def write(self, transaction: Callable[[], Tx[T]], label: str) -> Awaitable[T]:
        """Carries the transaction out once; also when the caller is cancelled."""
        ...

    def read(self, transaction: Callable[[], Tx[T]]) -> Awaitable[T]:
        """Runs a transaction that only reads, on one state of the database."""
        ...

    async def scrub(self) -> None:
        """Leaves no erased text in the files."""
        ...
