"""What an event is once a door has taken it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from collectors.event import Soc, decode
from collectors.intake import (
    MAX_EVENT,
    MAX_LISTED,
    MAX_RECORD,
    Batch,
    Identity,
    Line,
    admit,
    records,
)
from collectors.logsource import LogSource
from collectors.route import Route

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUTE = Route(tenant="school", source="gate", kind="linux")


def taken(
    *lines: bytes,
    route: Route = ROUTE,
    first: int = 0,
    field: str = "",
    key: str = "",
    nonce: str = "n",
) -> Batch:
    """The batch of these lines, received at noon."""
    identity = Identity(field=field, key=key, first=first, nonce=nonce)
    return admit(
        route,
        [Line(number, data) for number, data in enumerate(lines, start=1)],
        received=NOON,
        identity=identity,
    )


def only(batch: Batch) -> tuple[dict[str, Any], Soc]:
    """The batch's one event."""
    (line,) = batch.lines
    return decode(line)


def ids(batch: Batch) -> list[str]:
    """The events' ids in order."""
    return [decode(line)[1].id for line in batch.lines]


def test_tenant_and_source_come_from_the_route_whatever_the_event_says() -> None:
    claims = b'{"tenant":"bank","source":"vault","soc":{"tenant":"bank","id":"1","marks":["x"]}}'

    batch = taken(claims)

    fields, soc = only(batch)
    assert (batch.topic, batch.key) == ("events.school", "gate")
    assert (soc.tenant, soc.source) == ("school", "gate")
    assert soc.id != "1"
    assert "x" not in soc.marks
    assert fields["sender_soc"] == {"tenant": "bank", "id": "1", "marks": ["x"]}


def test_a_retry_with_the_same_key_is_the_same_event() -> None:
    first = taken(b'{"a":1}', b'{"a":1}', key="k", nonce="one")

    second = taken(b'{"a":1}', b'{"a":1}', key="k", nonce="two")

    assert ids(first) == ids(second)
    assert len(set(ids(first))) == 2


def test_a_reused_key_with_other_content_is_another_event() -> None:
    assert ids(taken(b'{"a":1}', key="k")) != ids(taken(b'{"a":2}', key="k"))


def test_lines_that_repeat_word_for_word_without_ids_stay_apart() -> None:
    batch = taken(b'{"a":1}', b'{"a":1}')
    later = taken(b'{"a":1}', nonce="m")

    assert len({*ids(batch), *ids(later)}) == 3


def test_the_senders_own_id_wins_over_place_and_key() -> None:
    once = taken(b'{"eventID":"e1"}', field="eventID", key="k", nonce="one")

    again = taken(b'{"x":1}', b'{"eventID":"e1"}', field="eventID", key="l", nonce="two")

    assert ids(again)[1] == ids(once)[0]


@pytest.mark.parametrize("own", [b'""', b"null", b"true", b'{"x":1}', b"[1]"])
def test_what_is_no_id_does_not_merge_events(own: bytes) -> None:
    batch = taken(b'{"i":%b}' % own, b'{"i":%b}' % own, field="i")

    assert len(set(ids(batch))) == 2


def test_the_offset_continues_the_count_of_a_key() -> None:
    whole = taken(b'{"a":1}', b'{"a":2}', b'{"a":3}', key="k")

    rest = taken(b'{"a":3}', key="k", first=2)

    assert ids(rest) == ids(whole)[2:]


def test_tenants_and_sources_do_not_share_ids() -> None:
    routes = [
        Route(tenant=tenant, source=source, kind="linux")
        for tenant in ("school", "bank")
        for source in ("gate", "door")
    ]

    found = {ids(taken(b'{"a":1}', route=route, key="k"))[0] for route in routes}

    assert len(found) == 4


def test_a_time_far_ahead_counts_as_receipt_and_is_marked() -> None:
    batch = taken(b'{"@timestamp":"2026-11-24T12:05:01Z"}')

    _, soc = only(batch)
    assert soc.time == soc.received == "2026-11-24T12:00:00.000000Z"
    assert "clock_ahead" in soc.marks


@pytest.mark.parametrize(
    ("said", "marks"),
    [
        (NOON + timedelta(minutes=5), ()),
        (NOON - timedelta(hours=24), ()),
        (NOON - timedelta(hours=24, seconds=1), ("late",)),
    ],
)
def test_a_time_near_receipt_is_the_events(said: datetime, marks: tuple[str, ...]) -> None:
    batch = taken(msgspec.json.encode({"@timestamp": said}))

    _, soc = only(batch)
    assert soc.time == said.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert soc.marks == marks


