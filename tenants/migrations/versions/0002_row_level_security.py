"""On PostgreSQL a second lock: rows are shown to transactions bound to their tenant only.

Text sorts there by code point as on SQLite, and what counts without end is 64 bits wide.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_COLUMNS = {
    "tenants": "id",
    "sources": "tenant_id",
    "assets": "tenant_id",
    "policies": "tenant_id",
    "user_tenants": "tenant_id",
    "items": "tenant_id",
    "alerts": "tenant_id",
    "alert_events": "tenant_id",
    "notes": "tenant_id",
    "history": "tenant_id",
}
WIDE = {
    "items": ("matches",),
    "alerts": ("revision", "matches"),
    "notes": ("id",),
    "history": ("id",),
    "audit": ("id",),
}
# Sub-selects, so that a query works them out once and not for each row.
ALL = "(SELECT current_setting('citysoc.scope', true) = 'all')"
BOUND = "((SELECT NULLIF(current_setting('citysoc.tenants', true), ''))::text[])"


def upgrade() -> None:
    """Widen, collate, and lock."""
    if op.get_bind().dialect.name != "postgresql":
        return
    _collate("C")
    _widths("bigint")
    for table, column in TENANT_COLUMNS.items():
        _lock(table)
        op.execute(f"CREATE POLICY tenant ON {table} USING ({_visible(column)})")
    # Acts of no tenant, such as a sign-in, anyone may add; what was done nobody changes.
    _lock("audit")
    visible = _visible("tenant_id")
    op.execute(f"CREATE POLICY reading ON audit FOR SELECT USING ({visible})")
    op.execute(
        f"CREATE POLICY adding ON audit FOR INSERT WITH CHECK (tenant_id IS NULL OR {visible})"
    )


def downgrade() -> None:
    """Open the rows to every question again."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in TENANT_COLUMNS:
        op.execute(f"DROP POLICY tenant ON {table}")
        _unlock(table)
    for policy in ("reading", "adding"):
        op.execute(f"DROP POLICY {policy} ON audit")
    _unlock("audit")
    _widths("integer")
    _collate("default")


def _visible(column: str) -> str:
    return f"{ALL} OR {column} = ANY {BOUND}"


def _lock(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _unlock(table: str) -> None:
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _widths(width: str) -> None:
    for table, columns in WIDE.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {width}")
            if column == "id":
                op.execute(f"ALTER SEQUENCE {table}_id_seq AS {width}")


def _collate(collation: str) -> None:
    inspector = sa.inspect(op.get_bind())
    for table in (*TENANT_COLUMNS, "audit", "users", "sessions", "tokens", "signin_failures"):
        columns = [
            column["name"]
            for column in inspector.get_columns(table)
            if isinstance(column["type"], sa.Text)
        ]
        changes = (f'ALTER COLUMN "{name}" TYPE text COLLATE "{collation}"' for name in columns)
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
