"""An index in the very order of the queue, of the items that are not closed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WAITING = sa.text("state != 'closed'")


def upgrade() -> None:
    """A page of the queue costs the same however long it is."""
    op.create_index(
        "ix_items_waiting",
        "items",
        ["priority", "opened", "id"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )


def downgrade() -> None:
    """Sort the queue for each page again."""
    op.drop_index("ix_items_waiting", table_name="items")
