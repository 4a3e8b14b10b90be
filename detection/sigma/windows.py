"""The hits of one correlation that share their group's values, and the windows that fire."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from detection.sigma.measure import SECOND, Hit, holds
from rules.correlations import Correlation

MAX_HITS = 10_000
"""Of one group; above it the oldest go."""


class Group:
    """A function of the set of its hits, whatever the order they come in."""

    def __init__(self, correlation: Correlation, key: tuple[str, ...]) -> None:
        self.correlation = correlation
        self.key = key
        """The values of the group."""
        self.hits: list[Hit] = []
        self.ends: list[int] = []
        """Times at which a window that fires ends, of a correlation that only rises."""
        self.spent = 0
        """Bytes that its hits are reckoned at."""
        self._known: set[tuple[int, str, str]] = set()
        self._length = correlation.timespan * SECOND

    def add(self, hit: Hit) -> bool:
        """Take a hit in; False where it is there already."""
        key = hit[:3]
        if key in self._known:
            return False
        self._known.add(key)
        insort(self.hits, hit, key=lambda each: each[:3])
        return True

    def newly_firing(self, hit: Hit) -> list[int]:
        """The ends of the windows that fire now that a hit is in, and did not before."""
        new: list[int] = []
        if not self._possible(hit.time):
            return new
        for end in self._times(hit.time, hit.time + self._length):
            place = bisect_left(self.ends, end)
            known = place < len(self.ends) and self.ends[place] == end
            if not known and holds(self.correlation, self.between(end - self._length, end)):
                self.ends.insert(place, end)
                new.append(end)
        return new

    def ends_near(self, time: int) -> list[int]:
        """The ends of all windows that fire and hold what happened at a time."""
        first = bisect_left(self.ends, time)
        return self.ends[first : bisect_right(self.ends, time + self._length)]

    def closed(self) -> Iterator[tuple[int, int]]:
        """Start and end of windows that fire at their end: the first hit opens one.

        The first hit after its end opens the next.
        """
        start = 0
        while start < len(self.hits):
            opened = self.hits[start].time
            stop = bisect_right(self.hits, opened + self._length, key=lambda each: each.time)
            window = self.hits[start:stop]
            if holds(self.correlation, window):
                yield opened, window[-1].time
            start = stop

    def between(self, start: int, end: int) -> list[Hit]:
        """All hits from one time to another, both included."""
        first = bisect_left(self.hits, start, key=lambda each: each.time)
        return self.hits[first : bisect_right(self.hits, end, key=lambda each: each.time)]

    def fired(self, start: int, end: int) -> list[Hit]:
        """All hits in windows that fire and end in a stretch of time, its end excluded."""
        found: list[Hit] = []
        seen = -1
        for last in self.ends[bisect_left(self.ends, start) : bisect_left(self.ends, end)]:
            found += self.between(max(last - self._length, seen + 1), last)
            seen = last
        return found

    def drop(self, count: int) -> list[Hit]:
        """Let go of the oldest hits."""
        gone, self.hits = self.hits[:count], self.hits[count:]
        self._known.difference_update(hit[:3] for hit in gone)
        return gone

    def _possible(self, time: int) -> bool:
        """Whether any window with a hit at a time may fire: not if all around it is not enough."""
        if self.correlation.kind == "temporal_ordered":  # which end it has matters there
            return True
        return holds(self.correlation, self.between(time - self._length, time + self._length))

    def _times(self, start: int, end: int) -> list[int]:
        return sorted({hit.time for hit in self.between(start, end)})
