"""What people said of alerts that no rule describes, for the stage that learns from it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from detection.anomaly.lessons import Said
from detection.unusual import RULE
from tenants import schema
from tenants.access import EVERY_TENANT
from tenants.database import Database
from tenants.triage.queue import ItemState


def unusual_verdicts(database: Database, after: str) -> Mapping[str, Sequence[Said]]:
    """Verdicts given after a moment, by tenant, in the order they were given."""
    columns = schema.items.c
    query = (
        select(columns.tenant_id, columns.id, columns.verdict, columns.owner, columns.closed)
        .where(
            columns.state == ItemState.CLOSED,
            columns.rule.startswith(RULE, autoescape=True),
            columns.closed > after,
        )
        .order_by(columns.closed, columns.id)
    )
    found: dict[str, list[Said]] = {}
    with database.read(EVERY_TENANT) as connection:
        for row in connection.execute(query):
            said = Said(
                alert=row.id, verdict=row.verdict, analyst=row.owner or "", closed=row.closed
            )
            found.setdefault(row.tenant_id, []).append(said)
    return found
