"""Places in the queue for what no rule describes: so many a day for a tenant and for the city."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from detection.alert import Alert
from detection.anomaly.budget import allowed
from detection.unusual import RULE, Unusual
from tenants import schema
from tenants.triage.queue import ItemState

EPOCH: Final = date(1970, 1, 1).toordinal()


class Budgets(NamedTuple):
    """Alerts a day that no rule describes."""

    city: float
    """Over all tenants."""
    of: Callable[[str], float]
    """Of one tenant."""


UNBOUNDED: Final = Budgets(float("inf"), lambda _tenant: float("inf"))


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in the queue that a day's budgets pay for; the order is by worth."""

    score: float
    item: str
    """Breaks ties, so that the order of arrival does not."""
    tenant: str


class City:
    """The places of some days. Pure: the better claim gets one, but people's work stays.

    Who makes way is the least of those that share the budget which is spent. So the best set that
    fits both budgets stands in the end, in whatever order they come (a greedy set of a matroid).
    """

    def __init__(
        self, budgets: Budgets, taken: Mapping[str, Collection[tuple[Place, bool]]]
    ) -> None:
        """`taken`: by day, the places so far, and whether nobody has looked at them yet."""
        self._budgets = budgets
        self._taken = {day: dict(places) for day, places in taken.items()}

    def enter(self, day: str, place: Place) -> tuple[bool, str | None]:
        """Whether an item gets a place on a day (`2026-11-24`), and which item makes way for it."""
        taken = self._taken.setdefault(day, {})
        sharing = [each for each in taken if each.tenant == place.tenant]
        if not self._full(day, len(sharing), self._budgets.of(place.tenant)):
            sharing = list(taken)
            if not self._full(day, len(sharing), self._budgets.city):
                taken[place] = True
                return True, None
        least = min((each for each in sharing if taken[each]), default=None)
        if least is None or place < least:
            return False, None
        del taken[least]
        taken[place] = True
        return True, least.item

    def _full(self, day: str, places: int, budget: float) -> bool:
        if budget == float("inf"):
            return False
        return places >= allowed(budget, date.fromisoformat(day).toordinal() - EPOCH)


def wants_a_place(alert: Alert) -> bool:
    """Whether an alert is one that the budgets are about."""
    return alert.unusual is not None


def place_of(alert: Alert, item: str) -> Place:
    """What an alert is worth."""
    return Place(alert.unusual.score if alert.unusual else 0.0, item, alert.tenant)


def day_of(alert: Alert) -> str:
    """The day that pays for it, by event time."""
    return alert.first[:10]


def taken(connection: Connection, days: Iterable[str]) -> dict[str, list[tuple[Place, bool]]]:
    """The places that items of all tenants have on these days, by the alerts of those days."""
    return {day: list(_places(connection, day)) for day in sorted(set(days))}


def _places(connection: Connection, day: str) -> Iterator[tuple[Place, bool]]:
    items, alerts = schema.items.c, schema.alerts.c
    query = (
        select(items.id, items.tenant_id, items.state, alerts.id.label("alert"), alerts.unusual)
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
    found: dict[tuple[str, str], tuple[float, bool]] = {}
    for row in connection.execute(query):
        key, worth = (row.id, row.tenant_id), msgspec.json.decode(row.unusual, type=Unusual).score
        score, unseen = found.get(key, (worth, False))
        opened_it = row.state == ItemState.OPEN and row.alert == row.id
        found[key] = max(score, worth), unseen or opened_it
    for (item, tenant), (score, unseen) in found.items():
        yield Place(score, item, tenant), unseen
