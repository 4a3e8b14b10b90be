"""How unusual a closed window is for its entity and among all of them, in numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

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


class Measured(NamedTuple):
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


def measure(
    done: Behaviour, state: State, hour: int | None, weigh: Weigh | None = None
) -> Measured:
    """Compare a window with what was known before it; `hour` is None where windows have no time.

    With `weigh`, which knows what is common elsewhere, an entity's very first window can show new
    things too.
    """
    entity = state.entities.get(done.entity)
    peers = len(state.entities) - (entity is not None)
    evidence: list[Evidence] = []
    features: list[float] = []
    known = entity.windows if entity is not None else 0.0
    trust = known / (known + STRANGER)
    age = max(1.0, known / OWN) if hour is None else _effective_days(done.end - state.first)
    sizes = [
        math.log1p(done.events),
        math.log1p(done.bytes),
        math.log1p(sum(map(len, done.counts))),
    ]
    quantities: list[float | None] = list(sizes)
    for index, counts in enumerate(done.counts):
        if not counts:
            features += ABSENT
            quantities += (None, None)
            continue
        found, numbers, mean, ratio = _facet(index, counts, entity, state, peers, age, weigh)
        evidence += found
        features += numbers
        features.append(trust * _deviation(mean, entity, state, len(quantities)))
        features.append(trust * _deviation(ratio, entity, state, len(quantities) + 1))
        # a stranger's surprise is everybody's: it says nothing of how one that is known behaves
        quantities += (mean if entity is not None else None, ratio)
    features += [_deviation(size, entity, state, index) for index, size in enumerate(sizes)]
    features.append(0.0 if hour is None else _hour(hour, done.start, entity, state))
    return Measured(features, quantities, evidence, peers, known)


def _effective_days(seconds: float) -> float:
    """Days of history that the damped counts amount to, at least one."""
    past = math.exp2(-max(0.0, seconds) / DAY / HALF_LIFE)
    return max(1.0, HALF_LIFE / math.log(2.0) * (1.0 - past))


def _facet(
    index: int,
    counts: dict[str, float],
    entity: Entity | None,
    state: State,
    peers: int,
    age: float,
    weigh: Weigh | None,
) -> tuple[list[Evidence], list[float], float, float]:
    """The values of a facet, what they come to (new, odd, burst, lone), their mean surprise for the
    entity, and how much more that is than for all."""
    known, total = state.known[index], state.totals[index]
    kinds = len(known)
    novel = 1.0 / (kinds + 1)
    unseen = _backed_off(0.0, total, kinds, novel)
    mine = entity.counts[index] if entity is not None else {}
    own_total = entity.totals[index] if entity is not None else 0.0
    own_kinds = len(mine)
    scale, own_scale = _bottom(unseen), _bottom(_backed_off(0.0, own_total, own_kinds, unseen))
    base, whole, own_whole = kinds * novel, total + kinds, own_total + own_kinds
    comparable = entity is not None or weigh is not None
    log, log1p, sqrt, found = math.log, math.log1p, math.sqrt, []
    new = odd = burst = highest = weight = mean = ratio = 0.0
    for text, number in counts.items():
        key = key_of(text)
        value: Known | None = known.get(key)
        uses = mine.get(key, 0.0)
        if value is None:
            count = holders = first = 0.0
        else:
            count, holders, first = value.count, value.holders - (uses > 0), value.first
            holders = min(max(holders, 0.0), peers)
        # the same as _backed_off, twice
        p = (count + base) / whole if kinds else novel
        own = -log((uses + own_kinds * p) / own_whole if own_kinds else p) / own_scale
        all_ = -log(p) / scale
        own, all_ = min(own, 1.0), min(all_, 1.0)
        lone = log1p(uses / age / (holders + 1.0)) if uses else 0.0
        if weigh is not None and not uses:
            believed = weigh(index, key)
            own, all_ = own * believed, all_ * believed
        found.append(Evidence(index, text, number, own, all_, uses, holders, lone, first))
        if comparable and not uses:
            new += own
        if all_ > odd:
            odd = all_
        sudden = own * (LOG_TWO if number == 1.0 else log1p(number))
        if sudden > burst:
            burst = sudden
        if lone > highest:
            highest = lone
        share = sqrt(number)
        weight += share
        mean += share * own
        ratio += share * (own - all_)
    return found, [new, odd, burst, highest], mean / weight, ratio / weight


def _backed_off(count: float, total: float, kinds: int, other: float) -> float:
    """Witten and Bell's estimate: as much weight on `other` as there are kinds."""
    return (count + kinds * other) / (total + kinds) if kinds else other


def _bottom(unseen: float) -> float:
    return max(1e-9, -math.log(unseen))


def _deviation(value: float, entity: Entity | None, state: State, index: int) -> float:
    """Standard deviations above the entity's mean, both mixed with those of all.

    What is seen of an entity counts for so much and no more: else deviations would grow with its
    history, and the windows of last week would say nothing about how large they are today.
    """
    ours = state.moments[index]
    mine = entity.moments[index] if entity is not None else Moments()
    own = min(mine.weight, OWN)
    weight = own + SHRINK
    mean = (own * mine.mean + SHRINK * ours.mean) / weight
    spread = ours.squares / ours.weight if ours.weight > 1.0 else 1.0
    narrow = mine.squares / mine.weight if mine.weight else 0.0
    variance = max((own * narrow + SHRINK * spread) / weight, STEADY * spread)
    return (value - mean) / math.sqrt(variance + 1e-3)


def _hour(hour: int, start: float, entity: Entity | None, state: State) -> float:
    """Surprise of being active at this hour of the week, for the entity backed off to all."""
    lived = _lived(start, state.first)
    if entity is None or lived < DAY:
        return 0.0
    total = sum(state.hours.values())
    ours = _usual(hour, state.hours, total, lived, FEWEST_HOURS * HOURS)
    ours = (ours + 0.5) / (total + 0.5 * HOURS)
    known, windows = 0.0, 0.0
    lived = _lived(start, entity.first)
    if lived >= DAY:
        windows = entity.windows
        known = _usual(hour, entity.hours, windows, lived, ACQUAINTED)
    mine = (known + FEWEST_HOURS * ours) / (windows + FEWEST_HOURS)
    return -math.log(mine * HOURS)


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
