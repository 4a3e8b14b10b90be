"""Whatever bytes come in and however they are cut: nothing is lost and nothing breaks."""

import gzip
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.bus.contract import Malformed
from collectors.event import decode
from collectors.intake import MAX_EVENT, Identity, Line, admit, records
from collectors.route import Route
from collectors.sources.body import inflate, split
from collectors.sources.framing import Framer

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ROUTE = Route(tenant="school", source="gate", kind="linux")

WORDS = rb"""{ } [ ] "a" : , 1 NaN "\ud800" <Event> </Event> <34> type=A msg=audit(1.2:3): = \\"""
pieces = st.sampled_from(
    [*WORDS.split(), b"\n", b" ", b"\xff", b"\0", b"1 ", b"\xff\xfe", b"\r\n"],
)
bodies = st.one_of(
    st.binary(max_size=400),
    st.lists(pieces, max_size=40).map(b"".join),
    st.text(max_size=100).map(str.encode),
)


@given(bodies, st.booleans())
@settings(deadline=None)
def test_any_body_is_taken_or_refused_whole(body: bytes, plain: bool) -> None:
    try:
        lines = split(body, plain=plain)
    except Malformed:
        assert not plain
        return

    batch = admit(ROUTE, lines, received=NOON, identity=Identity(nonce="n"))

    events = [decode(line) for line in batch.lines]
    assert len(events) == len(lines)
    assert {(soc.tenant, soc.source) for _, soc in events} <= {("school", "gate")}
    assert all(b"\n" not in line for line in batch.lines)
    numbers = [line.number for line in lines]
    assert numbers == sorted(numbers)


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=20))
@settings(deadline=None)
def test_plain_lines_come_out_as_they_went_in(lines: list[bytes]) -> None:
    body = b"begin\n" + b"\n".join(lines)

    found = [line.data for line in split(body, plain=True)]

    kept = (line.rstrip(b"\r") for line in lines)
    assert found == [b"begin", *(line for line in kept if line and not line.isspace())]


@given(st.binary(max_size=MAX_EVENT // 1000), st.integers(1, 3000))
@settings(deadline=None, max_examples=30)
def test_no_event_outgrows_a_record(data: bytes, times: int) -> None:
    line = (data * times)[:MAX_EVENT]

    batch = admit(ROUTE, [Line(1, line)], received=NOON, identity=Identity(nonce="n"))

    assert len(batch.lines[0]) <= MAX_EVENT


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_are_no_gzip_or_undone(data: bytes) -> None:
    for body in (data, b"\x1f\x8b\x08\x00" + data, gzip.compress(data)[: len(data)]):
        try:
            inflate(body, 1000)
        except Malformed:
            continue

    assert inflate(gzip.compress(data), 1000) == data


@given(bodies, st.lists(st.integers(1, 20), min_size=1, max_size=10))
@settings(deadline=None)
def test_it_does_not_matter_how_a_stream_arrives(stream: bytes, sizes: list[int]) -> None:
    whole, pieced = Framer(), Framer()

    expected = whole.feed(stream) + whole.close()
    found = []
    at, turn = 0, 0
    while at < len(stream):
        step = sizes[turn % len(sizes)]
        found += pieced.feed(stream[at : at + step])
        at, turn = at + step, turn + 1

    assert found + pieced.close() == expected


@given(st.lists(st.binary(min_size=1, max_size=50).map(lambda data: b"<" + data), max_size=10))
@settings(deadline=None)
def test_counted_messages_come_out_as_they_went_in(messages: list[bytes]) -> None:
    framer = Framer()

    found = framer.feed(b"".join(b"%d %b" % (len(each), each) for each in messages))

    assert [each.data for each in found] == [each.strip(b"\r\n\0") for each in messages]


@given(
    st.lists(st.binary(max_size=30_000).map(lambda line: line.replace(b"\n", b" ")), max_size=12)
)
@settings(deadline=None, max_examples=50)
def test_records_hold_every_line_in_order(lines: list[bytes]) -> None:
    values = list(records(lines))

    assert [line for value in values for line in value.split(b"\n")] == lines
