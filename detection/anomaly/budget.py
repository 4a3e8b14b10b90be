"""Which unusual windows become alerts: one an entity and reason while it is open."""

from typing import Final

import msgspec

from detection.anomaly.state import DAY

OPEN: Final = DAY
"""Seconds after its latest sight that a reason counts as open."""


class Gate(msgspec.Struct):
    """What is open for each entity of a tenant."""

    open: dict[str, dict[str, float]] = {}

    def passes(self, entity: str, reasons: frozenset[str], time: float) -> bool:
        """Whether a window's reasons are not all open already; they are from now on."""
        mine = self.open.setdefault(entity, {})
        new = any(mine.get(each, float("-inf")) + OPEN < time for each in reasons)
        for each in reasons:
            mine[each] = time
        return new

    def forget(self, time: float) -> None:
        """Let go of what is open no longer."""
        for entity in list(self.open):
            kept = {each: seen for each, seen in self.open[entity].items() if seen + OPEN >= time}
            if kept:
                self.open[entity] = kept
            else:
                del self.open[entity]
