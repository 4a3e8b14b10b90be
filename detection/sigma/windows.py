"""The hits of one correlation that share their group's values, and the windows that fire."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator

from detection.sigma.measure import SECOND, Hit, conceivable, holds, marker
from rules.correlations import COUNTS, Correlation

NEVER = 1 << 62
"""Later than any time, in microseconds."""

MAX_HITS = 10_000
"""Of one group; above it the oldest go. More where a count needs more."""


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
        self.most = max(MAX_HITS, 2 * int(correlation.threshold) if counts(correlation) else 0)
        """Hits to keep."""
        self._quiet: list[int] = []
        """Times of hits at which no window that fires ends."""
        self._markers: Counter[str | float] = Counter()
        self._known: set[tuple[int, str, str]] = set()
        self._length = correlation.timespan * SECOND

    def add(self, hit: Hit) -> bool:
        """Take a hit in; False where it is there already."""
        key = hit[:3]
        if key in self._known:
            return False
        self._known.add(key)
        insort(self.hits, hit, key=lambda each: each[:3])
        mark = marker(self.correlation, hit)
        if mark is not None:
            self._markers[mark] += 1
        if not _has(self.ends, hit.time) and not _has(self._quiet, hit.time):
            insort(self._quiet, hit.time)
        return True

    def newly_firing(self, hit: Hit) -> list[int]:
        """The ends of the windows that fire now that a hit is in, and did not before."""
        first = bisect_left(self._quiet, hit.time)
        quiet = self._quiet[first : bisect_right(self._quiet, hit.time + self._length)]
        if not quiet or not self._possible(hit.time):
            return []
        new = [end for end in quiet if self._fires(end)]
        for end in new:
            insort(self.ends, end)
            del self._quiet[bisect_left(self._quiet, end)]
        return new

    def ends_between(self, start: int, end: int) -> list[int]:
        """The ends of windows that fire and hold something that happened between two times."""
        last = bisect_right(self.ends, end + self._length)
        return self.ends[bisect_left(self.ends, start) : last]

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
        for hit in gone:
            self._known.discard(hit[:3])
            mark = marker(self.correlation, hit)
            if mark is not None:
                self._markers[mark] -= 1
                if not self._markers[mark]:
                    del self._markers[mark]
        if gone:
            del self._quiet[: bisect_left(self._quiet, self.hits[0].time if self.hits else NEVER)]
        return gone

    def _possible(self, time: int) -> bool:
        """Whether any window with a hit at a time may fire: not if all around it is not enough."""
        if not conceivable(self.correlation, self._markers):
            return False
        around = self.between(time - self._length, time + self._length)
        if self.correlation.kind == "temporal_ordered":  # which end it has matters there
            return conceivable(self.correlation, {hit.rule for hit in around})
        return holds(self.correlation, around)

    def _fires(self, end: int) -> bool:
        return holds(self.correlation, self.between(end - self._length, end))


def counts(correlation: Correlation) -> bool:
    """Whether its threshold is a number of hits."""
    return correlation.expression is None and correlation.kind in COUNTS


def _has(times: list[int], time: int) -> bool:
    place = bisect_left(times, time)
    return place < len(times) and times[place] == time
