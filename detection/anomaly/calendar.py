"""When a tenant works: local hours of the week, bank holidays, and the breaks between its terms."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOURS = 7 * 24
"""Hours of a week, Monday 00:00 first."""
SUNDAY = 6


class Nation(StrEnum):
    """Whose bank holidays."""

    ENGLAND_AND_WALES = "england-and-wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern-ireland"


class Break(NamedTuple):
    """Days between terms, both included."""

    first: date
    last: date


class Calendar(NamedTuple):
    """A tenant's time: work in term and in breaks are two habits, each with its own week."""

    zone: str = "Europe/London"
    nation: Nation = Nation.ENGLAND_AND_WALES
    terms: bool = False
    """Whether it keeps school terms; `breaks` says which, else the customary ones of the nation."""
    breaks: tuple[Break, ...] = ()

    def hour(self, moment: float) -> int:
        """The hour of the week of Unix seconds; in a break counted on from HOURS.

        A bank holiday is a Sunday, as nobody works then either.
        """
        local = datetime.fromtimestamp(moment, UTC).astimezone(_zone(self.zone))
        day = local.date()
        weekday = SUNDAY if day in bank_holidays(self.nation, day.year) else day.weekday()
        return weekday * 24 + local.hour + (HOURS if self.is_break(day) else 0)

    def is_break(self, day: date) -> bool:
        """Whether the day is between terms."""
        if not self.terms:
            return False
        breaks = self.breaks or customary_breaks(day.year)
        return any(each.first <= day <= each.last for each in breaks)


@lru_cache(maxsize=256)
def bank_holidays(nation: Nation, year: int) -> frozenset[date]:
    """The bank holidays of a year, substitute days in place of weekends."""
    easter = easter_sunday(year)
    days = [easter - timedelta(days=2), _early_may(year)]
    days += [_spring(year), *_substituted(year, (12, 25), (12, 26))]
    if nation is Nation.SCOTLAND:
        days += _substituted(year, (1, 1), (1, 2))
        days += [_monday(year, 8, first=True), *_substituted(year, (11, 30))]
    else:
        days += _substituted(year, (1, 1))
        days += [easter + timedelta(days=1), _monday(year, 8, first=False)]
    if nation is Nation.NORTHERN_IRELAND:
        days += [*_substituted(year, (3, 17)), *_substituted(year, (7, 12))]
    return frozenset(days) | _PROCLAIMED.get(year, frozenset())


def easter_sunday(year: int) -> date:
    """Of the Gregorian calendar, by the anonymous algorithm."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    leap, rest = divmod(century, 4)
    moon = (19 * golden + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * rest + 2 * (of_century // 4) - moon - of_century % 4) % 7
    shift = (golden + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=256)
def customary_breaks(year: int) -> tuple[Break, ...]:
    """What most English authorities keep; a tenant whose dates differ says its own."""
    easter = easter_sunday(year)
    february, october = _monday(year, 2, first=True), _monday(year, 10, first=False)
    summer = _monday(year, 7, first=False) - timedelta(days=5)
    return (
        Break(date(year, 1, 1), date(year, 1, 3)),
        _days(february + timedelta(days=5 + 7), 9),
        _days(easter - timedelta(days=9), 17),
        _days(_spring(year) - timedelta(days=2), 9),
        _days(summer, 42),
        _days(october - timedelta(days=2), 9),
        Break(date(year, 12, 20), date(year, 12, 31)),
    )


def _days(first: date, count: int) -> Break:
    return Break(first, first + timedelta(days=count - 1))


def _monday(year: int, month: int, *, first: bool) -> date:
    """The first or the last Monday of a month."""
    if first:
        day = date(year, month, 1)
        return day + timedelta(days=-day.weekday() % 7)
    day = date(year, month + 1, 1) - timedelta(days=1)
    return day - timedelta(days=day.weekday())


def _early_may(year: int) -> date:
    return _MOVED.get((year, 5, "early"), _monday(year, 5, first=True))


def _spring(year: int) -> date:
    return _MOVED.get((year, 5, "spring"), _monday(year, 5, first=False))


def _substituted(year: int, *days: tuple[int, int]) -> list[date]:
    """Each of these, or the next working day that is none of the others."""
    kept: list[date] = []
    weekend: list[date] = []
    for month, day in days:
        found = date(year, month, day)
        (kept if found.weekday() < 5 else weekend).append(found)
    for found in weekend:
        later = (found + timedelta(days=number) for number in range(1, 7))
        kept.append(next(day for day in later if day.weekday() < 5 and day not in kept))
    return kept


def breaks_of(days: Iterable[tuple[date, date]]) -> tuple[Break, ...]:
    """Breaks as settings name them. Raises ValueError where one ends before it begins."""
    found = tuple(Break(first, last) for first, last in days)
    for each in found:
        if each.last < each.first:
            raise ValueError(f"expected a break that ends after {each.first}, got {each.last}")
    return found


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


_MOVED = {
    (2012, 5, "spring"): date(2012, 6, 4),
    (2020, 5, "early"): date(2020, 5, 8),
    (2022, 5, "spring"): date(2022, 6, 2),
}
"""Bank holidays that a proclamation moved, for jubilees and anniversaries."""
_PROCLAIMED = {
    2011: frozenset({date(2011, 4, 29)}),
    2012: frozenset({date(2012, 6, 5)}),
    2022: frozenset({date(2022, 6, 3), date(2022, 9, 19)}),
    2023: frozenset({date(2023, 5, 8)}),
}
"""Days that were added once, for weddings, jubilees, a funeral and a coronation."""
