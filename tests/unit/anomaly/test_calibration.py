"""A window is compared with those of its like, and with hours and days that were lived."""

import random

import numpy as np
import pytest

from detection.anomaly import forest as forests
from detection.anomaly import state as states
from detection.anomaly import tail as tails
from detection.anomaly.features import PER_FACET, PER_WINDOW, Comparison, measured, width
from detection.anomaly.forest import Walker
from detection.anomaly.model import Past, Scorer, fit
from detection.anomaly.profile import read
from detection.anomaly.state import DAY, State
from detection.anomaly.views import SHARES, VIEWS
from detection.anomaly.window import Behaviour

HOUR, START = 3600.0, 1_764_201_600.0
PROFILE = read(b"{entity: host, kind: host, window: 1h, facets: {type: kind}}", "doors")
LONE, AT = PER_FACET.index("lone"), len(PER_FACET) + PER_WINDOW.index("hour")
NEW, COUNT = PER_FACET.index("new"), len(PER_FACET) + PER_WINDOW.index("count")


def past(number: int, entity: str, age: float, **features: float) -> Past:
    """A window of the hour of that number, with features by place."""
    row = [0.0] * width(1)
    for name, value in features.items():
        row[{"new": NEW, "lone": LONE, "count": COUNT}[name]] = value
    return Past(START + HOUR * number, entity, row, age=age)


def reference(hours: int = 72) -> list[Past]:
    """Ten lifts that show up to three new things an hour, and as many strangers that are large."""
    chance = random.Random(1)
    return [
        each
        for hour in range(hours)
        for host in range(10)
        for each in (
            past(hour, f"lift-{host}", 9.0, new=3.0 * chance.random(), lone=float(host)),
            past(hour, f"guest-{hour}-{host}", 0.0, count=5.0 + chance.random()),
        )
    ]


def p_values(of: Past) -> dict[str, float]:
    model = fit(reference(), PROFILE, 5.0, SHARES["host"])
    assert model is not None
    return dict(zip(VIEWS, Scorer(model).score([of]).p[0].tolist(), strict=True))


def test_a_forest_takes_new_windows_for_as_usual_as_those_that_it_was_grown_on() -> None:
    chance = np.random.default_rng(3)
    rows, fresh = chance.exponential(size=(100, 12)), chance.exponential(size=(3_000, 12))

    forest, apart = forests.fit(rows)

    walker = Walker(forest)
    usual = walker.score(fresh).mean()
    assert abs(apart.mean() - usual) < 0.5 * abs(walker.score(rows).mean() - usual)
    realised = (tails.fit(apart).survival(walker.score(fresh)) <= 0.05).mean() / 0.05
    assert 0.5 <= realised <= 1.5


def test_views_that_compare_an_entity_with_itself_say_nothing_of_a_stranger() -> None:
    stranger, known = past(80, "new", 0.0, new=9.0), past(80, "lift-1", 9.0, new=9.0)

    assert p_values(stranger)["novelty"] == 1.0
    assert p_values(known)["novelty"] < 0.01


def test_strangers_are_large_among_strangers_only() -> None:
    assert p_values(past(80, "new", 0.0, count=5.5))["volume"] > 0.3
    assert p_values(past(80, "lift-1", 9.0, count=5.5))["volume"] < 0.01


def test_strangers_do_not_dilute_what_is_new_to_those_that_are_known() -> None:
    assert p_values(past(80, "lift-1", 9.0, new=1.5))["novelty"] == pytest.approx(0.5, abs=0.1)


def test_population_is_the_share_of_entities_that_ever_went_as_high() -> None:
    found = p_values(past(80, "other", 9.0, lone=4.5))

    # five of 490 lifts and guests
    assert found["population"] == pytest.approx(6 / 491, rel=0.1)


def watched(hours: int, awake: range = range(24)) -> State:
    """Three lifts at work in these hours of every day."""
    state = states.empty(PROFILE, measured(1))
    for number in range(hours):
        states.pass_night(state, int((START + HOUR * number) // DAY))
        for host in range(3) if number % 24 in awake else ():
            done = window(number, f"lift-{host}")
            seen = Comparison(state).measure(done, number % 168)
            states.learn(state, done, seen.quantities, number % 168)
    return state


def window(number: int, host: str = "lift-0") -> Behaviour:
    start = START + HOUR * number
    return Behaviour(host, start, start + HOUR, ({"open": 4.0},), 4.0, 0.0, ())


def surprise(number: int, state: State) -> float:
    return Comparison(state).measure(window(number), number % 168).features[AT]


def test_a_first_day_knows_no_hours() -> None:
    assert [surprise(hour, watched(hour, range(8))) for hour in (3, 12, 23)] == [0.0] * 3


@pytest.mark.parametrize("hour", [26, 36, 47, 100, 167, 170, 250, 330])
def test_no_hour_surprises_where_there_is_always_work(hour: int) -> None:
    assert surprise(hour, watched(hour)) == pytest.approx(0.0, abs=0.35)


@pytest.mark.parametrize("day", [2, 4, 9])
def test_a_night_surprises_from_the_third_day_on(day: int) -> None:
    state = watched(24 * day, range(8, 18))

    assert surprise(24 * day + 3, state) > 1.0 + surprise(24 * day + 9, state)


def test_where_windows_have_no_time_what_an_entity_keeps_to_does_not_grow_with_its_history() -> (
    None
):
    lone = []
    for count in (40, 400):
        state = states.empty(PROFILE, measured(1))
        for number in range(count):
            done = window(number)
            states.learn(state, done, Comparison(state).measure(done, None).quantities, 0)
        lone.append(Comparison(state).measure(window(count), None).features[LONE])

    assert lone[1] == pytest.approx(lone[0], rel=0.2)
