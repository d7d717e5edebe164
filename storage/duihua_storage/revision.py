"""Which revision a database's tables have, and how they get to the newest one.

Alembic costs a fifth of a second of CPU to import: it is, only when there is something to upgrade. A new
SQLite file gets the tables as they are now, stamped with the newest revision.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from duihua.errors import StorageError
from duihua_storage.tables import metadata

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every revision, oldest first."""
HEAD = REVISIONS[-1]
FIND = "SELECT version_num FROM alembic_version"
_LOCK = 0x6475_6968  # one upgrade at a time per PostgreSQL database
_MIGRATIONS = Path(__file__).parent / "migrations"


def older(found: str, where: str) -> bool:
    """Whether tables of revision `found` must be upgraded.

    Raises:
        StorageError: the revision is unknown here, so a newer version wrote it.
    """
    if found not in REVISIONS:
        raise StorageError(
            f"{where} was written by a newer version of duihua (revision {found}, this version knows up to "
            f"{HEAD}): install that version or a later one"
        )
    return found != HEAD


def outdated(found: str | None, where: str) -> StorageError:
    """The error for tables that must be upgraded by hand first."""
    state = "has no tables yet" if found is None else f"has tables of revision {found}, {HEAD} is needed"
    return StorageError(f"{where} {state}: run `duihua db upgrade`")


@cache
def creation(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make all tables in an empty database and stamp it with the newest revision."""
    made: list[str] = []
    for table in metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda i: str(i.name))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    made.append(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    made.append(f"INSERT INTO alembic_version (version_num) VALUES ('{HEAD}')")
    return tuple(made)


def upgrade(url: str | URL, revision: str = "head") -> None:
    """Brings a database's tables to a revision, in one transaction; several processes may do it at once.

    Args:
        url: of the database, as in `DUIHUA_DATABASE_URL`.
        revision: "head" or one of `REVISIONS`, newer than what is there.

    Raises:
        StorageError: the database cannot be reached, or refuses, or is from a newer version.
    """
    from alembic import command
    from alembic.config import Config

    url = make_url(url)
    where = url.render_as_string()
    sqlite = url.get_backend_name() == "sqlite"
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = create_engine(url.set(drivername="sqlite" if sqlite else "postgresql+psycopg"))
    if sqlite:
        event.listen(engine, "connect", _by_hand)
        event.listen(engine, "begin", _begin_immediate)
    try:
        with _ONE_AT_A_TIME, engine.begin() as connection:
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            found = _found(connection)
            if found is not None and not older(found, where):
                return
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as e:
        reason = str(getattr(e, "orig", None) or e).strip().partition("\n")[0]
        raise StorageError(f"cannot upgrade {where}: {reason}") from None
    finally:
        engine.dispose()


_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps its context in globals, and engines upgrade in threads


def _by_hand(db: Any, record: object) -> None:
    db.isolation_level = None  # sqlite3 would begin and commit as it likes


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA busy_timeout=30000")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _found(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text(FIND)).scalar()
