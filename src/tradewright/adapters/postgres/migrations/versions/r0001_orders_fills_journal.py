"""Orders, fills and the journal; there is no way down, since what is recorded stays."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tradewright.core.errors import ConfigError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables and the triggers that guard them."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # Without this option a percent sign would be taken for a parameter.
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Refuse: orders, fills and the journal are records."""
    raise ConfigError(
        "revision 0001 cannot be undone: it would delete orders, fills and the journal",
        "restore a backup into another database instead",
    )
