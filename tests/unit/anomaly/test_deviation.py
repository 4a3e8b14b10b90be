"""How far from itself a window is does not depend on how long its entity has been watched."""

import random

import pytest

from detection.anomaly import state as states
from detection.anomaly.features import PER_FACET, PER_WINDOW, Comparison, measured
from detection.anomaly.profile import read
from detection.anomaly.state import State
from detection.anomaly.window import Behaviour

PROFILE = read(b"{entity: host, kind: host, window: 15m, facets: {type: kind}}", "doors")
COUNT = len(PER_FACET) + PER_WINDOW.index("count")


def window(host: str, number: int, events: float) -> Behaviour:
    start = 1_764_201_600.0 + 900.0 * number
    return Behaviour(host, start, start + 900.0, ({"open": events},), events, 0.0, ())


def watched(windows: int) -> State:
    """A lift of always twenty events, beside one that is busy now and then."""
    chance = random.Random(0)
    state = states.empty(PROFILE, measured(len(PROFILE.facets)))
    for number in range(windows):
        for done in (
            window("steady", number, 20.0),
            window("busy", number, chance.expovariate(0.05)),
        ):
            states.learn(state, done, Comparison(state).measure(done, 0).quantities, 0)
    return state


def deviation(windows: int, events: float) -> float:
    return (
        Comparison(watched(windows)).measure(window("steady", windows, events), 0).features[COUNT]
    )


def test_the_same_step_is_as_far_after_ten_days_as_after_one() -> None:
    assert deviation(960, 60.0) == pytest.approx(deviation(96, 60.0), rel=0.2)


def test_a_larger_step_is_farther() -> None:
    assert deviation(96, 20.0) < deviation(96, 60.0) < deviation(96, 200.0)
