"""What a batch's tray says, written to the database at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy.dialects.sqlite import insert as upsert

from detection.alert import Alert
from tenants import schema
from tenants.triage.absorb import Known, Tray, Work
from tenants.triage.desk import REOPENED

NOBODY = "citysoc"
"""Who did what no person did."""


def store(connection: Connection, tray: Tray, now: str) -> None:
    """Write items, alerts, events and history; `now` stands in the history only."""
    items = tray.touched.values()
    fresh = [item for item in items if item.fresh]
    _insert(
        connection, schema.items, [_key(item) | _about(item) | _counted(item) for item in fresh]
    )
    _update_items(connection, [(item, _counted(item)) for item in items if not item.fresh])
    reopened = [item for item in items if item.reopened and not item.fresh]
    _update_items(connection, [(item, REOPENED) for item in reopened])
    _store_alerts(connection, tray.taken)
    _insert(connection, schema.history, [_change(item, now, "opened") for item in fresh])
    _insert(connection, schema.history, [_change(item, now, "came back") for item in reopened])


def _key(item: Work) -> dict[str, object]:
    return {"tenant_id": item.tenant, "id": item.id}


def _about(item: Work) -> dict[str, object]:
    """What never changes of an item."""
    return {
        "subject": item.subject,
        "entity_key": item.entity_key,
        "sequence": item.sequence,
        "rule": item.rule,
        "entity_kind": item.entity.kind,
        "entity_name": item.entity.name,
        "opened": item.opened,
        "state": item.state,
        "priority": 0,
    }


def _counted(item: Work) -> dict[str, object]:
    """What every alert may change of an item."""
    return {
        "title": item.title,
        "level": item.level,
        "ruleset": item.ruleset,
        "criticality": item.criticality,
        "matches": item.matches,
        "first": item.first,
        "last": item.last,
        "words": item.words,
    }


def _change(item: Work, now: str, what: str) -> dict[str, object]:
    return {
        "tenant_id": item.tenant,
        "item_id": item.id,
        "time": now,
        "who": NOBODY,
        "what": what,
        "before": item.was,
        "after": "",
    }


def _update_items(
    connection: Connection, changes: Sequence[tuple[Work, Mapping[str, object]]]
) -> None:
    """All with the same columns."""
    if not changes:
        return
    columns = schema.items.c
    connection.execute(
        update(schema.items)
        .where(columns.tenant_id == bindparam("of"), columns.id == bindparam("which"))
        .values({name: bindparam(f"new_{name}") for name in changes[0][1]}),
        [
            {"of": item.tenant, "which": item.id}
            | {f"new_{name}": value for name, value in values.items()}
            for item, values in changes
        ],
    )


def _store_alerts(connection: Connection, taken: Sequence[tuple[Alert, Known]]) -> None:
    if not taken:
        return
    statement = upsert(schema.alerts)
    keys = [schema.alerts.c.tenant_id, schema.alerts.c.id]
    rows = [_alert(alert, known) for alert, known in taken]
    changing = {
        name: statement.excluded[name] for name in rows[0] if name not in {"tenant_id", "id"}
    }
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changing), rows)
    events = [event for alert, known in taken for event in _events(alert, known)]
    _insert(connection, schema.alert_events, events)


def _alert(alert: Alert, known: Known) -> dict[str, object]:
    return {
        "tenant_id": alert.tenant,
        "id": alert.id,
        "item_id": known.item_id,
        "revision": alert.revision,
        "matches": alert.count,
        "hour": alert.hour,
        "first": alert.first,
        "last": alert.last,
        "received": alert.received,
        "ruleset": alert.ruleset,
        "related": _json(alert.related),
        "marks": _json(alert.marks),
        "context": _json(alert.context),
        "sources": _json(alert.sources),
        "carried": max(known.carried, len(alert.events)),
    }


def _events(alert: Alert, known: Known) -> Iterable[dict[str, object]]:
    """Those that an earlier revision did not carry; the first ones never change."""
    for position in range(known.carried, len(alert.events)):
        body = alert.bodies[position] if position < len(alert.bodies) else None
        yield {
            "tenant_id": alert.tenant,
            "alert_id": alert.id,
            "position": position,
            "event": alert.events[position],
            "body": None if body is None else bytes(body),
        }


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
