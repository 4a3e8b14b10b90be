"""Alerts that no rule describes: what people said of them, and how many there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, true

from detection.anomaly.lessons import Said
from detection.unusual import RULE
from tenants import schema
from tenants.access import EVERY_TENANT, Principal
from tenants.clock import stamp
from tenants.database import Database
from tenants.triage.queue import ItemState
from tenants.triage.rows import visible


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


def unusual_a_day(
    database: Database, principal: Principal, tenant: str | None, *, now: datetime, days: int = 7
) -> float:
    """How many a day were raised lately, those below the budget apart, of what a person sees.

    Of one tenant, or of all.
    """
    items, alerts = schema.items.c, schema.alerts.c
    query = (
        select(func.count())
        .select_from(schema.alerts.join(schema.items))
        .where(
            visible(principal),
            true() if tenant is None else items.tenant_id == tenant,
            items.rule.startswith(RULE, autoescape=True),
            items.state != ItemState.BELOW,
            alerts.received >= stamp(now - timedelta(days=days)),
        )
    )
    with database.read(principal.tenants) as connection:
        return (connection.scalar(query) or 0) / days
