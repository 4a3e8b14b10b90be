"""The whole city's alerts a day that no rule describes, the best of all tenants first."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date

import msgspec
from sqlalchemy import Connection, select

from detection.alert import Alert
from detection.anomaly.budget import allowed
from detection.unusual import RULE, Unusual
from tenants import schema
from tenants.triage.queue import ItemState

EPOCH = date(1970, 1, 1).toordinal()

NO_BOUND = float("inf")


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in the queue that a day's budget pays for; the order is by worth."""

    score: float
    item: str
    """Breaks ties, so that the order of arrival does not."""


class City:
    """The places of some days. Pure: whoever has a better claim gets one, people's work stays."""

    def __init__(self, budget: float, taken: Mapping[str, Collection[tuple[Place, bool]]]) -> None:
        """`taken`: by day, the places so far, and whether nobody has looked at them yet."""
        self._budget = budget
        self._taken = {day: dict(places) for day, places in taken.items()}

    def enter(self, day: str, place: Place) -> tuple[bool, str | None]:
        """Whether an item gets a place on a day (`2026-11-24`), and which item makes way for it."""
        taken = self._taken.setdefault(day, {})
        makes_way = None
        if len(taken) >= self._places(day):
            waiting = [each for each, unseen in taken.items() if unseen]
            least = min(waiting, default=None)
            if least is None or place < least:
                return False, None
            del taken[least]
            makes_way = least.item
        taken[place] = True
        return True, makes_way

    def _places(self, day: str) -> float:
        if self._budget == NO_BOUND:
            return NO_BOUND
        return allowed(self._budget, date.fromisoformat(day).toordinal() - EPOCH)


def wants_a_place(alert: Alert) -> bool:
    """Whether an alert is one that the city's budget is about, and its tenant's had room for it."""
    return alert.unusual is not None and not alert.unusual.below


def place_of(alert: Alert, item: str) -> Place:
    """What an alert is worth."""
    return Place(alert.unusual.score if alert.unusual else 0.0, item)


def day_of(alert: Alert) -> str:
    """The day that pays for it, by event time."""
    return alert.first[:10]


def taken(connection: Connection, days: Iterable[str]) -> dict[str, list[tuple[Place, bool]]]:
    """The places that items of all tenants have on these days, by the alerts of those days."""
    return {day: list(_places(connection, day)) for day in sorted(set(days))}


def _places(connection: Connection, day: str) -> Iterator[tuple[Place, bool]]:
    items, alerts = schema.items.c, schema.alerts.c
    query = (
        select(items.id, items.state, alerts.id.label("alert"), alerts.unusual)
        .join_from(
            schema.items,
            schema.alerts,
            (alerts.tenant_id == items.tenant_id) & (alerts.item_id == items.id),
        )
        .where(
            items.rule.startswith(RULE, autoescape=True),
            items.state != ItemState.BELOW,
            alerts.first.startswith(day, autoescape=True),
        )
    )
    found: dict[str, tuple[float, bool]] = {}
    for row in connection.execute(query):
        unusual = msgspec.json.decode(row.unusual, type=Unusual)
        if not unusual.below:
            score, unseen = found.get(row.id, (unusual.score, False))
            opened_it = row.state == ItemState.OPEN and row.alert == row.id
            found[row.id] = max(score, unusual.score), unseen or opened_it
    for item, (score, unseen) in found.items():
        yield Place(score, item), unseen
