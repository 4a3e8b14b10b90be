"""Windows that are compared together get the numbers that each gets by itself, in plain steps."""

import math
from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collectors.formats.times import EARLIEST, LATEST, moment_of
from detection.anomaly import forest as forests
from detection.anomaly import state as states
from detection.anomaly.features import (
    OWN,
    PER_FACET,
    SHRINK,
    STEADY,
    STRANGER,
    Comparison,
    Weigh,
    measured,
)
from detection.anomaly.forest import Forest, Walker
from detection.anomaly.profile import read
from detection.anomaly.reading import seconds
from detection.anomaly.state import SIZES, Entity, Moments, State, key_of
from detection.anomaly.window import Behaviour

Drawn = list[tuple[int, list[tuple[str, dict[str, float], dict[str, float]]]]]
START = 1_764_201_600.0
HOUR, DAY = 3600.0, 86400.0
PROFILE = read(
    b"{entity: host, kind: host, window: 1h, bytes: size, facets: {type: kind, place: [a, b]}}",
    "cranes",
)
COUNTS = st.dictionaries(
    st.sampled_from("abcdefg"), st.sampled_from([1.0, 2.0, 7.0, 300.0]), max_size=5
)
WINDOWS = st.tuples(st.sampled_from(["crane", "lift", "quay"]), COUNTS, COUNTS)
BATCHES = st.lists(
    st.tuples(
        st.integers(1, 30), st.lists(WINDOWS, min_size=1, max_size=3, unique_by=lambda w: w[0])
    ),
    min_size=1,
    max_size=12,
)


def _batches(drawn: Drawn) -> Iterator[list[Behaviour]]:
    """Windows that end together, some hours after those before them."""
    at = START
    for hours, windows in drawn:
        at += hours * HOUR
        yield [
            Behaviour(
                name, at, at + HOUR, counts, sum(map(sum, map(dict.values, counts))), 10.0, ()
            )
            for name, *counts in windows
        ]


def _half(facet: int, key: int) -> float:
    return 0.5 if (facet + key) % 2 else 0.25


def _backed_off(count: float, total: float, kinds: int, other: float) -> float:
    return (count + kinds * other) / (total + kinds) if kinds else other


def _surprises(
    state: State, entity: Entity | None, done: Behaviour, weigh: Weigh | None
) -> Iterator[list[float]]:
    """The slow twin: facet by facet, what PER_FACET is made of."""
    peers = len(state.entities) - (entity is not None)
    past = math.exp2(-max(0.0, done.end - state.first) / DAY / states.HALF_LIFE)
    age = max(1.0, states.HALF_LIFE / math.log(2.0) * (1.0 - past))
    for index, counts in enumerate(done.counts):
        known, total = state.known[index], state.totals[index]
        mine = entity.counts[index] if entity is not None else {}
        own_total = entity.totals[index] if entity is not None else 0.0
        novel = 1.0 / (len(known) + 1)
        unseen = _backed_off(0.0, total, len(known), novel)
        scale = max(1e-9, -math.log(unseen))
        own_scale = max(1e-9, -math.log(_backed_off(0.0, own_total, len(mine), unseen)))
        new = odd = burst = highest = weight = mean = ratio = 0.0
        for text, number in counts.items():
            key = key_of(text)
            value, uses = known.get(key), mine.get(key, 0.0)
            p = _backed_off(value.count if value else 0.0, total, len(known), novel)
            own = min(-math.log(_backed_off(uses, own_total, len(mine), p)) / own_scale, 1.0)
            everyone = min(-math.log(p) / scale, 1.0)
            holders = min(max(value.holders - (uses > 0), 0.0), peers) if value else 0.0
            lone = math.log1p(uses / age / (holders + 1.0)) if uses else 0.0
            if weigh is not None and not uses:
                own, everyone = own * weigh(index, key), everyone * weigh(index, key)
            if not uses and (entity is not None or weigh is not None):
                new += own
            odd, burst = max(odd, everyone), max(burst, own * math.log1p(number))
            highest = max(highest, lone)
            weight += math.sqrt(number)
            mean += math.sqrt(number) * own
            ratio += math.sqrt(number) * (own - everyone)
        yield [new, odd, burst, highest, mean / weight, ratio / weight] if counts else []


