"""Long-term memory: the search index in blocks, embeddings, codes that join identities, upkeep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WORDS = {
    "attachments": {"data": "bytea", "name": "text", "sha256": "text", "id": "text"},
    "facts": {"content": "bytea", "subject": "text"},
    "identities": {"external": "text", "name": "text"},
    "inbox": {"body": "bytea", "source_id": "text"},
    "notes": {"content": "bytea", "covers": "bytea"},
    "outbox": {"body": "bytea"},
    "reminders": {"body": "bytea"},
    "segments": {"body": "bytea"},
    "sessions": {"key": "text", "address": "bytea", "settings": "bytea", "title": "text"},
    "skill_calls": {"arguments": "bytea", "result": "bytea", "error": "text"},
    "state": {"value": "bytea"},
    "steps": {"content": "bytea", "usage": "bytea"},
    "tasks": {"result": "bytea", "error": "bytea"},
    "turns": {"input": "bytea", "partial": "bytea", "error": "text"},
    "vectors": {"vector": "bytea"},
}
"""Columns with people's words. PostgreSQL keeps samples of a column for its planner, which would outlive an
erase and go into dumps: of these it shall keep none, and naming the type again drops those it has."""


def upgrade() -> None:
    op.drop_table("postings")  # nothing has ever been written to it
    op.add_column(
        "users", sa.Column("guesses", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("users", sa.Column("guessed", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("sessions", sa.Column("kept", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    where = sa.text("kept < next_seq - 1")
    op.create_index(
        "sessions_unkept", "sessions", ["touched"], unique=False, sqlite_where=where, postgresql_where=where
    )
    op.add_column("notes", sa.Column("after", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "segments",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("session_from", sa.BigInteger(), nullable=False),
        sa.Column("session_to", sa.BigInteger(), nullable=False),
        sa.Column("seq_from", sa.BigInteger(), nullable=False),
        sa.Column("seq_to", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("segments_owner", "segments", ["owner_id", "id"], unique=False)
    op.create_table(
        "vectors",
        sa.Column("session_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", "model"),
        sqlite_with_rowid=False,
    )
    op.create_index("vectors_owner", "vectors", ["owner_id"], unique=False)
    op.create_table(
        "links",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
        sqlite_with_rowid=False,
    )
    op.create_index("links_user", "links", ["user_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in WORDS.items():
            for column, kind in columns.items():
                change = f"ALTER COLUMN {column} TYPE {kind}, ALTER COLUMN {column} SET STATISTICS 0"
                op.execute(f"ALTER TABLE {table} {change}")
