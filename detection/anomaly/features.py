"""How unusual a closed window is for its entity and among all of them, in numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from detection.anomaly.state import DAY, HALF_LIFE, SIZES, Entity, Known, Moments, State, key_of
from detection.anomaly.window import Behaviour

PER_FACET: Final = ("new", "odd", "burst", "lone", "mean", "ratio")
ABSENT: Final = (0.0,) * len(PER_FACET)
PER_WINDOW: Final = ("count", "bytes", "kinds", "hour")
SHRINK: Final = 8.0
"""Windows of all entities that an entity's own moments are mixed with."""
OWN: Final = 24.0
"""Windows of its own that they are mixed with at most."""
STEADY: Final = 0.5
"""Share of all entities' variance that the steadiest entity is taken to have."""
FEWEST_HOURS: Final = 12.0
ACQUAINTED: Final = 126.0
"""Windows after which an entity's own hours of the week count for half, beside those of its day."""
STRANGER: Final = 4.0
"""Windows after which half of an entity's deviation from itself counts."""
HOURS: Final = 168.0
HOUR: Final = 3600.0
WEEK: Final = 7 * DAY
LOG_TWO: Final = math.log1p(1.0)
WEEKS: Final = 336
"""Hours of the two weeks that a calendar knows, in term and between terms."""

Weigh = Callable[[int, int], float]
"""How much of the surprise of a value that is new to an entity is believed, by facet and key."""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One value of a window and how unusual it is."""

    facet: int
    value: str
    number: float
    own: float
    """Surprise for the entity: 0 usual, 1 as surprising as a value that nobody ever showed."""
    all: float
    """The same among all entities."""
    mine: float
    """Damped uses that are remembered of the entity; 0 where the value is new to it."""
    holders: float
    """Other entities that remember it."""
    lone: float
    """How much the entity keeps using what hardly any other entity uses."""
    first: float
    """When the tenant first showed it, Unix seconds; 0 where it is new."""


class Measured(msgspec.Struct, frozen=True, gc=False):
    """A window in numbers."""

    features: list[float]
    """For each facet those of PER_FACET, then those of PER_WINDOW."""
    quantities: list[float | None]
    """What moments are kept of; None for those of a facet that was not shown."""
    evidence: list[Evidence]
    peers: int
    """Other entities that are known."""
    age: float
    """Windows of the entity that were known, the old counting less; 0 for a stranger."""


def width(facets: int) -> int:
    """How many features a profile with so many facets has."""
    return facets * len(PER_FACET) + len(PER_WINDOW)


def measured(facets: int) -> int:
    """How many quantities moments are kept of."""
    return SIZES + 2 * facets


class Comparison:
    """Compares windows with what was known before them; the state must not change meanwhile.

    What is the same for all of them is worked out once.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._facets = list(map(_Everyone, state.known, state.totals))
        self._usual = [(each.mean, _spread(each)) for each in state.moments]
        self._strange = [Moments() for _ in state.moments]
        self._hours: dict[tuple[int, float], float] = {}

    def measure(self, done: Behaviour, hour: int | None, weigh: Weigh | None = None) -> Measured:
        """One window in numbers; `hour` is None where windows have no time.

        With `weigh`, which knows what is common elsewhere, an entity's very first window can show
        new things too.
        """
        state = self._state
        entity = state.entities.get(done.entity)
        peers = len(state.entities) - (entity is not None)
        known = entity.windows if entity is not None else 0.0
        trust = known / (known + STRANGER)
        age = max(1.0, known / OWN) if hour is None else _effective_days(done.end - state.first)
        evidence: list[Evidence] = []
        shown: list[list[float]] = []
        values = [
            math.log1p(done.events),
            math.log1p(done.bytes),
            math.log1p(sum(map(len, done.counts))),
        ]
        for index, counts in enumerate(done.counts):
            numbers: list[float] = []
            mean = ratio = 0.0
            if counts:
                found, numbers, mean, ratio = _facet(
                    index, counts, entity, self._facets[index], peers, age, weigh
                )
                evidence += found
            shown.append(numbers)
            values += (mean, ratio)
        deviations = self._deviations(values, entity)
        features: list[float] = []
        quantities: list[float | None] = [*values]
        for at, numbers in zip(range(SIZES, len(values), 2), shown, strict=True):
            if numbers:
                features += numbers
                features += (trust * deviations[at], trust * deviations[at + 1])
            else:
                features += ABSENT
                quantities[at] = quantities[at + 1] = None
            if entity is None:
                # a stranger's surprise is everybody's: it says nothing of how one that is known
                # behaves
                quantities[at] = None
        features += deviations[:SIZES]
        features.append(0.0 if hour is None else self._hour(hour, done.start, entity))
        return Measured(features, quantities, evidence, peers, known)

    def _deviations(self, values: list[float], entity: Entity | None) -> list[float]:
        """Standard deviations above the entity's means, both mixed with those of all.

        What is seen of an entity counts for so much and no more: else deviations would grow with
        its history, and the windows of last week would say nothing about how large they are today.
        """
        found, sqrt = [], math.sqrt
        moments = entity.moments if entity is not None else self._strange
        for value, mine, (usual, spread) in zip(values, moments, self._usual, strict=True):
            own = mine.weight
            narrow = mine.squares / own if own else 0.0
            own = min(own, OWN)
            weight = own + SHRINK
            mean = (own * mine.mean + SHRINK * usual) / weight
            variance = max((own * narrow + SHRINK * spread) / weight, STEADY * spread)
            found.append((value - mean) / sqrt(variance + 1e-3))
        return found

    def _hour(self, hour: int, start: float, entity: Entity | None) -> float:
        """Surprise of being active at this hour of the week, for the entity backed off to all."""
        if entity is None or _lived(start, self._state.first) < DAY:
            return 0.0
        ours = self._hours.get((hour, start))
        if ours is None:
            ours = self._hours[hour, start] = self._hour_of_all(hour, start)
        known, windows = 0.0, 0.0
        lived = _lived(start, entity.first)
        if lived >= DAY:
            windows = entity.windows
            known = _usual(hour, entity.hours, windows, lived, ACQUAINTED)
        mine = (known + FEWEST_HOURS * ours) / (windows + FEWEST_HOURS)
        return -math.log(mine * HOURS)

    def _hour_of_all(self, hour: int, start: float) -> float:
        """Share of all windows that are of this hour of the week."""
        hours, lived = self._state.hours, _lived(start, self._state.first)
        total = sum(hours.values())
        ours = _usual(hour, hours, total, lived, FEWEST_HOURS * HOURS)
        return (ours + 0.5) / (total + 0.5 * HOURS)


