"""What correlations keep is bounded, and what goes is counted."""

from typing import Any

from detection.sigma.correlate import HIT_BYTES, Correlator
from detection.sigma.measure import SECOND
from detection.sigma.windows import MAX_HITS
from rules.correlations import Correlation, read_correlation
from rules.documents import Document

RULE = "00000000-0000-4000-8000-000000000001"


def correlation(least: int, **content: Any) -> Correlation:
    content = {"type": "event_count", "rules": [RULE], "group-by": ["user"], "timespan": "1h",
               "condition": {"gte": least}, **content}  # fmt: skip
    document = Document("c.yml", 1, {"title": "C", "correlation": content}, {})
    found = read_correlation(document, [])
    assert found is not None
    return found


class Watched:
    """A correlator and the number of hits that it let go of."""

    def __init__(self, least: int, **settings: Any) -> None:
        self.evicted = 0
        self.correlator = Correlator([correlation(least)], evicted=self._count, **settings)

    def add(self, count: int, user: str, start: int = 0) -> None:
        for number in range(start, start + count):
            fields = {"user": user}
            self.correlator.add(RULE, f"{user}{number:06}", number * SECOND // 10, fields)

    def _count(self, hits: int) -> None:
        self.evicted += hits


def test_of_one_group_the_oldest_hits_go() -> None:
    watched = Watched(2)
    watched.add(MAX_HITS, "jane")
    watched.correlator.take()

    watched.add(1, "jane", start=MAX_HITS)

    assert watched.evicted == 1 + MAX_HITS // 10
    hits = [hit.event for found in watched.correlator.take() for hit in found.hits]
    assert (hits[0], hits[-1]) == ("jane001001", f"jane{MAX_HITS:06}")


def test_what_came_true_before_its_hits_had_to_go_is_still_told_whole() -> None:
    watched = Watched(2)

    watched.add(2 * MAX_HITS, "jane")

    found = [hit.event for found in watched.correlator.take() for hit in found.hits]
    assert len(found) == len(set(found)) == 2 * MAX_HITS
    assert watched.evicted >= MAX_HITS


def test_what_is_counted_to_is_kept() -> None:
    watched = Watched(MAX_HITS + 1)

    watched.add(MAX_HITS + 1, "jane")

    [found] = watched.correlator.take()
    assert (len(found.hits), watched.evicted) == (MAX_HITS + 1, 0)


def test_of_all_groups_the_one_longest_unchanged_goes() -> None:
    watched = Watched(3, memory=5 * HIT_BYTES)

    watched.add(3, "old")
    watched.add(2, "new")
    watched.add(1, "third")

    assert watched.evicted == 3
    watched.add(1, "new", start=2)
    assert [found.bucket.group for found in watched.correlator.take()] == [("old",), ("new",)]


def test_what_is_too_old_to_matter_goes_without_being_counted() -> None:
    watched = Watched(3)
    watched.add(2, "jane")

    watched.correlator.expire(SECOND)
    watched.add(1, "jane", start=100)

    assert (watched.correlator.take(), watched.evicted) == ([], 0)
