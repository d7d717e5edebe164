"""What is known of chats, and what was overheard in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WORDS = {"chats": ("chat", "settings"), "heard": ("key", "external", "body")}
"""Columns of which PostgreSQL's planner shall keep no samples: they would outlive an erase."""


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "chats",
        *(_text(name) for name in ("tenant", "front", "bot", "chat")),
        sa.Column("settings", sa.LargeBinary(), nullable=True),
        sa.Column("lang", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("gone", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _number("at"),
        sa.PrimaryKeyConstraint("tenant", "front", "bot", "chat"),
        sqlite_with_rowid=False,
    )
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "heard",
        sa.Column("id", kind, autoincrement=True, nullable=False),
        _number("session_id"),
        _text("key"),
        _text("external"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _number("at"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("session_id", "key", name="heard_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("heard_external", "heard", ["external"], unique=False)
    op.create_index("heard_at", "heard", ["at"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in WORDS.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
