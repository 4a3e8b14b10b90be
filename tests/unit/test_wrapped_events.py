"""Files that only wrap a list of events become those events, and nothing is lost."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.event import decode
from collectors.intake import Identity, admit
from collectors.route import Route
from collectors.sources.body import split
from collectors.sources.files import read_events
from collectors.wrapping import unpacked, wraps
from detection.records import events

TRAIL = [
    {"eventName": f"Act{number}", "eventSource": "iam", "awsRegion": "x"} for number in range(3)
]
ROUTE = Route(tenant="school", source="cloud", kind="aws", format="json")
RECEIVED = datetime(2026, 11, 24, 13, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Records": TRAIL}),
        json.dumps({"Records": TRAIL}, indent=2),
        json.dumps({"records": TRAIL}),
        json.dumps({"@odata.context": "https://x/$metadata", "value": TRAIL}),
        json.dumps({"value": TRAIL, "@odata.nextLink": "https://x"}),
        json.dumps(TRAIL),
        json.dumps({"Records": TRAIL[:1]}) + "\n" + json.dumps({"Records": TRAIL[1:]}),
        json.dumps({"Records": TRAIL[:2]}) + "\n" + json.dumps(TRAIL[2]),
    ],
)
def test_a_wrapper_becomes_its_events(body: str) -> None:
    lines = split(body.encode())

    assert [json.loads(line.data) for line in lines] == TRAIL
    assert [line.number for line in lines] == [1, 2, 3]
    assert all(not line.marks for line in lines)


def test_numbers_and_characters_that_strict_json_refuses_hide_no_events() -> None:
    body = b'{"Records": [{"a": NaN}, {"b": "\\ud800"}]}'

    assert [set(json.loads(line.data)) for line in split(body)] == [{"a"}, {"b"}]


@pytest.mark.parametrize(
    ("event", "marks"),
    [
        ({"value": 3}, ()),
        ({"value": [1, 2]}, ()),
        ({"value": []}, ()),
        ({"Records": "none"}, ()),
        ({"name": "x", "value": [{"a": 1}]}, ()),
        ({"value": [{"a": 1}], "about": {"b": 2}}, ("not_unpacked",)),
        ({"value": [{"a": 1}, 2]}, ("not_unpacked",)),
        ({"Records": [{"a": 1}], "records": [{"b": 1}]}, ("not_unpacked",)),
    ],
)
def test_an_event_that_holds_more_stays_one(event: dict[str, object], marks: tuple[str]) -> None:
    (line,) = split(json.dumps(event).encode())

    assert json.loads(line.data) == event
    assert line.marks == marks


def test_a_broken_wrapper_is_kept_as_one_marked_event() -> None:
    lines = split(b'{"Records": [{"a": 1}, {"b"')

    batch = admit(ROUTE, lines, received=RECEIVED, identity=Identity(nonce="n"))

    ((fields, soc),) = map(decode, batch.lines)
    assert fields == {"message": '{"Records": [{"a": 1}, {"b"'}
    assert {"parse_failed", "not_unpacked"} <= set(soc.marks)


def test_records_alike_word_for_word_stay_apart_and_a_repeat_is_known() -> None:
    body = json.dumps({"Records": [TRAIL[0], TRAIL[0]]}).encode()
    identity = Identity(key="upload-1", nonce="n")

    first, again = (
        admit(ROUTE, split(body), received=RECEIVED, identity=identity) for _ in range(2)
    )

    assert len({decode(line)[1].id for line in first.lines}) == 2
    assert first.lines == again.lines


def test_text_is_not_taken_apart() -> None:
    body = json.dumps({"Records": TRAIL}).encode()

    assert [line.data for line in split(body, plain=True)] == [body]


def test_what_is_no_wrapper_is_told_by_its_beginning() -> None:
    assert not wraps(b'{"a":' * 100_000)
    assert unpacked(b'{"Records":[{"a":' + b"[" * 100_000) == []


@pytest.mark.parametrize("name", ["trail.json", "trail.json.gz", "trail.ndjson", "trail.jsonl.gz"])
def test_files_are_unpacked_too_beyond_the_bounds_of_one_event(tmp_path: Path, name: str) -> None:
    many = [{"eventName": f"Act{number}", "n": list(range(50))} for number in range(400)]
    path = tmp_path / name
    text = json.dumps({"Records": many}).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)

    assert [event.fields for event in events(str(path))] == many
    assert [event.number for event in events(str(path))] == list(range(400))
    assert [record.fields for record in read_events(str(path))] == many
