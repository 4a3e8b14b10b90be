"""Sigma correlations over matches, by the time of the events, in whatever order they come."""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from detection.sigma.ended import LONG_AGO, Ended
from detection.sigma.measure import SECOND, Hit, Span
from detection.sigma.values import OBJECT, find, number_of, text_of
from detection.sigma.windows import Group, Rising, has
from rules.correlations import MEASURES, Correlation

HOUR: Final = 3600 * SECOND
HIT_BYTES: Final = 400
"""About what a hit takes in memory besides what the caller gives with it."""
MEMORY: Final = 96 * 1024 * 1024
MAX_VALUE: Final = 512
"""Characters of a value that are told apart."""

NEVER: Final = 1 << 62
"""Later than any time."""

Fields = Mapping[str, str]
Place = tuple[str, tuple[str, ...]]
"""A correlation's id and the values of a group."""


class Bucket(NamedTuple):
    """What makes a finding the same: correlation, group, and the UTC hour its windows end in."""

    correlation: str
    group: tuple[str, ...]
    start: int
    """The hour's, microseconds."""


class Found(NamedTuple):
    """A correlation that came true, with every event in its windows, the oldest first."""

    bucket: Bucket
    correlation: Correlation
    hits: Sequence[Hit]
    """One for each event, of the rules at the bottom."""
    withdrawn: bool = False
    """What came late has shown that it was not true; `hits` are those last told."""


