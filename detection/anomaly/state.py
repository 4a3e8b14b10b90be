"""What is remembered of a tenant's entities, each and all, from closed windows only."""

import hashlib
import math
from functools import lru_cache
from typing import Final

import msgspec

from detection.anomaly.profile import Profile
from detection.anomaly.window import Behaviour, Values

DAY: Final = 86400.0
HALF_LIFE: Final = 7.0
"""Days in which a count halves."""
MAX_VALUES: Final = 64
"""Values of a facet that are remembered of an entity."""
MAX_ALL_VALUES: Final = 256
"""The same of all its facets, so that with 12 of them an entity stays under 10 kB."""
MAX_POPULATION: Final = 50_000
"""Values of a facet that are remembered of all entities."""
MAX_ENTITIES: Final = 50_000
SIZES: Final = 3
"""The first quantities that moments are kept of; those after them compare an entity with itself, so
that a stranger's say nothing of the others."""
FAINT: Final = 0.05
"""A count below this is forgotten."""


class Moments(msgspec.Struct, array_like=True, gc=False):
    """Weight, mean and squared deviations of a quantity, the old counting less."""

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in one value."""
        step = value - self.mean
        self.weight = weight = self.weight + 1.0
        self.mean = mean = self.mean + step / weight
        self.squares += step * (value - mean)

    def fade(self, factor: float) -> None:
        """Let what is known count for less."""
        self.weight *= factor
        self.squares *= factor


class Entity(msgspec.Struct, array_like=True):
    """One host, user or address."""

    first: float
    """Start of its first window, Unix seconds; likewise the end of its latest."""
    latest: float
    windows: float
    day: int
    """The day to which its counts have faded."""
    counts: list[dict[int, float]]
    """Per facet, damped counts by the value's key."""
    totals: list[float]
    moments: list[Moments]
    hours: dict[int, float]
    last: Values = ()


class Known(msgspec.Struct, array_like=True, gc=False):
    """A value that some entity of the tenant has shown."""

    text: str
    count: float
    holders: float
    """Entities that remember it."""
    first: float


class State(msgspec.Struct, array_like=True):
    """All that is remembered for one tenant and profile."""

    entities: dict[str, Entity]
    known: list[dict[int, Known]]
    """Per facet."""
    totals: list[float]
    moments: list[Moments]
    hours: dict[int, float]
    day: int = 0
    first: float = 0.0
    """Start of the first window, Unix seconds."""


@lru_cache(maxsize=1 << 17)
def key_of(text: str) -> int:
    """What a value is remembered by."""
    digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8)
    return int.from_bytes(digest.digest())


def empty(profile: Profile, measured: int) -> State:
    """Nothing known yet; `measured` is how many quantities have moments."""
    facets = len(profile.facets)
    return State(
        entities={},
        known=[{} for _ in range(facets)],
        totals=[0.0] * facets,
        moments=[Moments() for _ in range(measured)],
        hours={},
    )


def size_of(entity: Entity) -> int:
    """Bytes that an entity takes when it is kept."""
    return len(msgspec.msgpack.encode(entity))


