"""What every store asks of the one who writes or reads: tenants, events and months of one form."""

import re
from datetime import datetime, timedelta
from functools import lru_cache

from collectors.bus.contract import Malformed
from tenants.store.blocks import Entry, Key, entry, microseconds
from tenants.store.contract import StoredEvent

MAX_LIMIT = 1_000
"""Events of one page, and ids of one question."""
RETRY_WINDOW = timedelta(hours=24)
"""An event that comes again within this time over the end of a month is still one event."""
ID = re.compile(r"[0-9a-f]{32}")
_TENANT = re.compile(r"[a-z][a-z0-9]{1,30}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def check_tenant(tenant: str) -> str:
    """The tenant's id itself; raises Malformed for what is none."""
    if not _TENANT.fullmatch(tenant):
        raise Malformed(f"expected a tenant's id such as council, got {tenant[:50]!r}")
    return tenant


def check_limit(limit: int) -> None:
    """Raises ValueError for a page of no size, or of too great a one."""
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit: expected 1 to {MAX_LIMIT:,}, got {limit}")


def check_number_of_ids(number: int) -> None:
    """Raises ValueError where more ids are asked for than one answer may hold."""
    if number > MAX_LIMIT:
        raise ValueError(f"expected at most {MAX_LIMIT:,} ids, got {number:,}")


def admitted(event: StoredEvent) -> Entry:
    """The event, decoded; raises Malformed for what is none."""
    if not ID.fullmatch(event.id):
        raise Malformed(f"id: expected 32 hex digits, got {event.id[:50]!r}")
    for name in ("time", "received"):
        if not _TIME.fullmatch(getattr(event, name)):
            raise Malformed(f"{name}: expected UTC as collectors.event writes it")
    try:
        months_near(event.received)
        return entry(Key(microseconds(event.time), bytes.fromhex(event.id)), event.line)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"event {event.id}: {error}") from error


def months_near(received: str) -> frozenset[str]:
    """The months, such as `2026-11`, in which a repeat of an event may have been received."""
    return _months_near_hour(received[:13])


@lru_cache(maxsize=64)
def _months_near_hour(hour: str) -> frozenset[str]:
    start = datetime.fromisoformat(f"{hour}:00:00Z")
    steps = (-RETRY_WINDOW, RETRY_WINDOW + timedelta(hours=1))
    return frozenset((start + step).isoformat()[:7] for step in steps)


def oldest_kept(months: int, now: datetime) -> str:
    """The first month that retention keeps: so many before the month of `now`."""
    first = now.year * 12 + now.month - 1 - months
    return f"{first // 12:04}-{first % 12 + 1:02}"
