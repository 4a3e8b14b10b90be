"""The events on the bus, byte for byte: they change only on purpose.

Their version changes with what a reader must know; the order of an object's members is not that.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.event import VERSION, Soc, content_digest, decode, encode, event_id, timestamp
from collectors.fields import related
from collectors.formats import parse
from collectors.recognise import logsources

RECEIVED = datetime(2026, 11, 24, 13, 47, 3, 123456, UTC)
GOLDEN = Path(__file__).parent / f"events_v{VERSION}.json"
CASES = json.loads(GOLDEN.read_text("utf-8"))


def event(line: bytes) -> bytes:
    parsed = parse(line, received=RECEIVED)
    found = logsources(parsed.fields, parsed.format)
    soc = Soc(
        v=VERSION,
        id=event_id("tram-depot", "gate", "key", content_digest(line)),
        tenant="tram-depot",
        source="gate",
        received=timestamp(RECEIVED),
        time=timestamp(parsed.time or RECEIVED),
        logsources=tuple(map(str, found)),
        related=related(parsed.fields, found),
        marks=parsed.marks,
        original=None if parsed.verbatim else line.decode("utf-8", "replace"),
    )
    return encode(parsed.fields, soc)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_same_line_is_the_same_event_for_ever(case: dict[str, str]) -> None:
    assert event(case["line"].encode()).decode() == case["event"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_events_of_this_version_are_read(case: dict[str, str]) -> None:
    fields, soc = decode(case["event"].encode())

    assert encode(fields, soc).decode() == case["event"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_an_envelope_in_any_order_says_the_same(case: dict[str, str]) -> None:
    written = json.loads(case["event"])
    turned = {**written, "soc": dict(reversed(written["soc"].items()))}

    assert decode(json.dumps(turned).encode()) == decode(case["event"].encode())
