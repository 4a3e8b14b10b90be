"""Bounds the memory that bodies on their way to the bus may have."""

import threading

from collectors.bus.contract import Overloaded

MAX_HELD = 256 << 20
"""Body bytes of all requests under way, as sent and as unpacked; half of it for one tenant."""


class Held:
    """Body bytes in memory, bounded over all and for each tenant; any thread may ask."""

    def __init__(self, limit: int | None = None) -> None:
        self._given = limit
        self._lock = threading.Lock()
        self._total = 0
        self._tenants: dict[str, int] = {}

    def share(self, tenant: str) -> "Share":
        """An empty share for one request."""
        return Share(self, tenant)

    def take(self, tenant: str, size: int) -> None:
        """Count `size` bytes more; raises Overloaded where they do not fit."""
        limit = MAX_HELD if self._given is None else self._given
        with self._lock:
            mine = self._tenants.get(tenant, 0) + size
            if self._total + size > limit or mine > limit // 2:
                raise Overloaded("too many events are on their way at once")
            self._total += size
            self._tenants[tenant] = mine

    def give_back(self, tenant: str, size: int) -> None:
        """Undo take."""
        with self._lock:
            self._total -= size
            left = self._tenants.get(tenant, 0) - size
            if left > 0:
                self._tenants[tenant] = left
            else:
                self._tenants.pop(tenant, None)


class Share:
    """What one request holds of it."""

    def __init__(self, held: Held, tenant: str) -> None:
        self._held, self._tenant, self._size = held, tenant, 0

    def take(self, size: int) -> None:
        """See Held.take."""
        self._held.take(self._tenant, size)
        self._size += size

    def release(self) -> None:
        """Give all of it back."""
        self._held.give_back(self._tenant, self._size)
        self._size = 0
