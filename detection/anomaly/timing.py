"""How far time has come for a profile: the watermark that windows wait for, by its sources."""

from typing import Final

import msgspec

AHEAD: Final = 300.0
"""Seconds by which an event may be ahead of its receipt."""
SILENT: Final = 600.0
"""Seconds of receipt after which a source that says nothing holds nobody back."""
HOLD: Final = 3600.0
"""Seconds of event time by which a slow source may hold back those that are ahead of it."""


class Heard(msgspec.Struct, array_like=True):
    """One source: the latest time of its events, and of its receipt."""

    event: float
    receipt: float


class Timing(msgspec.Struct):
    """Monotonic; depends on what was received in which order, and on nothing else."""

    sources: dict[str, Heard] = {}
    latest: float = 0.0
    """Receipt of whatever came last."""
    watermark: float = float("-inf")

    def hear(self, source: str, event: float, receipt: float) -> None:
        """Events of a source, the latest of them at `event`, came in."""
        known = self.sources.get(source)
        if known is None:
            self.sources[source] = Heard(event, receipt)
        else:
            known.event = max(known.event, event)
            known.receipt = max(known.receipt, receipt)
        self.latest = max(self.latest, receipt)

    def tick(self, source: str, receipt: float) -> None:
        """A source that is known had nothing more to send by then."""
        if source in self.sources:
            self.hear(source, receipt, receipt)

    def advance(self, receipt: float) -> float:
        """Where time stands when the log has come to `receipt`."""
        self.latest = max(self.latest, receipt)
        marks = [
            min(each.event, each.receipt + AHEAD)
            for each in self.sources.values()
            if each.receipt + SILENT >= self.latest
        ]
        if marks:
            self.watermark = max(self.watermark, min(marks), max(marks) - HOLD)
        return self.watermark
