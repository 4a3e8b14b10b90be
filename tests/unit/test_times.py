"""Times as logs write them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.formats.times import event_time, moment_of

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00.000",
        "2025-12-31T23:00:00.0000000-01:00",
        "2026-01-01T01:00:00+0100",
        1767225600,
        1767225600.0,
        "1767225600",
        1767225600_000,
        1767225600_000_000,
        "1767225600000000000",
    ],
)
def test_iso_and_unix_times_of_any_precision_are_one(value: Any) -> None:
    assert moment_of(value) == NEW_YEAR


@pytest.mark.parametrize(
    "value",
    [
        None, True, "", "yesterday", "2026-01-01", "nan", "inf", -1, 0, 12, 10**400, 1e300,
        float("nan"), "9" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", [], {},
    ],
)  # fmt: skip
def test_what_is_no_time_of_our_age_is_none(value: Any) -> None:
    assert moment_of(value) is None


def test_an_events_own_clock_goes_before_a_relays() -> None:
    fields = {"@timestamp": "2026-01-02T00:00:00Z", "UtcTime": "2026-01-01 00:00:00.000"}

    assert event_time(fields) == NEW_YEAR


def test_a_local_time_without_a_zone_is_not_the_events_time() -> None:
    assert event_time({"EventTime": "2026-01-01 00:00:00"}) is None


def test_a_field_that_is_no_time_is_passed_over() -> None:
    assert event_time({"ts": "never", "timestamp": 1767225600}) == NEW_YEAR
