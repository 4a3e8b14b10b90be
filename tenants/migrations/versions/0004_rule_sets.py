"""Rule sets with their releases, tenants' lists and filters, and what is announced where.

Policies are announced once more after this, which changes nothing where they were in force.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Sub-selects, so that a query works them out once and not for each row.
ALL = "(SELECT current_setting('citysoc.scope', true) = 'all')"
BOUND = "((SELECT NULLIF(current_setting('citysoc.tenants', true), ''))::text[])"


def upgrade() -> None:
    """Add them."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    text = sa.Text(collation="C") if postgresql else sa.Text()
    op.create_table(
        "rule_sets",
        sa.Column("version", text, nullable=False),
        *(sa.Column(name, text, nullable=False) for name in ("origin", "created", "author")),
        sa.Column("figures", text, nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_rule_sets")),
    )
    op.create_table(
        "releases",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", text, nullable=True),
        sa.Column("restores", sa.Integer(), nullable=True),
        *(sa.Column(name, text, nullable=False) for name in ("created", "author")),
        sa.ForeignKeyConstraint(
            ["version"], ["rule_sets.version"], name=op.f("fk_releases_version_rule_sets")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_releases")),
    )
    op.create_table(
        "announced",
        sa.Column("tenant_id", text, nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_announced_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "partition", name=op.f("pk_announced")),
    )
    with op.batch_alter_table("policies") as policies:
        for name in ("lists", "filters"):
            policies.add_column(sa.Column(name, text, nullable=False, server_default="{}"))
        policies.drop_column("published")
    if postgresql:
        op.execute("ALTER TABLE announced ENABLE ROW LEVEL SECURITY")
        op.execute("ALTER TABLE announced FORCE ROW LEVEL SECURITY")
        visible = f"{ALL} OR tenant_id = ANY {BOUND}"
        op.execute(f"CREATE POLICY tenant ON announced USING ({visible})")


def downgrade() -> None:
    """Forget them; every policy is announced once more."""
    with op.batch_alter_table("policies") as policies:
        policies.add_column(sa.Column("published", sa.Text(), nullable=True))
        for name in ("filters", "lists"):
            policies.drop_column(name)
    for table in ("announced", "releases", "rule_sets"):
        op.drop_table(table)
