"""SQL that the two databases spell differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, LargeBinary, Text, bindparam, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[int]):
    """Milliseconds UTC by the database's clock, the same value throughout one statement.

    One statement may compare it several times, and an index may be searched with it: therefore the time at
    which the statement began, not the time at which the function is called.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    # Julian days are milliseconds inside SQLite; the half undoes their way through a double.
    return "CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


class bytewise(FunctionElement[str]):
    """A text that is compared by its bytes, whatever the language: what begins alike is a range."""

    type = Text()
    inherit_cache = True


@compiles(bytewise, "sqlite")
def _bytewise_sqlite(element: bytewise, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(bytewise, "postgresql")
def _bytewise_postgresql(element: bytewise, compiler: SQLCompiler, **kw: Any) -> str:
    return f'{compiler.process(element.clauses, **kw)} COLLATE "C"'


class _Listed(FunctionElement[Any]):
    """The items of a JSON list, as a subquery for IN."""

    inherit_cache = True

    def __init__(self, name: str, numbers: bool) -> None:
        super().__init__(bindparam(name, type_=Text()))
        self.numbers = numbers


@compiles(_Listed, "sqlite")
def _listed_sqlite(element: _Listed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **kw)}))"


@compiles(_Listed, "postgresql")
def _listed_postgresql(element: _Listed, compiler: SQLCompiler, **kw: Any) -> str:
    value = "CAST(value AS BIGINT)" if element.numbers else "value"
    items = f"json_array_elements_text(CAST({compiler.process(element.clauses, **kw)} AS JSON))"
    return f"(SELECT {value} FROM {items})"


class _Merged(FunctionElement[bytes]):
    """A stored JSON object with some of its members changed; NULL is none."""

    type = LargeBinary()
    inherit_cache = True


@compiles(_Merged, "sqlite")
def _merged_sqlite(element: _Merged, compiler: SQLCompiler, **kw: Any) -> str:
    stored, changes = (compiler.process(clause, **kw) for clause in element.clauses)
    made = f"json_patch(COALESCE(CAST({stored} AS TEXT), '{{}}'), {changes})"
    return f"CAST(NULLIF({made}, '{{}}') AS BLOB)"


@compiles(_Merged, "postgresql")
def _merged_postgresql(element: _Merged, compiler: SQLCompiler, **kw: Any) -> str:
    stored, changes = (compiler.process(clause, **kw) for clause in element.clauses)
    before = f"CAST(COALESCE(convert_from({stored}, 'UTF8'), '{{}}') AS JSONB)"
    made = f"CAST(jsonb_strip_nulls({before} || CAST({changes} AS JSONB)) AS TEXT)"
    return f"convert_to(NULLIF({made}, '{{}}'), 'UTF8')"


def merged(column: ColumnElement[Any], name: str) -> FunctionElement[bytes]:
    """The JSON object of a column, with the members of one that is bound as `name`; null removes a member."""
    return _Merged(column, bindparam(name, type_=Text()))


def number(name: str) -> BindParameter[int]:
    """A whole number that is bound as `name` where no column tells its type."""
    return bindparam(name, type_=BigInteger())


def word(name: str) -> BindParameter[str]:
    """A text that is bound as `name` where no column tells its type."""
    return bindparam(name, type_=Text())


def blob(name: str) -> BindParameter[bytes]:
    """Bytes that are bound as `name` where no column tells their type."""
    return bindparam(name, type_=LargeBinary())


def numbers(name: str) -> FunctionElement[Any]:
    """The whole numbers of a JSON list that is bound as `name`: `column.op("IN")(numbers("ids"))`."""
    return _Listed(name, True)


def words(name: str) -> FunctionElement[Any]:
    """The texts of a JSON list that is bound as `name`."""
    return _Listed(name, False)


def const(value: str | int) -> ColumnClause[Any]:
    """A constant of our own, written into the statement: a bound one hides partial indexes from the planner.

    Never for a value from outside.
    """
    return literal_column(f"'{value}'", Text()) if isinstance(value, str) else literal_column(str(value))
