"""Keeps priorities true: they change when work on the same entity comes or goes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select, update

from detection.signal import Entity
from tenants import schema
from tenants.triage.priority import priority
from tenants.triage.queue import ItemState

CHUNK = 500
"""Keys asked for at once, well under what a database takes in one statement."""


def entity_key(tenant: str, entity: Entity) -> str:
    """One text for a tenant's entity, to look up many at once."""
    return _key(tenant, entity.kind, entity.name)


def subject_key(tenant: str, rule: str, entity: Entity) -> str:
    """One text for what an item is about: a rule on an entity of a tenant."""
    return _key(tenant, rule, entity.kind, entity.name)


def refresh(connection: Connection, entity_keys: Iterable[str]) -> None:
    """Work out the priorities of all open items on these entities again."""
    keys = sorted(set(entity_keys))
    changed = []
    for start in range(0, len(keys), CHUNK):
        changed += _changed(connection, keys[start : start + CHUNK])
    if changed:
        columns = schema.items.c
        connection.execute(
            update(schema.items)
            .where(columns.tenant_id == bindparam("of"), columns.id == bindparam("which"))
            .values(priority=bindparam("points")),
            changed,
        )


def _changed(connection: Connection, keys: list[str]) -> list[dict[str, object]]:
    columns = schema.items.c
    query = select(
        columns.tenant_id,
        columns.id,
        columns.entity_key,
        columns.rule,
        columns.level,
        columns.criticality,
        columns.priority,
        columns.state,
    ).where(columns.entity_key.in_(keys), columns.state != ItemState.CLOSED)
    rows = connection.execute(query).all()
    rules: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.state == ItemState.BELOW:
            continue
        rules[row.entity_key].add(row.rule)
    points = [priority(row.level, row.criticality, len(rules[row.entity_key])) for row in rows]
    return [
        {"of": row.tenant_id, "which": row.id, "points": new}
        for row, new in zip(rows, points, strict=True)
        if row.priority != new
    ]


def _key(*parts: str) -> str:
    text = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
