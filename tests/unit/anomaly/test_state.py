"""What is remembered of entities: bounded, damped, and let go of when it is old."""

import msgspec
import pytest

from detection.anomaly import state as states
from detection.anomaly.features import measured
from detection.anomaly.profile import Facet, Profile
from detection.anomaly.state import DAY, State, empty, key_of, learn, pass_night, size_of
from detection.anomaly.window import Behaviour

PROFILE = Profile(
    name="wide",
    entity="host",
    kind="host",
    window=3600.0,
    events=None,
    facets=tuple(Facet(f"facet{n}", (f"field{n}",), follows=n == 0) for n in range(12)),
)
QUANTITIES: list[float | None] = [1.0] * measured(12)


def hour(entity: str, number: int, *values: str, count: float = 1.0) -> Behaviour:
    """An hour in which every facet showed these values so often each."""
    start = 1_764_201_600.0 + 3600.0 * number
    counts = tuple(dict.fromkeys(values, count) for _ in PROFILE.facets)
    return Behaviour(entity, start, start + 3600.0, counts, count, 0.0, (values[-1],) * 12)


def known() -> State:
    return empty(PROFILE, measured(12))


def test_an_entity_takes_at_most_ten_kilobytes_whatever_it_shows_and_whenever() -> None:
    state = known()

    for number in range(336):
        shown = [f"C:\\Windows\\value-{number}-{each}" for each in range(20)]
        learn(state, hour("crane", number, *shown), QUANTITIES, number)

    assert size_of(state.entities["crane"]) <= 10_000


def test_those_that_are_silent_longest_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "MAX_ENTITIES", 20)
    state = known()

    for number in range(100):
        learn(state, hour(f"host-{number:03}", number, "open"), QUANTITIES, 0)
        assert len(state.entities) <= 20

    assert "host-099" in state.entities
    assert "host-000" not in state.entities
    assert min(state.entities) > "host-075"


def test_values_of_the_population_are_bounded_and_the_common_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(states, "MAX_POPULATION", 50)
    state = known()
    for number in range(40):
        shown = [f"rare-{number}-{each}" for each in range(10)]
        learn(state, hour(f"host-{number}", 0, "common", *shown), QUANTITIES, 0)

    pass_night(state, int(state.entities["host-0"].latest // DAY))

    assert all(len(each) == 50 for each in state.known)
    assert all(key_of("common") in each for each in state.known)


def test_a_hundred_times_in_an_hour_weighs_ten_times_once() -> None:
    once, often = known(), known()

    learn(once, hour("crane", 0, "implant"), QUANTITIES, 0)
    learn(often, hour("crane", 0, "implant", count=100.0), QUANTITIES, 0)

    key = key_of("implant")
    weights = [each.entities["crane"].counts[0][key] for each in (once, often)]
    assert weights == [1.0, 10.0]


def test_what_was_known_counts_half_after_a_week() -> None:
    state = known()
    learn(state, hour("crane", 0, "open"), QUANTITIES, 0)
    key, day = key_of("open"), int(state.entities["crane"].latest // DAY)
    pass_night(state, day)

    pass_night(state, day + 7)

    assert state.entities["crane"].counts[0][key] == pytest.approx(0.5)
    assert state.known[0][key].count == pytest.approx(0.5)
    assert state.totals[0] == pytest.approx(0.5)


def test_a_state_comes_back_as_it_was_kept() -> None:
    state = known()
    learn(state, hour("crane", 0, "open", "close"), QUANTITIES, 7)

    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)

    assert kept == state


def test_what_a_confirmed_attack_brought_in_is_new_again_and_the_rest_is_not() -> None:
    state, never = known(), known()
    for number in range(30):
        for each in (state, never):
            learn(each, hour("crane", number, "open"), QUANTITIES, 0)
            learn(each, hour("lift", number, "open", "close"), QUANTITIES, 0)
    attack = hour("crane", 30, "open", "close", "implant")
    learn(state, attack, QUANTITIES, 0)
    learn(never, hour("crane", 30, "open", "close"), QUANTITIES, 0)

    states.unlearn(state, "crane", attack.start, attack.end)

    assert [set(each) for each in state.known] == [set(each) for each in never.known]
    assert state.entities["crane"].counts == never.entities["crane"].counts
    assert state.totals == pytest.approx(never.totals)
    assert state.entities["crane"].totals == pytest.approx(never.entities["crane"].totals)


def test_what_another_entity_shows_too_stays_known_of_it() -> None:
    state = known()
    attack = hour("crane", 0, "implant")
    learn(state, attack, QUANTITIES, 0)
    learn(state, hour("lift", 1, "implant"), QUANTITIES, 0)

    states.unlearn(state, "crane", attack.start, attack.end)

    key = key_of("implant")
    assert all(key not in each for each in state.entities["crane"].counts)
    assert all((each[key].holders, each[key].count) == (1.0, 1.0) for each in state.known)
