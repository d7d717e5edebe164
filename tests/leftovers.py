"""What a database really holds, read past the store: every value of every table, and SQLite's files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url


@contextmanager
def connection(url: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Runs statements with `?` for values on one connection; commits at the end."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database), timeout=5)) as db, db:
            yield lambda sql, *values: db.execute(sql, values).fetchall()
        return
    import psycopg

    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as server:

        def execute(sql: str, *values: Any) -> list[tuple[Any, ...]]:
            cursor = server.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

        yield execute


def run(url: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Runs one statement with `?` for values, commits, and returns its rows."""
    with connection(url) as execute:
        return execute(sql, *values)


def tables(url: str) -> list[str]:
    """The names of all tables."""
    if make_url(url).get_backend_name() == "sqlite":
        rows = run(url, "SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        rows = run(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return sorted(row[0] for row in rows)


def values(url: str) -> Iterator[tuple[str, bytes]]:
    """(table, value as bytes) of every text and every blob."""
    names = tables(url)
    with connection(url) as execute:
        rows = [(table, row) for table in names for row in execute(f"SELECT * FROM {table}")]
    for table, row in rows:
        for value in row:
            if isinstance(value, str):
                yield table, value.encode()
            elif isinstance(value, bytes | memoryview):
                yield table, bytes(value)


def files(url: str) -> list[Path]:
    """The files of an SQLite database; none for others."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return []
    paths = (Path(f"{parsed.database}{suffix}") for suffix in ("", "-wal", "-shm", "-journal"))
    return [path for path in paths if path.exists()]


def leftovers(url: str, *words: str) -> list[str]:
    """Where any of `words` still stands: `table: word` or `file: word`. Empty: nothing is left."""
    needles = [(word, form) for word in words for form in forms(word)]
    found = {f"{table}: {word}" for table, value in values(url) for word, form in needles if form in value}
    for path in files(url):
        data = path.read_bytes()
        found |= {f"{path.name}: {word}" for word, form in needles if form in data}
    return sorted(found)


def forms(word: str) -> set[bytes]:
    """A word as UTF-8, and as JSON escapes it."""
    return {word.encode(), word.encode("ascii", "backslashreplace")}
