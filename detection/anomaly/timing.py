"""How far time has come for a profile: the watermark that windows wait for, by its sources."""

from typing import Final

import msgspec

AHEAD: Final = 300.0
"""Seconds by which an event may be ahead of its receipt."""
SILENT: Final = 600.0
"""Seconds of receipt after which a source that says nothing holds nobody back."""
HOLD: Final = 3600.0
"""Seconds of event time by which a slow source may hold back those that are ahead of it."""


FORGET: Final = 0.99
"""What is left of a lag with each record."""


class Heard(msgspec.Struct, array_like=True):
    """One source: how far its events have come, and when something came last."""

    event: float
    receipt: float
    lag: float = 0.0
    """Seconds that its events have been on their way lately; the longest, slowly forgotten."""


class Timing(msgspec.Struct):
    """Monotonic; depends on what was received in which order, and on nothing else."""

    sources: dict[str, Heard] = {}
    latest: float = 0.0
    """Receipt of whatever came last."""
    watermark: float = float("-inf")

    def hear(self, source: str, event: float, receipt: float) -> None:
        """Events of a source, the latest of them at `event`, came in."""
        known = self.sources.setdefault(source, Heard(event, receipt))
        known.event = max(known.event, event)
        known.receipt = max(known.receipt, receipt)
        known.lag = max(receipt - event, known.lag * FORGET)
        self.latest = max(self.latest, receipt)

    def tick(self, source: str, receipt: float) -> None:
        """A known source would have been heard: time goes on, less what its events usually take."""
        known = self.sources.get(source)
        if known is not None:
            known.event = max(known.event, receipt - known.lag)
            known.receipt = max(known.receipt, receipt)

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
