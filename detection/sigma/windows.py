"""The hits of one correlation that share their group's values, and the windows that fire."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from typing import Final

from detection.sigma.measure import SECOND, Hit, conceivable, holds, marker
from rules.correlations import COUNTS, Correlation

MAX_HITS: Final = 10_000
"""Of one group; above it the oldest go. More where a count needs more."""

Key = tuple[int, str, str]
"""Time, event and rule of a hit: what makes it the same."""


class Group:
    """A function of the set of its hits, whatever the order they come in."""

    def __init__(self, correlation: Correlation, key: tuple[str, ...]) -> None:
        self.correlation = correlation
        self.key = key
        """The values of the group."""
        self.place = correlation.info.id, key
        self.hits: list[Hit] = []
        self.ends: list[int] = []
        """Times at which a window that fires ends, both ends of it included."""
        self.spent = 0
        """Bytes that its hits are reckoned at."""
        self.most = max(MAX_HITS, 2 * int(correlation.threshold) if counts(correlation) else 0)
        """Hits to keep."""
        self.told: dict[int, tuple[Hit, ...]] = {}
        """Per hour the events last told, where a finding may have to be withdrawn."""
        self.length = correlation.timespan * SECOND
        self._known: set[Key] = set()

    def add(self, hit: Hit) -> bool:
        """Take a hit in; False where it is there already."""
        key = hit[:3]
        if key in self._known:
            return False
        self._known.add(key)
        insort(self.hits, hit, key=lambda each: each[:3])
        return True

    def remove(self, key: Key) -> Hit | None:
        """Take a hit out again; None where it is not there."""
        if key not in self._known:
            return None
        self._known.remove(key)
        return self.hits.pop(bisect_left(self.hits, key, key=lambda each: each[:3]))

    def drop(self, count: int) -> list[Hit]:
        """Let go of the oldest hits."""
        gone, self.hits = self.hits[:count], self.hits[count:]
        self._known.difference_update(hit[:3] for hit in gone)
        if gone:
            oldest = self.hits[0].time if self.hits else gone[-1].time + 1
            self.told = {hour: hits for hour, hits in self.told.items() if hits[0].time >= oldest}
        return gone

    def between(self, start: int, end: int) -> list[Hit]:
        """All hits from one time to another, both included."""
        first = bisect_left(self.hits, start, key=lambda each: each.time)
        return self.hits[first : bisect_right(self.hits, end, key=lambda each: each.time)]

    def ends_between(self, start: int, end: int) -> list[int]:
        """The ends of windows that fire and hold something that happened between two times."""
        last = bisect_right(self.ends, end + self.length)
        return self.ends[bisect_left(self.ends, start) : last]

    def fired(self, start: int, end: int) -> list[Hit]:
        """All hits in windows that fire and end in a stretch of time, its end excluded."""
        found: list[Hit] = []
        seen = -1
        for last in self.ends[bisect_left(self.ends, start) : bisect_left(self.ends, end)]:
            found += self.between(max(last - self.length, seen + 1), last)
            seen = last
        return found

    def happened(self, time: int) -> bool:
        """Whether there is a hit at just this time."""
        place = bisect_left(self.hits, time, key=lambda each: each.time)
        return place < len(self.hits) and self.hits[place].time == time


class Rising(Group):
    """More hits can only make it fire: each window that ends with a hit is looked at on arrival."""

    def __init__(self, correlation: Correlation, key: tuple[str, ...]) -> None:
        super().__init__(correlation, key)
        self._quiet: list[int] = []
        """Times of hits at which no window that fires ends."""
        self._markers: Counter[str | float] = Counter()

    def add(self, hit: Hit) -> bool:
        """See Group."""
        if not super().add(hit):
            return False
        mark = marker(self.correlation, hit)
        if mark is not None:
            self._markers[mark] += 1
        if not has(self.ends, hit.time) and not has(self._quiet, hit.time):
            insort(self._quiet, hit.time)
        return True

    def remove(self, key: Key) -> Hit | None:
        """See Group."""
        hit = super().remove(key)
        if hit is not None:
            self._unmark(hit)
        return hit

    def drop(self, count: int) -> list[Hit]:
        """See Group."""
        gone = super().drop(count)
        for hit in gone:
            self._unmark(hit)
        oldest = self.hits[0].time if self.hits else None
        self._quiet = [] if oldest is None else self._quiet[bisect_left(self._quiet, oldest) :]
        return gone

    def newly_firing(self, time: int) -> list[int]:
        """The ends of the windows that fire now that a hit is in, and did not before."""
        first = bisect_left(self._quiet, time)
        quiet = self._quiet[first : bisect_right(self._quiet, time + self.length)]
        if not quiet or not self._possible(time):
            return []
        new = [end for end in quiet if self._fires(end)]
        for end in new:
            insort(self.ends, end)
            del self._quiet[bisect_left(self._quiet, end)]
        return new

    def no_longer_firing(self, time: int) -> list[int]:
        """The ends of the windows that do not fire any more now that a hit is out."""
        over = [
            end
            for end in self.ends_between(time, time)
            if not self.happened(end) or not self._fires(end)
        ]
        for end in over:
            self.ends.remove(end)
            if self.happened(end):
                insort(self._quiet, end)
        if has(self._quiet, time) and not self.happened(time):
            self._quiet.remove(time)
        return over

    def _unmark(self, hit: Hit) -> None:
        mark = marker(self.correlation, hit)
        if mark is not None:
            self._markers[mark] -= 1
            if not self._markers[mark]:
                del self._markers[mark]

    def _possible(self, time: int) -> bool:
        """Whether any window with a hit at a time may fire: not if all around it is not enough."""
        if not conceivable(self.correlation, self._markers):
            return False
        around = self.between(time - self.length, time + self.length)
        if self.correlation.kind == "temporal_ordered":  # which end it has matters there
            return conceivable(self.correlation, {hit.rule for hit in around})
        return holds(self.correlation, around)

    def _fires(self, end: int) -> bool:
        return holds(self.correlation, self.between(end - self.length, end))


def counts(correlation: Correlation) -> bool:
    """Whether its threshold is a number of hits."""
    return correlation.expression is None and correlation.kind in COUNTS


def has(times: list[int], time: int) -> bool:
    """Whether a sorted list has a time."""
    place = bisect_left(times, time)
    return place < len(times) and times[place] == time
