"""A look at a database that changes nothing in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from duihua_storage.revision import FIND, HEAD, REVISIONS
from duihua_storage.tables import state


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    Attributes:
        state: `absent` (SQLite: no file yet; it will be made), `empty` (no tables), `current`, `outdated`,
            `newer` (written by a newer version), `broken` (damaged, unreachable, no database).
        where: the database, without its password.
        revision: of the tables, empty if there are none.
        reason: why it is broken, in the database's words.
    """

    state: Literal["absent", "empty", "current", "outdated", "newer", "broken"]
    where: str
    revision: str = ""
    reason: str = ""


def inspect(url: str) -> Inspection:
    """Looks at the database of a `DUIHUA_DATABASE_URL`; for PostgreSQL within ten seconds."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return Inspection("broken", "DUIHUA_DATABASE_URL", reason="this is no database URL")
    where = parsed.render_as_string()
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, where)
    if parsed.get_backend_name() == "postgresql":
        return _looked(_readonly(parsed), where, "SELECT 1")
    return Inspection("broken", where, reason=f"{parsed.get_backend_name()} is not known here")


def stored(url: str, name: str) -> bytes | None:
    """A small value of the program's own (`Store.get_state`) in a database that `inspect` found current.

    Nothing is changed, upgraded or made. None: there is no such value, or it cannot be read now.
    """
    engine = create_engine(_readonly(make_url(url)))
    try:
        with engine.connect() as connection:
            return connection.execute(select(state.c.value).where(state.c.name == name)).scalar()
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _readonly(url: URL) -> URL:
    """The same database for a look: SQLite's file as it is, PostgreSQL's within ten seconds."""
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg").update_query_dict({"connect_timeout": "10"})
    return URL.create("sqlite", database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})


def _sqlite(url: URL, where: str) -> Inspection:
    path = url.database
    if not path or path == ":memory:":
        return Inspection("absent", where)
    file = Path(path)
    if not file.exists():
        if file.parent.is_dir():
            return Inspection("absent", where)
        return Inspection("broken", where, reason=f"there is no folder {file.parent}")
    return _looked(_readonly(url), where, "PRAGMA quick_check(1)")


def _looked(url: URL, where: str, sound: str) -> Inspection:
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError) as e:
        return Inspection("broken", where, reason=str(e))
    try:
        with engine.connect() as connection:
            verdict = str(connection.execute(text(sound)).scalar())
            if verdict not in ("ok", "1"):
                return Inspection("broken", where, reason=verdict)
            if not connection.dialect.has_table(connection, "alembic_version"):
                return Inspection("empty", where)
            found = str(connection.execute(text(FIND)).scalar() or "")
    except SQLAlchemyError as e:
        reason = str(getattr(e, "orig", None) or e).strip().partition("\n")[0]
        return Inspection("broken", where, reason=reason)
    finally:
        engine.dispose()
    if found not in REVISIONS:
        return Inspection("newer", where, found)
    return Inspection("current" if found == HEAD else "outdated", where, found)
