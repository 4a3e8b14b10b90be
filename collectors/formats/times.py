"""When an event says that it happened, in the many ways that there are of writing a time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

TIME_FIELDS = (
    # The order matters where an event has several: its own clock before any relay's.
    "TimeCreated", "UtcTime", "eventTime", "ts", "requestReceivedTimestamp", "CreationTime",
    "activityDateTime", "createdDateTime", "published", "eventTimestamp", "TimeGenerated",
    "timestamp", "@timestamp", "time", "utc_time", "_time",
)  # fmt: skip
"""Fields of JSON events that hold its time. `EventTime` is not one: it is local, without a zone."""

EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_FIRST, _LAST = EARLIEST.timestamp(), LATEST.timestamp()
MAX_NUMBER = 1 << 63
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def event_time(fields: Mapping[str, Any]) -> datetime | None:
    """The first of TIME_FIELDS that reads as a time."""
    for name in TIME_FIELDS:
        if name in fields:
            moment = moment_of(fields[name])
            if moment is not None:
                return moment
    return None


def moment_of(value: Any) -> datetime | None:
    """A UTC time from ISO 8601 text (UTC where it names no zone) or Unix s, ms, µs or ns."""
    if isinstance(value, str):
        return _from_text(value) if len(value) <= 40 else None
    if isinstance(value, int | float) and not isinstance(value, bool) and value < MAX_NUMBER:
        return _from_number(value)
    return None


@lru_cache(maxsize=4096)
def _from_text(text: str) -> datetime | None:
    try:
        if len(text) >= 16 and text[4] == "-":
            moment = datetime.fromisoformat(text)
        else:
            return _from_number(float(text))
    except ValueError:
        return None
    return _plausible(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def _from_number(number: float) -> datetime | None:
    if number > _UNITS[-1][0]:
        number /= next(unit for above, unit in _UNITS if number > above)
    if not _FIRST <= number < _LAST:
        return None
    return datetime.fromtimestamp(number, UTC)


def _plausible(moment: datetime) -> datetime | None:
    return moment.astimezone(UTC) if EARLIEST <= moment < LATEST else None
