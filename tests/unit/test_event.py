"""The envelope: what goes on the bus and comes off it."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from collectors.event import Soc, content_digest, decode, encode, event_id, timestamp


def envelope(**changes: object) -> Soc:
    soc = Soc(
        v=1,
        id="0" * 32,
        tenant="tram-depot",
        source="gate",
        received="2026-11-24T13:47:03.000000Z",
        time="2026-11-24T13:47:03.000000Z",
    )
    return msgspec.structs.replace(soc, **changes)


def test_an_event_comes_back_as_it_was_sent() -> None:
    fields = {"Image": "C:\\a.exe", "nested": {"list": [1, None, "x"]}, "bad": "\udfff"}
    soc = envelope(
        logsources=("windows/process_creation/sysmon",),
        related={"host": ["ws-1"]},
        marks=("late",),
        original="raw \ud800",
    )

    line = encode(fields, soc)

    assert decode(line) == (fields, soc)
    assert b"\n" not in line


def test_an_event_without_fields_is_only_its_envelope() -> None:
    assert decode(encode({}, envelope())) == ({}, envelope())


def test_the_senders_own_soc_is_renamed_and_marked() -> None:
    line = encode({"soc": {"tenant": "water-works"}, "a": 1}, envelope(marks=("late",)))

    fields, soc = decode(line)

    assert fields == {"sender_soc": {"tenant": "water-works"}, "a": 1}
    assert soc.tenant == "tram-depot"
    assert soc.marks == ("late", "renamed_soc")


def test_a_dotted_name_that_search_would_take_for_ours_is_renamed_and_loses_nothing() -> None:
    sent = {"soc.source": "x", "sender_soc.source": "y", "soc": 1, "socket": 2, "a": {"soc.b": 3}}

    fields, soc = decode(encode(sent, envelope()))

    assert fields == {
        "sender_sender_soc.source": "x",
        "sender_soc.source": "y",
        "sender_soc": 1,
        "socket": 2,
        "a": {"soc.b": 3},
    }
    assert soc.marks == ("renamed_soc",)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"[]", "expected a JSON object with an object `soc`"),
        (b'{"a":1}', "expected a JSON object with an object `soc`"),
        (b'{"soc":{"v":1}}', "is not one of ours"),
        (b'{"soc":7}', "is not one of ours"),
        (encode({}, envelope(v=2)), r"event version 2; this program reads \[1\]"),
        (b"nonsense", "Expecting value"),
    ],
)
def test_what_is_not_an_event_is_refused(line: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode(line)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 24, 13, 47, 3, 123456, UTC), "2026-11-24T13:47:03.123456Z"),
        (datetime(2026, 11, 24, 13, 47, 3, 0, UTC), "2026-11-24T13:47:03.000000Z"),
        (
            datetime(2026, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            "2026-06-30T23:30:00.000000Z",
        ),
    ],
)
def test_times_are_written_in_utc_and_always_as_wide(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a time with a zone"):
        timestamp(datetime(2026, 11, 24))  # noqa: DTZ001 - that is the point


def test_an_id_is_the_same_for_the_same_event_and_another_for_any_other() -> None:
    digest, other = content_digest(b"line"), content_digest(b"other")
    ids = {
        event_id("a", "b", "c", digest),
        event_id("x", "b", "c", digest),
        event_id("a", "x", "c", digest),
        event_id("a", "b", "x", digest),
        event_id("a", "b", "c", other),
        event_id("ab", "", "c", digest),
    }

    assert event_id("a", "b", "c", digest) in ids
    assert len(ids) == 6
    assert all(len(each) == 32 for each in ids)
