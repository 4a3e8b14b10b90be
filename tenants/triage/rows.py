"""Rows of the queue's tables as the structs that people and programs get."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select, true

from collectors.codec import loads
from detection.signal import Entity
from detection.unusual import Unusual
from tenants import schema
from tenants.access import NotFound, Principal
from tenants.triage.queue import AlertPart, Change, Evidence, Item, ItemDetail, ItemState, Note

MAX_EVIDENCE = 50
"""Events shown with an item; each alert of it carries up to 20."""
MAX_PARTS = 200
"""Alerts shown with an item, the newest: 200 hours."""


def visible(principal: Principal) -> ColumnElement[bool]:
    """The condition that every question to the queue begins with."""
    if principal.tenants is None:
        return true()
    return schema.items.c.tenant_id.in_(sorted(principal.tenants))


def find(connection: Connection, principal: Principal, item_id: str) -> Item:
    """An item that the person sees. Raises NotFound."""
    query = select(schema.items).where(schema.items.c.id == item_id, visible(principal))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no alert {item_id[:64]!r} in your queue")
    return item(row)


def item(row: Row[Any]) -> Item:
    """One row of `items`."""
    return Item(
        id=row.id,
        tenant=row.tenant_id,
        rule=row.rule,
        title=row.title,
        level=row.level,
        ruleset=row.ruleset,
        entity=Entity(kind=row.entity_kind, name=row.entity_name),
        criticality=row.criticality,
        priority=row.priority,
        count=row.matches,
        first=row.first,
        last=row.last,
        opened=row.opened,
        state=ItemState(row.state),
        owner=row.owner,
        claimed=row.claimed,
        verdict=row.verdict,
        reason=row.reason,
        closed=row.closed,
    )


def detail(connection: Connection, found: Item) -> ItemDetail:
    """Everything that belongs to an item, bounded."""
    columns = schema.alerts.c
    rows = connection.execute(
        select(schema.alerts)
        .where(columns.tenant_id == found.tenant, columns.item_id == found.id)
        .order_by(columns.hour.desc(), columns.id)
        .limit(MAX_PARTS)
    ).all()
    return ItemDetail(
        item=found,
        related=_merged_related(rows),
        context=_merged_context(rows),
        alerts=[_part(row) for row in rows],
        evidence=_evidence(connection, found, [row.id for row in rows]),
        notes=notes(connection, found),
        history=history(connection, found),
    )


def notes(connection: Connection, found: Item) -> list[Note]:
    """An item's notes, oldest first."""
    columns = schema.notes.c
    query = (
        select(schema.notes)
        .where(columns.tenant_id == found.tenant, columns.item_id == found.id)
        .order_by(columns.id)
    )
    return [
        Note(id=row.id, time=row.time, author=row.author, text=row.text)
        for row in connection.execute(query)
    ]


def history(connection: Connection, found: Item) -> list[Change]:
    """An item's life, oldest first."""
    columns = schema.history.c
    query = (
        select(schema.history)
        .where(columns.tenant_id == found.tenant, columns.item_id == found.id)
        .order_by(columns.id)
    )
    return [
        Change(time=row.time, who=row.who, what=row.what, before=row.before, after=row.after)
        for row in connection.execute(query)
    ]


def _part(row: Row[Any]) -> AlertPart:
    return AlertPart(
        id=row.id,
        revision=row.revision,
        hour=row.hour,
        count=row.matches,
        first=row.first,
        last=row.last,
        received=row.received,
        marks=tuple(msgspec.json.decode(row.marks)),
        sources=tuple(msgspec.json.decode(row.sources)),
        unusual=msgspec.json.decode(row.unusual, type=Unusual) if row.unusual else None,
    )


def _evidence(connection: Connection, found: Item, alerts: Sequence[str]) -> list[Evidence]:
    columns = schema.alert_events.c
    query = (
        select(schema.alert_events)
        .where(columns.tenant_id == found.tenant, columns.alert_id.in_(alerts))
        .order_by(columns.alert_id, columns.position)
    )
    rows = sorted(connection.execute(query), key=lambda row: alerts.index(row.alert_id))
    return [
        Evidence(
            alert=row.alert_id,
            event=row.event,
            body=None if row.body is None else loads(row.body),
        )
        for row in rows[:MAX_EVIDENCE]
    ]


def _merged_related(rows: Sequence[Row[Any]]) -> dict[str, list[str]]:
    merged: dict[str, dict[str, None]] = {}
    for row in rows:
        for kind, names in msgspec.json.decode(row.related).items():
            merged.setdefault(kind, {}).update(dict.fromkeys(names))
    return {kind: list(names) for kind, names in merged.items()}


def _merged_context(rows: Sequence[Row[Any]]) -> dict[str, dict[str, str]]:
    """The newest hour's word wins."""
    merged: dict[str, dict[str, str]] = {}
    for row in reversed(rows):
        for enricher, facts in msgspec.json.decode(row.context).items():
            merged.setdefault(enricher, {}).update(facts)
    return merged
