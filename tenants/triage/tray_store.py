"""What a batch's tray says, written to the database at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, insert, update

from tenants import schema
from tenants.triage.absorb import Taken, Tray, Work
from tenants.triage.desk import REOPENED
from tenants.triage.queue import ItemState

NOBODY = "citysoc"
"""Who did what no person did."""

MOVED = {ItemState.OPEN: "got a place", ItemState.BELOW: "made way"}
"""What the history says of an item that rose above the budget, or fell below it."""

_KEY = ("tenant_id", "id")


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
    moved = [item for item in items if item.moved and not item.fresh]
    _update_items(connection, [(item, {"state": item.state}) for item in moved])
    _store_alerts(connection, tray.taken)
    _insert(connection, schema.history, [_change(item, now, "opened") for item in fresh])
    _insert(connection, schema.history, [_change(item, now, "came back") for item in reopened])
    _insert(connection, schema.history, [_change(item, now, MOVED[item.state]) for item in moved])


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
    rows = [_key(item) | dict(values) for item, values in changes]
    _update(connection, schema.items, rows)


def _store_alerts(connection: Connection, taken: Sequence[Taken]) -> None:
    _insert(connection, schema.alerts, [_alert(one) for one in taken if one.before is None])
    _update(connection, schema.alerts, [_alert(one) for one in taken if one.before is not None])
    _insert(connection, schema.alert_events, [row for one in taken for row in _events(one)])


def _alert(taken: Taken) -> dict[str, object]:
    alert = taken.alert
    return {
        "tenant_id": alert.tenant,
        "id": alert.id,
        "item_id": taken.item_id,
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
        "carried": max(_carried(taken), len(alert.events)),
        "unusual": "" if alert.unusual is None else _json(alert.unusual),
    }


def _events(taken: Taken) -> Iterable[dict[str, object]]:
    """Those that an earlier revision did not carry; the first ones never change."""
    alert = taken.alert
    for position in range(_carried(taken), len(alert.events)):
        body = alert.bodies[position] if position < len(alert.bodies) else None
        yield {
            "tenant_id": alert.tenant,
            "alert_id": alert.id,
            "position": position,
            "event": alert.events[position],
            "body": None if body is None else bytes(body),
        }


def _carried(taken: Taken) -> int:
    return 0 if taken.before is None else taken.before.carried


def _update(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows with the same columns, each found by tenant and id."""
    if not rows:
        return
    changing = [name for name in rows[0] if name not in _KEY]
    connection.execute(
        update(table)
        .where(*(table.c[name] == bindparam(f"row_{name}") for name in _KEY))
        .values({name: bindparam(f"row_{name}") for name in changing}),
        [{f"row_{name}": value for name, value in row.items()} for row in rows],
    )


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
