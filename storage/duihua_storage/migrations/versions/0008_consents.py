"""Which skill a held call is for. The column that was there had never been written."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("skill_calls", "error", new_column_name="held_for")
