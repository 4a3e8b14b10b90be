"""Searching slices: blocks from the newest on, until what was found can't be outdone."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from collectors import codec
from tenants.store.blocks import Key, microseconds
from tenants.store.contract import Page
from tenants.store.filter import Filter, FilterError
from tenants.store.index import narrowing
from tenants.store.predicate import compiled
from tenants.store.screen import may_hold, needles
from tenants.store.slice import Slice

BLOCKS_A_PAGE = 400
"""Blocks that one page looks at: about 200,000 events, about a second."""
_START = -(1 << 62)
_END = 1 << 62
_FIRST = Key(_START, b"")
_LAST = Key(_END, b"")
_PLACE = re.compile(r"(-?[0-9]{1,18})-([0-9a-f]{32})?")


class _Source(NamedTuple):
    """A block or a tail: its span of time, its number of events, and how they are read."""

    newest: int
    oldest: int
    size: int
    events: Callable[[], Iterable[tuple[Key, bytes]]]


class _Question:
    """A filter, made ready."""

    def __init__(self, query: Filter, after: str | None = None) -> None:
        self.since = microseconds(query.since) if query.since else _START
        self.before = Key(microseconds(query.until), b"") if query.until else _LAST
        if after is not None:
            self.before = min(self.before, place(after))
        self.asked = narrowing(query.expression)
        self.needles = needles(query.expression)
        self.holds = compiled(query.expression) if query.expression is not None else None

    def sources(self, slices: Sequence[Slice]) -> Iterator[_Source]:
        """Whatever may hold an answer, the newest first."""
        return heapq.merge(
            *(self._tail(part) for part in slices),
            *(self._blocks(part) for part in slices),
            key=lambda source: -source.newest,
        )

    def _tail(self, part: Slice) -> Iterator[_Source]:
        events = part.tail()
        if events:
            newest, oldest = events[0][0].time, events[-1][0].time
            yield _Source(newest, oldest, len(events), lambda: events)

    def _blocks(self, part: Slice) -> Iterator[_Source]:
        for span in part.spans(since=self.since, until=self.before.time + 1, asked=self.asked):
            read = partial(part.block, span.number, self.needles)
            yield _Source(span.newest, span.oldest, span.events, read)

    def covers(self, source: _Source) -> bool:
        """Whether all of a source lies within the bounds of time."""
        return source.oldest >= self.since and source.newest < self.before.time

    def answers(self, source: _Source, best: "_Best") -> Iterator[tuple[Key, dict[str, Any]]]:
        """The events of a source that the filter lets through and that can be among the best."""
        for key, line in source.events():
            if key.time < self.since or key <= best.floor:
                return
            if key < self.before and may_hold(line, self.needles):
                event = codec.loads(line)
                if self.holds is None or self.holds(event):
                    yield key, event


class _Best:
    """The newest events so far, one more than the page holds: so it is known whether it goes on."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.floor = _FIRST
        """Once there are enough, what is not newer than this comes too late."""
        self._keys: list[Key] = []
        self._events: dict[Key, dict[str, Any]] = {}

    def put(self, key: Key, event: dict[str, Any]) -> None:
        if key in self._events:
            return
        self._events[key] = event
        heapq.heappush(self._keys, key)
        if len(self._keys) > self.limit + 1:
            del self._events[heapq.heappop(self._keys)]
        if len(self._keys) > self.limit:
            self.floor = self._keys[0]

    def page(self, until: Key | None) -> Page:
        """The page, of what is not before `until`, where the search broke off."""
        keys = sorted((key for key in self._keys if until is None or key >= until), reverse=True)
        here = keys[: self.limit]
        after = here[-1] if len(keys) > self.limit else until
        return Page([self._events[key] for key in here], after and f"{after.time}-{after.id.hex()}")


def search_in(slices: Sequence[Slice], query: Filter, *, limit: int, after: str | None) -> Page:
    """One page of what the filter lets through."""
    question = _Question(query, after)
    best = _Best(limit)
    for looked_at, source in enumerate(question.sources(slices)):
        if best.floor.time > source.newest:
            break
        rest = Key(source.newest + 1, b"")
        if looked_at >= BLOCKS_A_PAGE and rest < question.before:
            return best.page(rest)
        for key, event in question.answers(source, best):
            best.put(key, event)
    return best.page(None)


def count_in(slices: Sequence[Slice], query: Filter, *, limit: int | None) -> int:
    """How many events the filter lets through, at most `limit`."""
    question = _Question(query)
    best = _Best(0)
    count = 0
    for source in question.sources(slices):
        if limit is not None and count >= limit:
            return limit
        if question.holds is None and question.covers(source):
            count += source.size
        else:
            count += sum(1 for _ in question.answers(source, best))
    return count if limit is None else min(count, limit)


def place(after: str) -> Key:
    """Where a page ended. Raises FilterError for what no page gave."""
    found = _PLACE.fullmatch(after)
    if found is None:
        raise FilterError(f"after: expected what the page before gave, found {after[:50]!r}")
    return Key(int(found[1]), bytes.fromhex(found[2] or ""))
