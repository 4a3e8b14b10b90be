"""When a tenant works: hours of the week on its own clock, bank holidays and terms."""

from datetime import UTC, date, datetime

import pytest

from detection.anomaly.calendar import (
    HOURS,
    Break,
    Calendar,
    Nation,
    bank_holidays,
    breaks_of,
    customary_breaks,
)

SCHOOL = Calendar(terms=True)


def at(text: str) -> float:
    """Unix seconds of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("year", "nation", "days"),
    [
        (2021, "england-and-wales", "0101 0402 0405 0503 0531 0830 1227 1228"),
        (2022, "england-and-wales", "0103 0415 0418 0502 0602 0603 0829 0919 1226 1227"),
        (2023, "england-and-wales", "0102 0407 0410 0501 0508 0529 0828 1225 1226"),
        (2026, "england-and-wales", "0101 0403 0406 0504 0525 0831 1225 1228"),
        (2022, "scotland", "0103 0104 0415 0502 0602 0603 0801 0919 1130 1226 1227"),
        (2024, "northern-ireland", "0101 0318 0329 0401 0506 0527 0712 0826 1225 1226"),
    ],
)
def test_bank_holidays_are_those_that_were_proclaimed(year: int, nation: str, days: str) -> None:
    found = bank_holidays(Nation(nation), year)

    assert " ".join(f"{day:%m%d}" for day in sorted(found)) == days


def test_nine_in_the_morning_is_the_same_hour_before_and_after_the_clocks_change() -> None:
    winter, summer = at("2026-03-23T09:00"), at("2026-03-30T08:00")

    hours = [Calendar().hour(winter), Calendar().hour(summer)]

    assert hours == [9, 9]


def test_the_hour_that_comes_twice_in_autumn_is_one_hour_of_the_week() -> None:
    first, second = at("2026-10-25T00:30"), at("2026-10-25T01:30")

    hours = [Calendar().hour(first), Calendar().hour(second)]

    assert hours == [6 * 24 + 1, 6 * 24 + 1]


def test_a_bank_holiday_is_a_sunday() -> None:
    boxing_day, sunday = at("2026-12-28T10:00"), at("2026-12-27T10:00")

    hours = [Calendar().hour(boxing_day), Calendar().hour(sunday)]

    assert hours[0] == hours[1]


def test_a_school_has_one_week_for_terms_and_one_for_breaks() -> None:
    term, summer = at("2026-06-10T09:00"), at("2026-08-12T09:00")

    hours = [SCHOOL.hour(term), SCHOOL.hour(summer)]

    assert hours[1] == hours[0] + HOURS
    assert Calendar().hour(summer) == Calendar().hour(term)


def test_customary_breaks_are_two_weeks_at_easter_and_six_in_summer() -> None:
    lengths = {
        each.first.month: (each.last - each.first).days + 1 for each in customary_breaks(2026)
    }

    assert lengths == {1: 3, 2: 9, 3: 17, 5: 9, 7: 42, 10: 9, 12: 12}


def test_a_tenants_own_breaks_stand_instead_of_the_customary_ones() -> None:
    own = Calendar(terms=True, breaks=(Break(date(2026, 7, 1), date(2026, 7, 5)),))

    assert own.is_break(date(2026, 7, 5))
    assert not own.is_break(date(2026, 8, 12))


def test_a_break_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a break that ends after 2026-07-05"):
        breaks_of([(date(2026, 7, 5), date(2026, 7, 1))])