def test_an_event_without_a_time_has_the_receipts() -> None:
    _, soc = only(taken(b'{"a":1}'))

    assert soc.time == soc.received
    assert soc.marks == ()


def test_a_text_line_keeps_its_original_and_an_object_needs_none() -> None:
    line = b"<34>Nov 24 11:59:00 gate sshd[7]: Accepted password for ann from 192.0.2.7 port 5 ssh2"

    batch = taken(line, b'{"a":1}')

    (_, text), (_, thing) = map(decode, batch.lines)
    assert text.original == line.decode()
    assert text.related["ip"] == ["192.0.2.7"]
    assert thing.original is None


def test_what_does_not_parse_is_kept_marked_and_counted() -> None:
    batch = taken(b'{"a":1}', b"\xff\x00 what", b'{"a":')

    assert batch.unparsed == 2
    assert batch.unparsed_lines == [2, 3]
    fields, soc = decode(batch.lines[1])
    assert fields["message"].endswith("what")
    assert "parse_failed" in soc.marks


def test_the_list_of_unparsed_lines_is_bounded_and_the_total_is_not() -> None:
    batch = taken(*[b"?"] * (MAX_LISTED + 5))

    assert batch.unparsed == MAX_LISTED + 5
    assert batch.unparsed_lines == list(range(1, MAX_LISTED + 1))


def test_declared_and_shown_log_sources_are_both_there() -> None:
    route = Route(
        tenant="school", source="gate", kind="linux", logsources=(LogSource("acme", "", "gate"),)
    )

    _, soc = only(taken(b"<34>Nov 24 11:59:00 gate sshd[7]: hello", route=route))

    assert "acme//gate" in soc.logsources
    assert "linux//sshd" in soc.logsources


def test_an_unknown_declared_format_is_read_as_auto() -> None:
    route = Route(tenant="school", source="gate", kind="linux", format="hieroglyphs")

    fields, soc = only(taken(b'{"a":1}', route=route))

    assert fields == {"a": 1}
    assert soc.marks == ()


def test_an_event_too_large_with_its_original_goes_on_without_it() -> None:
    line = b"<34>Nov 24 11:59:00 gate app: " + b"x" * (MAX_EVENT // 2)

    batch = taken(line)

    fields, soc = only(batch)
    assert len(batch.lines[0]) <= MAX_EVENT
    assert len(fields["message"]) == MAX_EVENT // 2
    assert soc.original is None
    assert "original_dropped" in soc.marks
    assert batch.unparsed == 0


def test_an_event_too_large_once_escaped_is_cut_marked_and_counted() -> None:
    line = b"\x01" * (MAX_EVENT - 1)

    batch = taken(line)

    fields, soc = only(batch)
    assert len(batch.lines[0]) <= MAX_EVENT
    assert fields["message"].startswith("\x01" * 1000)
    assert "cut" in soc.marks
    assert batch.unparsed_lines == [1]


def test_records_are_filled_in_order_and_within_bounds() -> None:
    lines = [b"%06d" % number + b"x" * 994 for number in range(200)]

    values = list(records(lines))

    assert b"\n".join(values).split(b"\n") == lines
    assert all(len(value) <= MAX_RECORD for value in values)
    assert len(values) == 4


def test_a_line_over_a_records_size_stands_alone() -> None:
    large = b"x" * (MAX_RECORD + 1)

    assert list(records([b"a", large, b"b"])) == [b"a", large, b"b"]


def test_syslog_without_structured_data_is_understood() -> None:
    line = b"<34>1 2026-11-24T11:59:00.5Z gate sshd 7 - - Accepted password for ann from 192.0.2.7"

    fields, soc = only(taken(line))

    assert (fields["hostname"], fields["program"], fields["pid"]) == ("gate", "sshd", "7")
    assert fields["message"].startswith("Accepted")
    assert soc.time == "2026-11-24T11:59:00.500000Z"
    assert "linux//sshd" in soc.logsources


def test_a_syslog_sender_may_give_its_own_id_so_that_a_repeat_is_the_same_event() -> None:
    line = b'<38>1 2026-11-24T11:59:00Z web01 sshd 7 - [citysoc@32473 id="a-%d"] Accepted'

    first, again, other = (ids(taken(line % n, nonce=str(t)))[0] for t, n in enumerate((1, 1, 2)))

    assert first == again != other
