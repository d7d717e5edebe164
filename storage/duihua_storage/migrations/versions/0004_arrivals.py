"""Durable intake: what front ends were handed, who works on it, and which messages show which turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORDS = {"arrivals": ("body", "error", "author", "key")}
"""Columns of which PostgreSQL's planner shall keep no samples: they would outlive an erase."""


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=False, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "key", name="arrivals_key"),
        sqlite_autoincrement=True,
    )
    _partial("arrivals_open", "arrivals", ["source", "id"], "state = 'new'")
    _partial("arrivals_bad", "arrivals", ["source", "id"], "state = 'bad'")
    _partial("arrivals_old", "arrivals", ["at"], "state = 'done'")
    _partial("arrivals_author", "arrivals", ["author"], "author <> ''")
    op.create_table(
        "holds",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("source"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shown",
        sa.Column("session_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("external_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("doubts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", "part"),
        sqlite_with_rowid=False,
    )
    op.create_index("shown_external", "shown", ["session_id", "external_id"], unique=False)
    _partial("shown_lost", "shown", ["session_id", "seq"], "external_id = '' OR doubts > 0")
    _partial("inbox_edits", "inbox", ["session_id", "reply_to"], "kind = 'edit'")
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in WORDS.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