def _deviation(value: float, entity: Entity | None, state: State, index: int) -> float:
    ours, mine = state.moments[index], entity.moments[index] if entity is not None else Moments()
    own = min(mine.weight, OWN)
    mean = (own * mine.mean + SHRINK * ours.mean) / (own + SHRINK)
    spread = ours.squares / ours.weight if ours.weight > 1.0 else 1.0
    narrow = mine.squares / mine.weight if mine.weight else 0.0
    variance = max((own * narrow + SHRINK * spread) / (own + SHRINK), STEADY * spread)
    return (value - mean) / math.sqrt(variance + 1e-3)


def _slowly(state: State, done: Behaviour, weigh: Weigh | None) -> list[float]:
    """All features but the hour's."""
    entity = state.entities.get(done.entity)
    known = entity.windows if entity is not None else 0.0
    trust = known / (known + STRANGER)
    features: list[float] = []
    for index, numbers in enumerate(_surprises(state, entity, done, weigh)):
        at = SIZES + 2 * index
        *plain, mean, ratio = numbers or [0.0] * len(PER_FACET)
        compared = [
            trust * _deviation(mean, entity, state, at),
            trust * _deviation(ratio, entity, state, at + 1),
        ]
        features += [*plain, *(compared if numbers else (0.0, 0.0))]
    sizes = (done.events, done.bytes, sum(map(len, done.counts)))
    return features + [
        _deviation(math.log1p(size), entity, state, index) for index, size in enumerate(sizes)
    ]


@given(drawn=BATCHES, lent=st.booleans())
def test_together_windows_get_the_numbers_that_each_gets_by_itself(
    drawn: Drawn, lent: bool
) -> None:
    weigh = _half if lent else None
    state = states.empty(PROFILE, measured(len(PROFILE.facets)))
    for number, batch in enumerate(_batches(drawn)):
        comparison = Comparison(state)

        seen = [comparison.measure(done, number % 168, weigh) for done in batch]

        for done, found in zip(batch, seen, strict=True):
            alone = Comparison(state).measure(done, number % 168, weigh)
            assert found == alone
            assert found.features[:-1] == _slowly(state, done, weigh)
        for done in batch:
            plain = comparison.measure(done, number % 168)
            states.learn(state, done, plain.quantities, number % 168)


@given(rows=st.lists(st.lists(st.floats(0.0, 9.0), min_size=3, max_size=3), min_size=1, max_size=9))
def test_a_forest_is_walked_as_tree_by_tree(rows: list[list[float]]) -> None:
    scores = Walker(FOREST).score(np.asarray(rows))

    lengths = np.asarray([_lengths(row) for row in rows]).mean(axis=1)
    assert scores.tolist() == (2.0 ** (-lengths / FOREST.normal)).tolist()


def _grown() -> Forest:
    chance = np.random.default_rng(3)
    return forests.fit(chance.exponential(size=(200, 3)))[0]


def _lengths(row: list[float]) -> list[float]:
    """The slow twin: from each root down to a leaf, which is its own child."""
    found = []
    for tree in range(len(FOREST.feature)):
        node = 0
        for _ in range(FOREST.depth):
            left = row[FOREST.feature[tree][node]] <= FOREST.threshold[tree][node]
            node = (FOREST.left if left else FOREST.right)[tree][node]
        found.append(FOREST.length[tree][node])
    return found


FOREST = _grown()


@given(time=st.floats(EARLIEST.timestamp(), LATEST.timestamp()) | st.floats())
def test_a_number_is_the_time_that_it_is_elsewhere(time: float) -> None:
    moment = moment_of(time)

    assert seconds(time) == (None if moment is None else moment.timestamp())
