"""Alerts that no rule describes say why they were raised."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty for alerts of rules."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    text = sa.Text(collation="C") if postgresql else sa.Text()
    with op.batch_alter_table("alerts") as table:
        table.add_column(sa.Column("unusual", text, nullable=False, server_default=""))


def downgrade() -> None:
    """The alerts stay, without their reasons."""
    with op.batch_alter_table("alerts") as table:
        table.drop_column("unusual")
