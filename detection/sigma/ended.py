"""Groups whose windows are decided at their end: fewer than, averages, denials, silence."""

from bisect import bisect_left, bisect_right, insort
from typing import Final, NamedTuple

from detection.sigma.measure import SECOND, Hit, holds
from detection.sigma.windows import Group, has
from rules.correlations import Correlation

DAY: Final = 86_400 * SECOND
LONG_AGO: Final = -(1 << 62)


class Moved(NamedTuple):
    """What a change of the hits did to the windows, each named by its end."""

    touched: list[int]
    """To be decided, or decided anew."""
    gone: list[int]
    """No windows any more."""


class Ended(Group):
    """The first hit opens a window, and so does the first one after its end.

    So that where windows begin never hangs on what is long past, the first hit of each day (of
    each so many days as the timespan has begun) opens one too. For silence every hit opens one,
    which must stay empty but for what happens at that very time.
    """

    def __init__(self, correlation: Correlation, key: tuple[str, ...]) -> None:
        super().__init__(correlation, key)
        self.due: dict[int, int] = {}
        """Ends of windows to be decided, and when."""
        self._starts: list[int] = []
        self._floor = LONG_AGO
        """What began before is incomplete, or decided for ever."""
        self._stretch = stretch(correlation.timespan) * SECOND

    def add(self, hit: Hit) -> bool:
        """See Group."""
        return hit.time >= self._floor and super().add(hit)

    def drop(self, count: int) -> list[Hit]:
        """See Group. Windows that have lost hits are not decided any more."""
        gone = super().drop(count)
        if gone:
            latest = gone[-1].time
            first = bisect_right(self._starts, latest)
            self._floor = self._starts[first] if first < len(self._starts) else latest + 1
            del self._starts[:first]
        return gone

    def moved(self, time: int) -> Moved:
        """What it does that hits at a time have come or gone."""
        first = bisect_left(self._starts, time)
        fresh, old = self._laid_anew(first)
        self._starts[first : first + len(old)] = fresh
        touched = self._starts[bisect_left(self._starts, time - self.length) : first]
        if self.correlation.silence:
            touched = touched[-1:]
        touched += fresh or self._starts[first : bisect_right(self._starts, time)]
        gone = sorted(set(old).difference(fresh))
        return Moved(
            [each + self.length for each in touched], [each + self.length for each in gone]
        )

    def complete(self, end: int) -> bool:
        """Whether all hits of a window are still there."""
        return end - self.length >= self._floor

    def fires(self, end: int) -> bool:
        """Whether a window, now that it has ended, is one that people should hear of."""
        start = end - self.length
        if not has(self._starts, start):
            return False
        if self.correlation.silence:
            return not self.between(start + 1, end)
        return holds(self.correlation, self.between(start, end))

    def rise(self, end: int) -> None:
        """A window fires."""
        insort(self.ends, end)

    def fall(self, end: int) -> bool:
        """A window does not fire; returns whether it did before."""
        stood = has(self.ends, end)
        if stood:
            self.ends.remove(end)
        return stood

    def _laid_anew(self, first: int) -> tuple[list[int], list[int]]:
        """Windows from one on, up to where they meet those that were there, and the latter."""
        fresh: list[int] = []
        last = self._starts[first - 1] if first else None
        while (opens := self._next(last)) is not None:
            joined = bisect_left(self._starts, opens)
            if has(self._starts, opens) and joined >= first:
                return fresh, self._starts[first:joined]
            fresh.append(opens)
            last = opens
        return fresh, self._starts[first:]

    def _next(self, start: int | None) -> int | None:
        """The first hit that opens a window after the one that begins at `start`."""
        if start is None:
            after = self._floor - 1
        elif self.correlation.silence:
            after = start
        else:
            after = min(start + self.length, start - start % self._stretch + self._stretch - 1)
        place = bisect_right(self.hits, after, key=lambda each: each.time)
        return self.hits[place].time if place < len(self.hits) else None


def stretch(timespan: int) -> int:
    """Seconds after which windows of a timespan begin anew: whole days."""
    day = DAY // SECOND
    return -(-timespan // day) * day
