"""A batch's items and alerts, read from the database at once."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, func, select

from detection.alert import Alert
from detection.signal import Entity
from tenants import schema
from tenants.triage.absorb import Known, Tray, Work
from tenants.triage.chains import CHUNK, subject_key
from tenants.triage.city import UNBOUNDED, Budgets, City, day_of, taken, wants_a_place
from tenants.triage.queue import ItemState

_items = schema.items.c
_alerts = schema.alerts.c


def tenants(connection: Connection) -> frozenset[str]:
    """Every tenant there is."""
    return frozenset(connection.scalars(select(schema.tenants.c.id)))


def load(connection: Connection, alerts: Sequence[Alert], budgets: Budgets = UNBOUNDED) -> Tray:
    """What the database has of these alerts, of what they are about and of their days."""
    rows = _rows(connection, schema.alerts, _alerts.id, [alert.id for alert in alerts])
    known = {
        row.id: Known(
            revision=row.revision, matches=row.matches, item_id=row.item_id, carried=row.carried
        )
        for row in rows
    }
    subjects = {subject_key(alert.tenant, alert.rule, alert.entity) for alert in alerts}
    items = {row.id: _work(row) for row in _latest(connection, sorted(subjects))}
    days = taken(connection, (day_of(alert) for alert in alerts if wants_a_place(alert)))
    waiting = {place.item for day in days.values() for place, unseen in day if unseen}
    others = sorted(({one.item_id for one in known.values()} | waiting) - items.keys())
    items.update((row.id, _work(row)) for row in _rows(connection, schema.items, _items.id, others))
    return Tray(items.values(), known, City(budgets, days))


def _rows(
    connection: Connection, table: Any, key: Column[Any], values: Sequence[str]
) -> Iterator[Row[Any]]:
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        yield from connection.execute(select(table).where(key.in_(chunk)).with_for_update())


def _latest(connection: Connection, subjects: Sequence[str]) -> Iterator[Row[Any]]:
    for start in range(0, len(subjects), CHUNK):
        chunk = subjects[start : start + CHUNK]
        newest = (
            select(_items.subject, func.max(_items.sequence).label("sequence"))
            .where(_items.subject.in_(chunk))
            .group_by(_items.subject)
            .subquery()
        )
        yield from connection.execute(
            select(schema.items).join(
                newest,
                (_items.subject == newest.c.subject) & (_items.sequence == newest.c.sequence),
            )
        )


def _work(row: Row[Any]) -> Work:
    return Work(
        tenant=row.tenant_id,
        id=row.id,
        subject=row.subject,
        entity_key=row.entity_key,
        sequence=row.sequence,
        rule=row.rule,
        title=row.title,
        level=row.level,
        ruleset=row.ruleset,
        entity=Entity(kind=row.entity_kind, name=row.entity_name),
        criticality=row.criticality,
        matches=row.matches,
        first=row.first,
        last=row.last,
        opened=row.opened,
        state=ItemState(row.state),
        verdict=row.verdict,
        quiet_until=row.quiet_until,
        words=row.words,
    )
