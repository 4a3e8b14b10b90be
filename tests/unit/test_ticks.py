"""Which sources tick when, which ticks are believed, and how far they say that time has come."""

import random
from itertools import pairwise

import msgspec
import pytest

from collectors.bus.contract import Malformed, Partition, Record
from collectors.route import Route, RouteTable
from collectors.sources.ticker import EVERY, SELDOM, Pace
from collectors.tick import AHEAD, KIND, Tick, ticks
from detection.watermark import GRACE, SILENT, Watermark

NOON = "2026-11-24T12:00:00.000000Z"
MOMENT = Tick(v=1, tenant="school", source="web", received=NOON).moment


def table(*sources: str) -> RouteTable:
    return RouteTable([Route(tenant="school", source=source, kind="linux") for source in sources])


def ticked(heard: float | None, until: int) -> list[int]:
    """At which seconds a source ticks that was heard last at `heard`."""
    pace = Pace(0.0)
    return [
        second for second in range(until) for _ in pace.due(table("web"), second, lambda *_: heard)
    ]


def test_a_source_that_sends_ticks_every_ten_seconds() -> None:
    assert ticked(100, 61) == [0, 10, 20, 30, 40, 50, 60]


def test_a_quiet_source_ticks_ever_less_often_but_never_stops() -> None:
    times = ticked(None, 2 * 86400)

    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[:5] == [EVERY] * 5
    assert gaps == sorted(gaps)
    assert gaps[-1] == SELDOM
    assert len(times) < 110


def test_a_source_ticks_soon_again_once_it_has_been_heard() -> None:
    pace = Pace(0.0)
    routes = table("web")
    for second in range(7200):
        list(pace.due(routes, float(second), lambda *_: None))

    again = [each.source for each in pace.due(routes, 7215.0, lambda *_: 7214.0)]

    assert again == ["web"]


def test_only_sources_that_there_are_tick() -> None:
    pace = Pace(0.0)

    first = [each.source for each in pace.due(table("web", "gone"), 0.0, lambda *_: None)]
    second = [each.source for each in pace.due(table("web", "new"), 10.0, lambda *_: None)]

    assert (first, second) == (["web", "gone"], ["web", "new"])


def record(value: bytes, time: float = MOMENT) -> Record:
    place = Partition("events.school", 0)
    return Record(partition=place, offset=3, time=time, value=value, headers={"kind": KIND})


def tick(**changes: object) -> bytes:
    fields = {"v": 1, "tenant": "school", "source": "web", "received": NOON}
    return msgspec.json.encode({**fields, **changes})


def test_a_record_may_hold_several_ticks() -> None:
    found = list(ticks(record(tick() + b"\n" + tick(source="mail"))))

    assert [(each.source, each.moment) for each in found] == [("web", MOMENT), ("mail", MOMENT)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"tock", "expected a tick"),
        (b"", "expected a tick"),
        (b"\xff\xfe", "expected a tick"),
        (tick(received="soon"), "expected a tick"),
        (tick(received="2026-11-24T12:00:00"), "expected a time in UTC"),
        (tick(v=2), "got version 2 of 'school'"),
        (tick(tenant="council"), "got version 1 of 'council'"),
        (tick(received="2026-11-24T12:05:01.000000Z"), "301 s ahead of the bus"),
    ],
)
def test_what_no_door_has_sent_is_no_tick(value: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        list(ticks(record(value)))


def test_a_tick_may_be_as_far_ahead_as_clocks_may_differ() -> None:
    assert list(ticks(record(tick(), time=MOMENT - AHEAD)))


def test_time_has_come_as_far_as_the_source_that_is_furthest_behind() -> None:
    watermark = Watermark()

    watermark.receive([("web", 1000.0), ("mail", 990.0), ("web", 900.0)])

    assert watermark.passed() == 990 - GRACE


def test_a_silent_source_is_waited_for_only_so_long() -> None:
    watermark = Watermark()
    watermark.receive([("web", 1000.0), ("mail", 1000.0)])

    watermark.receive([("web", 1000.0 + SILENT)])
    waiting = watermark.passed()
    watermark.receive([("web", 1001.0 + SILENT)])

    assert (waiting, watermark.passed()) == (1000 - GRACE, 1001 + SILENT - GRACE)


@pytest.mark.parametrize("seed", range(5))
def test_time_never_goes_back(seed: int) -> None:
    draw = random.Random(seed)
    watermark = Watermark()
    passed = []
    for _ in range(300):
        watermark.receive([(draw.choice("abcd"), draw.uniform(0, 2000))])
        passed.append(watermark.passed())

    assert passed == sorted(passed)
