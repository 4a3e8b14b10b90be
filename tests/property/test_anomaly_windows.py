"""A behaviour window does not depend on order or repetition of its events."""

from hypothesis import given
from hypothesis import strategies as st

from detection.anomaly.profile import Observation, read
from detection.anomaly.window import KEPT, Window, close, from_bytes, to_bytes

PROFILE = read(
    b"{entity: host, kind: host, window: 15m, facets: {type: short, change: {follows: short}}}",
    "alerts",
)


def _event(kind: str, second: int, identity: int) -> Observation:
    return Observation(float(second), identity, "crane", (kind, kind), 1.0)


EVENTS = st.lists(
    st.builds(
        _event, st.sampled_from("abcdef"), st.integers(0, 899), st.integers(0, (1 << 64) - 1)
    ),
    max_size=60,
    unique_by=lambda event: event.id,
)


def _window(events: list[Observation]) -> Window:
    window = Window("crane", 0.0, 900.0)
    for event in events:
        window.add(event.time, event.id, event.values, event.bytes)
    return window


@given(events=EVENTS, data=st.data())
def test_order_and_repeats_do_not_matter(events: list[Observation], data: st.DataObject) -> None:
    repeated = events + [event for event in events if data.draw(st.booleans())]
    shuffled = data.draw(st.permutations(repeated))

    first, second = _window(events), _window(list(shuffled))

    assert to_bytes(first) == to_bytes(second)
    assert close(first, PROFILE) == close(second, PROFILE)


@given(events=EVENTS)
def test_a_window_is_written_and_read_without_loss(events: list[Observation]) -> None:
    written = to_bytes(_window(events))

    assert to_bytes(from_bytes(written)) == written


@given(seed=st.integers(0, 1000))
def test_a_flood_is_estimated_and_hides_nothing(seed: int) -> None:
    rare = _event("rare", 5, 77)
    flood = [
        _event("flood", second % 900, (seed + second * 0x9E3779B97F4A7C15) % (1 << 64))
        for second in range(20 * KEPT)
    ]

    done = close(_window([*flood, rare]), PROFILE)

    assert done.counts[0]["rare"] == 1.0
    assert 0.7 < done.counts[0]["flood"] / len(flood) < 1.3