def learn(state: State, done: Behaviour, quantities: list[float | None], hour: int) -> None:
    """Take in a closed window; `quantities` are what moments are kept of."""
    state.first = state.first or done.start
    entity = state.entities.get(done.entity) or _admit(state, done)
    _fade(entity, int(done.end // DAY))
    for index, counts in enumerate(done.counts):
        _count(state, entity, index, counts, done.start)
    told = len(quantities) if entity.windows else SIZES
    for index, (value, mine) in enumerate(zip(quantities, entity.moments, strict=True)):
        if value is not None:
            mine.add(value)
            if index < told:
                state.moments[index].add(value)
    entity.hours[hour] = entity.hours.get(hour, 0.0) + 1.0
    state.hours[hour] = state.hours.get(hour, 0.0) + 1.0
    entity.windows += 1.0
    entity.latest = max(entity.latest, done.end)
    entity.last = done.last


def unlearn(state: State, name: str, since: float, until: float) -> None:
    """Forget an entity's uses of what nobody showed before windows from `since` to `until` began.

    What it brought in during an attack stays new, to it and to all who don't hold it themselves.
    """
    entity = state.entities.get(name)
    if entity is None:
        return
    for index, (mine, known) in enumerate(zip(entity.counts, state.known, strict=True)):
        for key in [key for key in mine if key in known and since <= known[key].first < until]:
            count, value = mine.pop(key), known[key]
            value.holders = max(0.0, value.holders - 1.0)
            forgotten = count if value.holders else value.count
            value.count = max(0.0, value.count - forgotten)
            entity.totals[index] = max(0.0, entity.totals[index] - count)
            state.totals[index] = max(0.0, state.totals[index] - forgotten)
            if not value.holders:
                del known[key]


def _admit(state: State, done: Behaviour) -> Entity:
    if len(state.entities) >= MAX_ENTITIES:
        _evict(state)
    facets = len(done.counts)
    entity = state.entities[done.entity] = Entity(
        first=done.start,
        latest=done.end,
        windows=0.0,
        day=int(done.end // DAY),
        counts=[{} for _ in range(facets)],
        totals=[0.0] * facets,
        moments=[Moments() for _ in state.moments],
        hours={},
    )
    return entity


def _evict(state: State) -> None:
    """Let the tenth of the entities go that have been silent longest."""
    by_age = sorted(state.entities, key=lambda name: (state.entities[name].latest, name))
    for name in by_age[: MAX_ENTITIES // 10]:
        del state.entities[name]


def _count(
    state: State, entity: Entity, index: int, counts: dict[str, float], start: float
) -> None:
    mine, known = entity.counts[index], state.known[index]
    total, total_of_all = entity.totals[index], state.totals[index]
    for text, count in counts.items():
        key, weight = key_of(text), 1.0 if count == 1.0 else math.sqrt(count)
        value = known.get(key)
        if value is None:
            value = known[key] = Known(text, 0.0, 0.0, start)
        uses = mine.get(key)
        if uses is None:
            value.holders += 1.0
            uses = 0.0
        mine[key] = uses + weight
        value.count += weight
        total += weight
        total_of_all += weight
    entity.totals[index], state.totals[index] = total, total_of_all
    most = min(MAX_VALUES, MAX_ALL_VALUES // len(entity.counts))
    if len(mine) > most:
        _keep_largest(entity, index, most * 3 // 4)


def _keep_largest(entity: Entity, index: int, number: int) -> None:
    mine = entity.counts[index]
    kept = sorted(mine, key=lambda key: (-mine[key], key))[:number]
    entity.counts[index] = {key: mine[key] for key in kept}


def _fade(entity: Entity, day: int) -> None:
    if day <= entity.day:
        return
    factor = 0.5 ** ((day - entity.day) / HALF_LIFE)
    entity.day = day
    for index, counts in enumerate(entity.counts):
        entity.counts[index] = {
            key: count * factor for key, count in counts.items() if count * factor >= FAINT
        }
        entity.totals[index] *= factor
    for moments in entity.moments:
        moments.fade(factor)
    entity.windows *= factor
    entity.hours = {hour: count * factor for hour, count in entity.hours.items()}


def pass_night(state: State, day: int) -> None:
    """Let counts fade to `day`, and count anew who remembers each value."""
    if day <= state.day:
        return
    factor = 0.5 ** (min(day - state.day, 365) / HALF_LIFE) if state.day else 1.0
    state.day = day
    holders: list[dict[int, float]] = [{} for _ in state.known]
    for entity in state.entities.values():
        _fade(entity, day)
        for index, counts in enumerate(entity.counts):
            for key in counts:
                holders[index][key] = holders[index].get(key, 0.0) + 1.0
    for index, known in enumerate(state.known):
        state.totals[index] *= factor
        state.known[index] = _faded(known, factor, holders[index])
    for moments in state.moments:
        moments.fade(factor)
    state.hours = {hour: count * factor for hour, count in state.hours.items()}


def _faded(known: dict[int, Known], factor: float, holders: dict[int, float]) -> dict[int, Known]:
    kept = [(key, value) for key, value in known.items() if value.count * factor >= FAINT]
    if len(kept) > MAX_POPULATION:
        kept.sort(key=lambda item: (-item[1].count, item[0]))
        del kept[MAX_POPULATION:]
    for key, value in kept:
        value.count *= factor
        value.holders = holders.get(key, 0.0)
    return dict(kept)
