"""User accounts and the strategies that each may trade."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the two tables."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # Without this option a percent sign would be taken for a parameter.
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Drop both: accounts are made again by `tradewright auth init`."""
    op.get_bind().exec_driver_sql("DROP TABLE user_strategy_access; DROP TABLE users")
