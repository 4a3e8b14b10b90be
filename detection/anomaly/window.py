"""What an entity did in a window: each event once, in whatever order and however often."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from detection.anomaly.profile import Observation, Profile

KEPT: Final = 256
"""Events of one kind (the same values) that a window keeps; beyond, their number is estimated."""
MAX_KINDS: Final = 4_096
"""Kinds of events that a window keeps."""
SPAN: Final = float(1 << 64)
ARROW: Final = " → "

Values = tuple[str | None, ...]
Seen = dict[int, tuple[float, float]]
"""Of each event kept, by id: its time and bytes."""


class Window:
    """The events of one entity in one window.

    Of equal events (same values) those with the smallest ids are kept, so that a flood is bounded
    and nothing rare is lost in it; order and repeats can't matter.
    """

    __slots__ = ("end", "entity", "kinds", "start")

    def __init__(self, entity: str, start: float, end: float) -> None:
        self.entity = entity
        self.start = start
        self.end = end
        self.kinds: dict[Values, Seen] = {}

    def add(self, time: float, identity: int, values: Values, size: float) -> None:
        """Count an event, of `size` bytes; see Observation."""
        seen = self.kinds.get(values)
        if seen is None:
            self.kinds[values] = {identity: (time, size)}
            if len(self.kinds) > 2 * MAX_KINDS:
                self._bound()
            return
        seen[identity] = (time, size)
        if len(seen) > 2 * KEPT:
            self.kinds[values] = _smallest(seen)

    def settle(self) -> None:
        """Forget what is over the bounds, so that equal windows are the same bytes."""
        if len(self.kinds) > MAX_KINDS:
            self._bound()
        if max(map(len, self.kinds.values()), default=0) > KEPT:
            for values, seen in self.kinds.items():
                if len(seen) > KEPT:
                    self.kinds[values] = _smallest(seen)

    def _bound(self) -> None:
        kept = sorted(self.kinds, key=_place)[:MAX_KINDS]
        self.kinds = {values: self.kinds[values] for values in kept}


class _Kind(msgspec.Struct, frozen=True, array_like=True):
    values: Values
    ids: list[int]
    times: list[float]
    bytes: list[float]


class _Written(msgspec.Struct, frozen=True, array_like=True):
    entity: str
    start: float
    end: float
    kinds: list[_Kind]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Written).decode


def to_bytes(window: Window) -> bytes:
    """An open window as a checkpoint keeps it; equal windows give equal bytes."""
    window.settle()
    kinds = []
    for values in _sorted(window.kinds):
        seen = sorted(window.kinds[values].items())
        times, sizes = [each[1][0] for each in seen], [each[1][1] for each in seen]
        kinds.append(_Kind(values, [each[0] for each in seen], times, sizes))
    return _encode(_Written(window.entity, window.start, window.end, kinds))


def from_bytes(data: bytes) -> Window:
    """Undo to_bytes. Raises ValueError for anything else."""
    try:
        written = _decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"expected a behaviour window: {error}") from error
    window = Window(written.entity, written.start, written.end)
    for kind in written.kinds:
        facts = zip(kind.times, kind.bytes, strict=True)
        window.kinds[kind.values] = dict(zip(kind.ids, facts, strict=True))
    return window


class Behaviour(msgspec.Struct, frozen=True, gc=False):
    """A closed window: what was done, for good."""

    entity: str
    start: float
    end: float
    counts: tuple[dict[str, float], ...]
    """Per facet, how often each value was seen."""
    events: float
    bytes: float
    last: Values
    """Of each facet that follows, the latest value."""


def close(window: Window, profile: Profile, previous: Values | None = None) -> Behaviour:
    """Count the events; `previous` is `last` of the entity's window before, if there was one."""
    window.settle()
    # in one order, however they came: sums of floats depend on it
    sizes = {values: _number(window.kinds[values]) for values in _sorted(window.kinds)}
    follows = [facet.follows for facet in profile.facets]
    last: Values = ()
    order: list[Values] = []
    if any(follows):
        order = _in_order(window)
        last = tuple(map(_latest, _columns(order, len(follows)), follows))
    counts = tuple(
        _changes([each[index] for each in order], previous[index] if previous else None)
        if follows[index]
        else _counts(sizes, index)
        for index in range(len(follows))
    )
    total = sum(sizes.values())
    return Behaviour(
        window.entity, window.start, window.end, counts, total, _bytes(window, sizes), last
    )


