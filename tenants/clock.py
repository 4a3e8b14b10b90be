"""The moment of an action, given to what decides and written as text that sorts by time."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock; only the outermost layer passes it on."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """UTC, fixed width: `2026-11-24T13:47:03.123456Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """Undo stamp(). Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
