"""Access: strangers who wait, invitations, and who gave whom which role."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WORDS = {"pairings": ("external", "name", "address", "code"), "invitations": ("code",)}
"""Columns of which PostgreSQL's planner shall keep no samples: they would outlive an erase."""


def _id() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", kind, autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "pairings",
        _id(),
        *(_text(name) for name in ("tenant", "front", "bot", "external", "name")),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        _text("code"),
        _text("state"),
        _number("expires"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "front", "external", name="pairings_who"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "invitations",
        *(_text(name) for name in ("code", "tenant", "role")),
        _number("expires"),
        sa.PrimaryKeyConstraint("code"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "role_changes",
        _id(),
        _text("tenant"),
        _number("user_id"),
        _text("was"),
        _text("role"),
        _number("by_id"),
        _number("at"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("role_changes_tenant", "role_changes", ["tenant", "id"], unique=False)
    op.create_index("role_changes_user", "role_changes", ["user_id"], unique=False)
    known = sa.text("role <> 'guest'")
    op.create_index(
        "users_role", "users", ["tenant", "role"], unique=False, sqlite_where=known, postgresql_where=known
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in WORDS.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
