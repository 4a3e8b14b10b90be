"""Sigma correlations over matches, by the time of the events, in whatever order they come."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from detection.sigma.measure import SECOND, Hit, Span
from detection.sigma.values import OBJECT, find, number_of, text_of
from detection.sigma.windows import Group
from rules.correlations import MEASURES, Correlation

HOUR: Final = 3600 * SECOND
HIT_BYTES: Final = 400
"""About what a hit takes in memory besides what the caller gives with it."""
MEMORY: Final = 96 * 1024 * 1024
MAX_VALUE: Final = 512
"""Characters of a value that are told apart."""

Fields = Mapping[str, str]


class Bucket(NamedTuple):
    """What makes a finding the same: correlation, group and, for rising ones, the UTC hour.

    `start` is that hour's; else the window's first hit's. Microseconds.
    """

    correlation: str
    group: tuple[str, ...]
    start: int


class Found(NamedTuple):
    """A correlation that came true, with every event in its windows, the oldest first."""

    bucket: Bucket
    correlation: Correlation
    hits: Sequence[Hit]
    """One for each event, of the rules at the bottom."""


class Correlator:
    """All correlations over one stream of matches."""

    def __init__(
        self,
        correlations: Iterable[Correlation],
        *,
        memory: int = MEMORY,
        weigh: Callable[[Any], int] = lambda _: 0,
        evicted: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`correlations` come after those that they refer to; `weigh` says what payloads take.

        `evicted` is told how many hits had to be forgotten because they were too many.
        """
        self._definitions = {each.info.id: each for each in correlations}
        self._asking: dict[str, list[Correlation]] = {}
        for each in self._definitions.values():
            for rule in each.rules:
                self._asking.setdefault(rule, []).append(each)
        self._groups: OrderedDict[tuple[str, tuple[str, ...]], Group] = OrderedDict()
        self._memory = memory
        self._weigh = weigh
        self._evicted = evicted
        self._spent = 0
        self._changed: dict[Bucket, None] = {}
        self._rescued: dict[Bucket, dict[str, Hit]] = {}
        """Of what has changed, the events that had to be forgotten before anyone asked."""

    def add(
        self,
        rule: str,
        event: str,
        time: int,
        fields: Fields,
        payload: Any = None,
        *,
        only: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Take in that a rule matched an event at a time (microseconds since 1970, UTC).

        `fields` are what `wanted_fields` asks for, as `values_of` gives them. `only` says of a
        correlation's id whether it may take this match. A repeat changes nothing.
        """
        for correlation in self._asking.get(rule, ()):
            key = _group(correlation, rule, fields)
            if key is None or not only(correlation.info.id):
                continue
            value = _value(correlation, rule, fields)
            self._take(correlation, key, Hit(time, event, rule, value, payload), only)

    def take(self) -> list[Found]:
        """What came true, or grew, since the last call."""
        found = [each for bucket in self._changed if (each := self._found(bucket)) is not None]
        self.settle()
        return found

    def settle(self) -> None:
        """What came true so far is known."""
        self._changed.clear()
        self._rescued.clear()

    def close(self) -> list[Found]:
        """No more comes: `take`, and all that had to wait for the end of a window."""
        falling: list[Found] = []
        for correlation in self._definitions.values():
            if not correlation.rising:
                for group in list(self._of(correlation)):
                    for start, end in group.closed():
                        bucket = Bucket(correlation.info.id, group.key, start)
                        if hits := self._leaves(group.between(start, end)):
                            falling.append(Found(bucket, correlation, hits))
                        self._pass_on(bucket, start, end, lambda _: True)
        return self.take() + falling

    def expire(self, before: int) -> None:
        """Forget hits older than a time that nothing can need any more."""
        for place, group in list(self._groups.items()):
            self._drop(group, sum(hit.time < before for hit in group.hits))
            group.ends = [end for end in group.ends if end >= before]
            if not group.hits:
                del self._groups[place]

    def _of(self, correlation: Correlation) -> Iterable[Group]:
        return (group for group in self._groups.values() if group.correlation is correlation)

    def _take(
        self,
        correlation: Correlation,
        key: tuple[str, ...],
        hit: Hit,
        only: Callable[[str], bool],
    ) -> None:
        place = correlation.info.id, key
        group = self._groups.get(place)
        if group is None:
            group = self._groups[place] = Group(correlation, key)
        self._groups.move_to_end(place)
        if not group.add(hit):
            return
        self._charge(group, HIT_BYTES + self._weigh(hit.payload))
        if len(group.hits) > group.most:
            self._evict(group, len(group.hits) - group.most + group.most // 10)
        if correlation.rising:
            self._mark(group, hit, only)
        while self._spent > self._memory and len(self._groups) > 1:
            _, oldest = self._groups.popitem(last=False)
            self._evict(oldest, len(oldest.hits))

    def _mark(self, group: Group, hit: Hit, only: Callable[[str], bool]) -> None:
        """Note which buckets a new hit changes, and tell those who ask for this correlation."""
        length = group.correlation.timespan * SECOND
        for end in group.newly_firing(hit):
            bucket = Bucket(group.correlation.info.id, group.key, end // HOUR * HOUR)
            self._pass_on(bucket, end - length, end, only)
        self._touch(group, hit.time, hit.time)

    def _touch(self, group: Group, start: int, stop: int) -> None:
        """Something happened between two times: note what it changes, by way of others too."""
        ends = group.ends_between(start, stop)
        if not ends:
            return
        identity = group.correlation.info.id
        for hour in range(ends[0] // HOUR * HOUR, ends[-1] + 1, HOUR):
            self._changed[Bucket(identity, group.key, hour)] = None
        fields = dict(zip(group.correlation.group_by, group.key, strict=True))
        for outer in self._asking.get(identity, ()):
            key = _group(outer, identity, fields)
            above = None if key is None else self._groups.get((outer.info.id, key))
            if above is not None:
                self._touch(above, ends[0], ends[-1])

    def _pass_on(self, bucket: Bucket, start: int, end: int, only: Callable[[str], bool]) -> None:
        """A correlation that came true is a match to those that refer to it, one a bucket."""
        correlation = self._definitions[bucket.correlation]
        fields = dict(zip(correlation.group_by, bucket.group, strict=True))
        event = "\x00".join((bucket.correlation, *bucket.group, str(bucket.start)))
        span = Span(bucket.correlation, bucket.group, start, end)
        self.add(bucket.correlation, event, end, fields, span, only=only)

    def _found(self, bucket: Bucket) -> Found | None:
        group = self._groups.get((bucket.correlation, bucket.group))
        events = dict(self._rescued.get(bucket, {}))
        if group is not None:
            events |= self._events(group, bucket)
        hits = sorted(events.values(), key=lambda each: each[:3])
        return Found(bucket, self._definitions[bucket.correlation], hits) if hits else None

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


def _value(correlation: Correlation, rule: str, fields: Fields) -> str | float | None:
    values = [fields.get(correlation.field(name, rule)) for name in correlation.fields]
    texts = [value.lower() for value in values if value is not None]
    if not texts or len(texts) < len(values):
        return None
    return number_of(texts[0]) if correlation.kind in MEASURES else "\x00".join(texts)
