"""A line of behaviour is never more than the bus takes, whatever a record shows."""

from collectors.bus.contract import VALUE_LIMIT
from detection.anomaly.part import Part, decode, encode
from detection.anomaly.profile import Observation


def part(events: int, sources: int = 1) -> Part:
    values = ("x" * 160,) * 12
    seen = [Observation(float(number), number, "host", values, 0.0) for number in range(events)]
    heard = {f"source-{number}" * 10: 1.0 for number in range(sources)}
    return Part(
        topic="events",
        partition=0,
        offset=7,
        time=1.0,
        heard={"linux": heard},
        seen={"linux": seen, "web": seen[:1]},
    )


def test_what_fits_is_told_whole() -> None:
    some = part(300)

    assert decode(encode(some)) == some


def test_of_more_than_the_bus_takes_the_first_are_told() -> None:
    much = part(2_000)

    line = encode(much)

    told = decode(line)
    assert VALUE_LIMIT / 2 < len(line) <= VALUE_LIMIT
    assert told.seen["linux"] == much.seen["linux"][: len(told.seen["linux"])]
    assert (told.heard, told.offset) == (much.heard, 7)


def test_more_names_of_sources_than_the_bus_takes_end_nothing() -> None:
    told = decode(encode(part(10, sources=20_000)))

    assert (told.heard, told.offset) == ({}, 7)
