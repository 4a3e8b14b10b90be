"""Which unusual windows become alerts: no more a day than people can afford, the best first."""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from detection.anomaly.state import DAY

OPEN: Final = DAY
"""Seconds after its latest sight that a reason, and an entity's alert, count as open."""
HOUR: Final = 3600.0
STRONG: Final = 1.0
"""Decades past a threshold from which an open alert may speak again."""
BELOW: Final = 20
"""Entities and hours a day that are kept below the budget, for whoever has time."""
KEPT_DAYS: Final = 30
MOST_WANTED: Final = 1_000
"""Entities and hours of a day that are remembered as having wanted an alert."""


class Purse(NamedTuple):
    """What a tenant may spend."""

    budget: float
    """Alerts a day."""
    share: float = 1.0
    """The part of it that thresholds are made for, so that all tenants together keep to theirs."""


class Standing(StrEnum):
    """What an unusual window is to people."""

    NOTHING = "nothing"
    """Usual, or the same again while it is open."""
    OPENS = "opens"
    """A new alert; it costs one of the day's."""
    SPEAKS = "speaks"
    """Something new of an entity whose alert is open: it joins that alert and costs nothing."""
    BELOW = "below"
    """It would open an alert if the day's were not spent; kept, and shown apart."""


class Day(msgspec.Struct, array_like=True):
    """What a day has cost: `entity hour` each."""

    opened: list[str] = []
    spoken: list[str] = []
    below: list[str] = []
    wanted: dict[str, None] = {}
    """Whether there was room or not."""


class Ledger(msgspec.Struct):
    """A tenant's days, by event time: all its profiles pay from one purse."""

    days: dict[int, Day] = {}

    def enter(self, entity: str, start: float, budget: float) -> Standing:
        """Ask for a new alert; an entity and hour that has one already costs no second."""
        place, day = _place(entity, start), self._day(start)
        if len(day.wanted) < MOST_WANTED:
            day.wanted[place] = None
        if place in day.opened:
            return Standing.OPENS
        if len(day.opened) < allowed(budget, int(start // DAY)):
            day.opened.append(place)
            return Standing.OPENS
        if place not in day.below:
            if len(day.below) >= BELOW:
                return Standing.NOTHING
            day.below.append(place)
        return Standing.BELOW

    def speak(self, entity: str, start: float, score: float, budget: float) -> Standing:
        """Ask for another word on an open alert: strong ones only, at most as often a day again."""
        place, day = _place(entity, start), self._day(start)
        if place in day.opened or place in day.spoken:
            return Standing.SPEAKS
        if score < STRONG or len(day.spoken) >= allowed(budget, int(start // DAY)):
            return Standing.NOTHING
        day.spoken.append(place)
        return Standing.SPEAKS

    def lately(self, now: float) -> int:
        """Alerts that were wanted today and the day before, whether there was room or not."""
        today = int(now // DAY)
        return sum(len(self.days[day].wanted) for day in (today - 1, today) if day in self.days)

    def opened(self) -> dict[int, int]:
        """How many alerts each day has cost."""
        return {day: len(each.opened) for day, each in sorted(self.days.items()) if each.opened}

    def forget(self, now: float) -> None:
        """Let go of days long past."""
        oldest = now // DAY - KEPT_DAYS
        self.days = {day: each for day, each in self.days.items() if day >= oldest}

    def _day(self, start: float) -> Day:
        return self.days.setdefault(int(start // DAY), Day())


class Gate(msgspec.Struct):
    """What is open for each entity of a profile."""

    open: dict[str, dict[str, float]] = {}
    raised: dict[str, float] = {}
    """By entity on alert, the end of its latest unusual window."""

    def new(self, entity: str, reasons: Iterable[str], time: float) -> bool:
        """Whether a window's reasons are not all open already."""
        mine = self.open.get(entity, {})
        return any(mine.get(each, float("-inf")) + OPEN < time for each in reasons)

    def told(self, entity: str, reasons: Iterable[str], time: float) -> None:
        """These are open from now on, or go on being so."""
        self.open.setdefault(entity, {}).update(dict.fromkeys(reasons, time))

    def on_alert(self, entity: str, time: float) -> bool:
        """Whether an alert of the entity is open; if so it stays open from now on."""
        found = self.raised.get(entity, float("-inf")) + OPEN >= time
        if found:
            self.raised[entity] = time
        return found

    def raises(self, entity: str, time: float) -> None:
        """An alert of the entity opens."""
        self.raised[entity] = time

    def settled(self, entity: str) -> None:
        """People have said what it was: what comes next is a new alert."""
        self.raised.pop(entity, None)

    def forget(self, time: float) -> None:
        """Let go of what is open no longer."""
        for entity in list(self.open):
            kept = {each: seen for each, seen in self.open[entity].items() if seen + OPEN >= time}
            if kept:
                self.open[entity] = kept
            else:
                del self.open[entity]
        self.raised = {name: seen for name, seen in self.raised.items() if seen + OPEN >= time}


def allowed(budget: float, day: int) -> int:
    """Whole alerts of a day; half a budget is one every other day, never one more."""
    return math.floor(budget * (day + 1)) - math.floor(budget * day)


def _place(entity: str, start: float) -> str:
    return f"{entity} {int(start // HOUR)}"
