"""Which fields the log sources of a tenant really have, behind the same lock as all its rows."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# As for every other table; see 0002.
VISIBLE = (
    "(SELECT current_setting('citysoc.scope', true) = 'all') OR tenant_id = ANY "
    "((SELECT NULLIF(current_setting('citysoc.tenants', true), ''))::text[])"
)


def upgrade() -> None:
    """Nothing is known of what came before."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    text = sa.Text(collation="C") if postgresql else sa.Text()
    op.create_table(
        "seen_fields",
        sa.Column("tenant_id", text, sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("logsource", text, primary_key=True),
        sa.Column("field", text, primary_key=True),
    )
    if postgresql:
        op.execute("ALTER TABLE seen_fields ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE seen_fields FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON seen_fields USING ({VISIBLE})")


def downgrade() -> None:
    """Forget what was seen."""
    op.drop_table("seen_fields")