class _Everyone(dict[str, tuple[int, float, float, float, float]]):
    """What is known among all entities of a facet's values, by text, as it is asked for: the key,
    the probability, the surprise, how many remember it, and when it was first seen."""

    def __init__(self, known: Mapping[int, Known], total: float) -> None:
        super().__init__()
        kinds = len(known)
        self._known = known
        self._total = total
        self._novel = 1.0 / (kinds + 1)
        self.unseen = _backed_off(0.0, total, kinds, self._novel)
        """The probability of a value that nobody ever showed."""
        self._scale = _bottom(self.unseen)

    def __missing__(self, text: str) -> tuple[int, float, float, float, float]:
        key = key_of(text)
        value = self._known.get(key) or Known(text, 0.0, 0.0, 0.0)
        p = _backed_off(value.count, self._total, len(self._known), self._novel)
        surprise = min(-math.log(p) / self._scale, 1.0)
        found = self[text] = key, p, surprise, value.holders, value.first
        return found


def _effective_days(seconds: float) -> float:
    """Days of history that the damped counts amount to, at least one."""
    past = math.exp2(-max(0.0, seconds) / DAY / HALF_LIFE)
    return max(1.0, HALF_LIFE / math.log(2.0) * (1.0 - past))


def _facet(
    index: int,
    counts: dict[str, float],
    entity: Entity | None,
    everyone: _Everyone,
    peers: int,
    age: float,
    weigh: Weigh | None,
) -> tuple[list[Evidence], list[float], float, float]:
    """The values of a facet, what they come to (new, odd, burst, lone), their mean surprise for the
    entity, and how much more that is than for all."""
    mine = entity.counts[index] if entity is not None else {}
    total = entity.totals[index] if entity is not None else 0.0
    kinds = len(mine)
    whole, scale = total + kinds, _bottom(_backed_off(0.0, total, kinds, everyone.unseen))
    comparable = entity is not None or weigh is not None
    log, log1p, sqrt, found = math.log, math.log1p, math.sqrt, []
    new = odd = burst = highest = weight = mean = ratio = 0.0
    for text, number in counts.items():
        key, p, all_, holders, first = everyone[text]
        uses = mine.get(key, 0.0)
        own, lone = all_, 0.0
        if kinds:
            # the same as _backed_off; conditions here are far less than calls
            own = -log((uses + kinds * p) / whole) / scale
            if own > 1.0:
                own = 1.0
        if uses:
            holders = holders - 1.0 if holders > 1.0 else 0.0
        if holders > peers:
            holders = peers
        if uses:
            lone = log1p(uses / age / (holders + 1.0))
            if lone > highest:
                highest = lone
        else:
            if weigh is not None:
                believed = weigh(index, key)
                own, all_ = own * believed, all_ * believed
            if comparable:
                new += own
        found.append(Evidence(index, text, number, own, all_, uses, holders, lone, first))
        if all_ > odd:
            odd = all_
        if number == 1.0:
            share, sudden = 1.0, own * LOG_TWO
        else:
            share, sudden = sqrt(number), own * log1p(number)
        if sudden > burst:
            burst = sudden
        weight += share
        mean += share * own
        ratio += share * (own - all_)
    return found, [new, odd, burst, highest], mean / weight, ratio / weight


def _backed_off(count: float, total: float, kinds: int, other: float) -> float:
    """Witten and Bell's estimate: as much weight on `other` as there are kinds."""
    return (count + kinds * other) / (total + kinds) if kinds else other


def _bottom(unseen: float) -> float:
    return max(1e-9, -math.log(unseen))


def _spread(moments: Moments) -> float:
    """The variance among all."""
    return moments.squares / moments.weight if moments.weight > 1.0 else 1.0


def _lived(start: float, first: float) -> float:
    """Seconds before a window that were watched; the hour in which that began may not be whole."""
    return start - first - HOUR


def _usual(
    hour: int, hours: Mapping[int, float], total: float, lived: float, enough: float
) -> float:
    """Windows at an hour of the week; until there are enough, as many as at that hour of a day.

    As if every hour had been lived equally often: this one has not come today, or this week, yet.
    """
    days, weeks = lived / DAY, lived / WEEK
    daily = sum([hours.get(each, 0.0) for each in range(hour % 24, WEEKS, 24)]) / 7.0
    daily *= days / int(days)
    if weeks < 1.0:
        return daily
    weight = enough / (total + enough)
    return weight * daily + (1.0 - weight) * hours.get(hour, 0.0) * weeks / int(weeks)