class Correlator:
    """All correlations over one stream of matches.

    What it has found once `advance` has passed everything is a function of the set of matches.
    """

    def __init__(
        self,
        correlations: Iterable[Correlation],
        *,
        memory: int = MEMORY,
        weigh: Callable[[Any], int] = lambda _: 0,
        evicted: Callable[[int], None] = lambda _: None,
        admits: Callable[[Any, str], bool] = lambda *_: True,
    ) -> None:
        """`correlations` come after those that they refer to; `weigh` says what payloads take.

        `evicted` is told how many hits had to be forgotten because they were too many. `admits`
        says of a payload whether the correlation with an id may take it.
        """
        self._definitions: dict[str, Correlation] = {}
        self._asking: dict[str, list[Correlation]] = {}
        self._revocable: set[str] = set()
        """Correlations whose findings may have to be withdrawn."""
        self._groups: OrderedDict[Place, Group] = OrderedDict()
        self._due: list[tuple[int, Place, int]] = []
        """A heap: when to decide which group's window."""
        self._memory = memory
        self._weigh = weigh
        self._evicted = evicted
        self._admits = admits
        self._spent = 0
        self._changed: dict[Bucket, None] = {}
        self._rescued: dict[Bucket, dict[str, Hit]] = {}
        """Of what has changed, the events that had to be forgotten before anyone asked."""
        self.learn(correlations)

    def learn(self, correlations: Iterable[Correlation]) -> None:
        """Serve these as well; those that are known keep what they have."""
        for each in correlations:
            if each.info.id in self._definitions:
                continue
            self._definitions[each.info.id] = each
            for rule in each.rules:
                self._asking.setdefault(rule, []).append(each)
            if not each.rising or self._revocable.intersection(each.rules):
                self._revocable.add(each.info.id)

    def add(
        self,
        rule: str,
        event: str,
        time: int,
        fields: Fields,
        payload: Any = None,
        *,
        received: int = LONG_AGO,
    ) -> None:
        """Take in that a rule matched an event at a time (microseconds since 1970, UTC).

        `fields` are what `wanted_fields` asks for, as `values_of` gives them. A window that must
        be waited for is decided once `advance` has passed its end and all receipts. A repeat
        changes nothing.
        """
        for correlation in self._asking.get(rule, ()):
            key = _group(correlation, rule, fields)
            if key is not None and self._admits(payload, correlation.info.id):
                value = _value(correlation, rule, fields)
                self._take(correlation, key, Hit(time, event, rule, value, payload), received)

    def advance(self, passed: int) -> None:
        """Nothing more is expected that happened or was received until then: decide windows."""
        while self._due and self._due[0][0] <= passed:
            due, place, end = heapq.heappop(self._due)
            group = self._groups.get(place)
            if not isinstance(group, Ended) or end not in group.due:
                continue
            if group.due[end] > due:
                heapq.heappush(self._due, (group.due[end], place, end))
            else:
                del group.due[end]
                self._decide(group, end)

    def next_due(self) -> int | None:
        """When the first window that is still open is to be decided, microseconds since 1970."""
        first = self._due[:1]  # asked from another thread
        return first[0][0] if first else None

    def take(self) -> list[Found]:
        """What came true, grew, shrank or was withdrawn since the last call."""
        found = [each for bucket in self._changed if (each := self._found(bucket)) is not None]
        self._changed.clear()
        self._rescued.clear()
        return found

    def settle(self) -> None:
        """What came true so far is known."""
        for bucket in self._changed:
            if bucket.correlation in self._revocable:
                self._found(bucket)
        self._changed.clear()
        self._rescued.clear()

    def close(self) -> list[Found]:
        """No more comes: `take`, with all that had to wait for the end of a window."""
        self.advance(NEVER)
        return self.take()

    def expire(self, before: int) -> None:
        """Forget hits older than a time that nothing can need any more."""
        for place, group in list(self._groups.items()):
            self._drop(group, sum(hit.time < before for hit in group.hits))
            group.ends = [end for end in group.ends if end >= before]
            group.told = {hour: hits for hour, hits in group.told.items() if hour >= before}
            if not group.hits and not group.told:
                del self._groups[place]

    def _take(
        self, correlation: Correlation, key: tuple[str, ...], hit: Hit, received: int
    ) -> None:
        place = correlation.info.id, key
        group = self._groups.get(place)
        if group is None:
            kind = Rising if correlation.rising else Ended
            group = self._groups[place] = kind(correlation, key)
        self._groups.move_to_end(place)
        if not group.add(hit):
            return
        self._charge(group, HIT_BYTES + self._weigh(hit.payload))
        if len(group.hits) > group.most:
            self._evict(group, len(group.hits) - group.most + group.most // 10)
        if isinstance(group, Rising):
            for end in group.newly_firing(hit.time):
                self._pass_on(group, end)
            self._touch(group, hit.time, hit.time)
        elif isinstance(group, Ended):
            self._move(group, hit.time, received)
        while self._spent > self._memory and len(self._groups) > 1:
            _, oldest = self._groups.popitem(last=False)
            self._evict(oldest, len(oldest.hits))

    def _move(self, group: Ended, time: int, received: int) -> None:
        """Hits at a time have come or gone: windows are to be decided, or are none any more."""
        touched, gone = group.moved(time)
        for end in touched:
            due = max(end, received)
            if end not in group.due:
                heapq.heappush(self._due, (due, group.place, end))
            group.due[end] = max(due, group.due.get(end, due))
        for end in gone:
            group.due.pop(end, None)
            if group.fall(end):
                self._take_back(group, end)

    def _decide(self, group: Ended, end: int) -> None:
        if not group.complete(end):
            return
        if not group.fires(end):
            if group.fall(end):
                self._take_back(group, end)
            return
        if not has(group.ends, end):
            group.rise(end)
            self._pass_on(group, end)
        self._spread(group, end, end)

    def _touch(self, group: Group, start: int, stop: int) -> None:
        """Something happened between two times: note what it changes, by way of others too."""
        ends = group.ends_between(start, stop)
        if ends:
            self._spread(group, ends[0], ends[-1])

    def _spread(self, group: Group, first: int, last: int) -> None:
        """Windows that end between two times have changed."""
        identity = group.correlation.info.id
        for hour in range(first // HOUR * HOUR, last + 1, HOUR):
            self._changed[Bucket(identity, group.key, hour)] = None
        for outer in self._above(group):
            self._touch(outer, first, last)

    def _pass_on(self, group: Group, end: int) -> None:
        """A correlation that came true is a match to those that refer to it, one an hour."""
        identity = group.correlation.info.id
        asking = self._asking.get(identity)
        if not asking:
            return
        fields = dict(zip(group.correlation.group_by, group.key, strict=True))
        span = Span(identity, group.key, end - group.length, end)
        leaves = self._leaves(group.between(span.start, end))
        for outer in asking:
            key = _group(outer, identity, fields)
            allowed = any(self._admits(hit.payload, outer.info.id) for hit in leaves)
            if key is not None and allowed:
                value = _value(outer, identity, fields)
                self._take(outer, key, Hit(end, _event(group, end), identity, value, span), end)

    def _take_back(self, group: Group, end: int) -> None:
        """A window that fired does not any more: so it is no match to others."""
        identity = group.correlation.info.id
        for outer in self._above(group):
            hit = outer.remove((end, _event(group, end), identity))
            if hit is None:
                continue
            self._charge(outer, -HIT_BYTES - self._weigh(hit.payload))
            if isinstance(outer, Ended):
                self._move(outer, end, LONG_AGO)
            if isinstance(outer, Rising):
                for over in outer.no_longer_firing(end):
                    self._take_back(outer, over)
                self._touch(outer, end, end)
        self._changed[Bucket(identity, group.key, end // HOUR * HOUR)] = None

    def _above(self, group: Group) -> Iterator[Group]:
        """The groups that matches of this one belong to."""
        identity = group.correlation.info.id
        fields = dict(zip(group.correlation.group_by, group.key, strict=True))
        for outer in self._asking.get(identity, ()):
            key = _group(outer, identity, fields)
            above = None if key is None else self._groups.get((outer.info.id, key))
            if above is not None:
                yield above

    def _found(self, bucket: Bucket) -> Found | None:
        """What there is to tell, and from now on has been told."""
        group = self._groups.get((bucket.correlation, bucket.group))
        events = dict(self._rescued.get(bucket, {}))
        if group is not None:
            events |= self._events(group, bucket)
        correlation = self._definitions[bucket.correlation]
        hits = tuple(sorted(events.values(), key=lambda each: each[:3]))
        told = group.told.pop(bucket.start, ()) if group is not None else ()
        if not hits:
            return Found(bucket, correlation, told, withdrawn=True) if told else None
        if group is not None and bucket.correlation in self._revocable:
            group.told[bucket.start] = hits
        return Found(bucket, correlation, hits)

    def _events(self, group: Group, bucket: Bucket) -> dict[str, Hit]:
        fired = group.fired(bucket.start, bucket.start + HOUR)
        return {hit.event: hit for hit in self._leaves(fired)}

    def _evict(self, group: Group, count: int) -> None:
        """Let go of hits, though not of what has come true with them and nobody knows yet."""
        for hour in dict.fromkeys(end // HOUR * HOUR for end in group.ends):
            bucket = Bucket(group.correlation.info.id, group.key, hour)
            if bucket in self._changed:
                self._rescued.setdefault(bucket, {}).update(self._events(group, bucket))
        self._evicted(self._drop(group, count))

    def _leaves(self, hits: Iterable[Hit]) -> list[Hit]:
        """The events at the bottom, each once, the oldest first."""
        leaves: dict[str, Hit] = {}
        pending, spans = list(hits), set[Span]()
        while pending:
            hit = pending.pop()
            if not isinstance(hit.payload, Span):
                leaves[hit.event] = min(hit, leaves.get(hit.event, hit), key=lambda each: each[:3])
            elif hit.payload not in spans:
                spans.add(hit.payload)
                below = self._groups.get(hit.payload[:2])
                pending += below.between(*hit.payload[2:]) if below else ()
        return sorted(leaves.values(), key=lambda each: each[:3])

    def _charge(self, group: Group, size: int) -> None:
        group.spent += size
        self._spent += size

    def _drop(self, group: Group, count: int) -> int:
        gone = group.drop(count)
        self._charge(group, -sum(HIT_BYTES + self._weigh(hit.payload) for hit in gone))
        return len(gone)


def wanted_fields(correlations: Iterable[Correlation]) -> dict[str, tuple[str, ...]]:
    """For each rule that correlations refer to, the fields of its events that they need."""
    wanted: dict[str, set[str]] = {}
    for each in correlations:
        for rule in each.rules:
            names = {each.field(name, rule) for name in (*each.group_by, *each.fields)}
            wanted.setdefault(rule, set()).update(names)
    return {rule: tuple(sorted(names)) for rule, names in wanted.items()}


def values_of(event: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Those fields of an event that have a text, as texts; of a list, its texts joined."""
    found: dict[str, str] = {}
    for name in names:
        value = find(event, name)
        parts = value if isinstance(value, tuple) else (value,)
        texts = [text_of(part)[:MAX_VALUE] for part in parts if part is not None]
        if texts and OBJECT not in parts:
            found[name] = ", ".join(texts)[:MAX_VALUE]
    return found


def _group(correlation: Correlation, rule: str, fields: Fields) -> tuple[str, ...] | None:
    """The group that an event belongs to, None where it lacks one of the fields."""
    values = [fields.get(correlation.field(name, rule)) for name in correlation.group_by]
    if None in values:
        return None
    return tuple(value.lower() for value in values if value is not None)


def _event(group: Group, end: int) -> str:
    """What counts once of a group's matches: an hour of them."""
    hour = str(end // HOUR * HOUR)
    return "\x00".join((group.correlation.info.id, *group.key, hour))


def _value(correlation: Correlation, rule: str, fields: Fields) -> str | float | None:
    values = [fields.get(correlation.field(name, rule)) for name in correlation.fields]
    texts = [value.lower() for value in values if value is not None]
    if not texts or len(texts) < len(values):
        return None
    return number_of(texts[0]) if correlation.kind in MEASURES else "\x00".join(texts)
