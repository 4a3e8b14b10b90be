"""How far a tenant's sources have come: what happened before is in, as far as anyone can tell."""

from collections.abc import Iterable
from typing import Final

SILENT: Final = 300.0
"""Seconds behind the others from which on a source is not waited for any more."""
GRACE: Final = 30.0
"""Seconds that events may be under way: forwarders send what they gathered in half a minute."""
LONG_AGO: Final = float("-inf")


class Watermark:
    """Moves by what was received last of each source, an event or a tick; never backwards."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}
        self._passed = LONG_AGO

    def receive(self, sources: Iterable[tuple[str, float]]) -> None:
        """Something of these sources was received at these times, Unix seconds."""
        for source, received in sources:
            if received > self._latest.get(source, LONG_AGO):
                self._latest[source] = received

    def passed(self) -> float:
        """Unix seconds: nothing is expected any more that was received until then."""
        if self._latest:
            waited_for = max(self._latest.values()) - SILENT
            self._latest = {key: each for key, each in self._latest.items() if each >= waited_for}
            self._passed = max(self._passed, min(self._latest.values()) - GRACE)
        return self._passed