def _in_order(window: Window) -> list[Values]:
    """The values of the events kept, by time; equal times in the order of their values."""
    rows = [
        (time, _order(values), values)
        for values, seen in window.kinds.items()
        for time, _ in seen.values()
    ]
    rows.sort(key=lambda row: row[:2])
    return [row[2] for row in rows]


def _columns(rows: list[Values], width: int) -> list[list[str | None]]:
    return [[row[index] for row in rows] for index in range(width)]


def _latest(column: list[str | None], follows: bool) -> str | None:
    return next((value for value in reversed(column) if value), None) if follows else None


def _changes(column: list[str | None], before: str | None) -> dict[str, float]:
    counts: dict[str, float] = {}
    for value in column:
        if value is None:
            continue
        if before is not None:
            pair = before + ARROW + value
            counts[pair] = counts.get(pair, 0.0) + 1.0
        before = value
    return counts


def _counts(sizes: dict[Values, float], index: int) -> dict[str, float]:
    counts: dict[str, float] = {}
    for values, size in sizes.items():
        value = values[index]
        if value is not None:
            counts[value] = counts.get(value, 0.0) + size
    return counts


def _bytes(window: Window, sizes: dict[Values, float]) -> float:
    total = 0
    for values, seen in window.kinds.items():
        if len(seen) == 1:
            ((_, size),) = seen.values()
            total += round(size)
        else:
            kept = math.fsum([each[1] for each in seen.values()])
            total += round(kept * sizes[values] / len(seen))
    return float(total)


def _number(seen: Seen) -> float:
    """How many different events there were: exact below KEPT, else from the KEPT smallest ids."""
    return float(len(seen) if len(seen) < KEPT else round((KEPT - 1) * SPAN / (max(seen) + 1)))


def _smallest(seen: Seen) -> Seen:
    return {identity: seen[identity] for identity in sorted(seen)[:KEPT]}


def _sorted(kinds: Iterable[Values]) -> list[Values]:
    try:
        return sorted(kinds)
    except TypeError:  # somewhere None stands beside a text
        return sorted(kinds, key=_order)


def _order(values: Values) -> Any:
    """What values are sorted by, None before any text."""
    return tuple([value or "" for value in values]) if None in values else values


def _place(values: Values) -> bytes:
    return hashlib.blake2b(repr(values).encode("utf-8", "backslashreplace")).digest()


class Windows:
    """The open windows of one tenant and profile."""

    def __init__(self, profile: Profile) -> None:
        self._span = profile.window
        self._size = profile.events or 0
        self._open: dict[float, dict[str, Window]] = {}
        """By start, those of time by entity."""
        self._filling: dict[str, tuple[Window, set[int]]] = {}
        self._closed_to = float("-inf")
        self.late = 0
        """Events that came after their window was closed."""

    def __iter__(self) -> Iterator[Window]:
        """The open windows of time, in no order."""
        return (window for together in self._open.values() for window in together.values())

    def __len__(self) -> int:
        return sum(map(len, self._open.values())) + len(self._filling)

    def add(self, event: Observation) -> Window | None:
        """Count an event; gives the window that it filled, where windows are numbers of events.

        An event of a window that was closed already is left out.
        """
        span, entity = self._span, event.entity
        if span is None:
            return self._fill(event)
        start = event.time // span * span
        together = self._open.get(start)
        if together is None:
            if start + span <= self._closed_to:
                self.late += 1
                return None
            together = self._open[start] = {}
        window = together.get(entity)
        if window is None:
            window = together[entity] = Window(entity, start, start + span)
        window.add(event.time, event.id, event.values, event.bytes)
        return None

    def restore(self, window: Window) -> None:
        """Go on with an open window of time."""
        self._open.setdefault(window.start, {})[window.entity] = window

    def close(self, watermark: float) -> Iterator[list[Window]]:
        """The windows that end at or before `watermark`, those of one end together, in order."""
        self._closed_to = max(self._closed_to, watermark)
        span = self._span or 0.0
        for start in sorted(start for start in self._open if start + span <= watermark):
            together = self._open.pop(start)
            yield [together[entity] for entity in sorted(together)]

    def _fill(self, event: Observation) -> Window | None:
        time, entity = event.time, event.entity
        found = self._filling.get(entity)
        if found is None:
            window, ids = Window(entity, time, time), set[int]()
            self._filling[entity] = window, ids
        else:
            window, ids = found
        ids.add(event.id)
        window.add(time, event.id, event.values, event.bytes)
        window.start, window.end = min(window.start, time), max(window.end, time)
        if len(ids) < self._size:
            return None
        del self._filling[entity]
        return window
