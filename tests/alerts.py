"""Alerts for tests, as correlation would send them."""

from typing import Any

from detection.alert import Alert, alert_id
from detection.signal import Entity


def alert(
    host: str, hour: str, *, tenant: str = "school", rule: str = "rule", **fields: Any
) -> Alert:
    """One of a host in an hour such as `2026-11-24T10`; `fields` are those that matter."""
    entity = Entity("host", host)
    told = {
        "revision": 1,
        "title": "Title",
        "level": "high",
        "ruleset": "rules-1",
        "count": 2,
        "first": f"{hour}:00:00.000000Z",
        "last": f"{hour}:10:00.000000Z",
        "received": f"{hour}:00:00.000000Z",
    }
    return Alert(
        id=alert_id(tenant, rule, entity, hour),
        tenant=tenant,
        rule=rule,
        entity=entity,
        hour=hour,
        **told | fields,
    )
