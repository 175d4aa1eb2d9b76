"""The audit log; there is no way down, since what is recorded stays."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from tradewright.core.errors import ConfigError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the triggers that guard it."""
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # Without this option a percent sign would be taken for a parameter.
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Refuse: the audit log is a record."""
    raise ConfigError(
        "revision 0003 cannot be undone: it would delete the audit log",
        "restore a backup into another database instead",
    )
