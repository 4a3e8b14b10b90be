"""No bytes stop a reader, and nothing is lost between a line and the bus."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors import codec
from collectors.event import Soc, decode, encode, timestamp
from collectors.fields import KINDS, MAX_RELATED, entity, related
from collectors.formats import Parsed, formats, parse
from collectors.logsource import LogSource
from collectors.recognise import READS, logsources

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
BITS = st.sampled_from(
    [
        b"<34>", b"1 - - - - - ", b"Jan  1 00:00:00 ", b"2026-01-01T00:00:00Z ", b"lx sshd[1]: ",
        b"Failed password for ", b" from 192.0.2.1 port 4", b"type=EXECVE msg=audit(1.1:1): ",
        b"a0=414243 ", b"msg='", b'"', b"\\", b"[", b"]", b'[a b="c"]', b"a=b ", b'c="d e" ',
        b"<Event>", b"<System><EventID>1</EventID></System>", b"</Event>", b"<![CDATA[", b"&#0;",
        b'192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1', b"message repeated ",
        b'{"EventID":', b'"Channel":[{}],', b"NaN", b"\\ud800", b"}", b"9" * 40, b"\xff", b"\x00",
        b"pam_unix(x:y): ", b"%SYS-5-X:", b"IN= SRC=1 DST=2 ", b"\xef\xbb\xbf", b"\n", b" ",
    ]
)  # fmt: skip
LINES = st.lists(BITS | st.binary(max_size=8), max_size=12).map(b"".join)
TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(sorted(READS)) | TEXT, VALUES, max_size=8)


def envelope(parsed: Parsed) -> tuple[dict[str, Any], Soc]:
    found = logsources(parsed.fields, parsed.format)
    names = related(parsed.fields, found)
    soc = Soc(
        v=1,
        id="0" * 32,
        tenant="tram-depot",
        source="gate",
        received=timestamp(RECEIVED),
        time=timestamp(parsed.time or RECEIVED),
        logsources=tuple(map(str, found)),
        related=names,
        marks=parsed.marks,
    )
    assert names.keys() <= set(KINDS.values())
    assert all(0 < len(values) <= MAX_RELATED for values in names.values())
    assert all(entity(names, found, "gate"))
    return parsed.fields, soc


@given(LINES, st.sampled_from(formats()))
def test_any_bytes_in_any_format_become_an_event_that_comes_back(line: bytes, form: str) -> None:
    fields, soc = envelope(parse(line, form, received=RECEIVED))

    encoded = encode(fields, soc)

    assert b"\n" not in encoded
    assert decode(encoded)[0] == {
        (f"sender_{name}" if f"{name}.".startswith("soc.") else name): value
        for name, value in fields.items()
    }
    assert all(str(LogSource.parse(each)) == each for each in soc.logsources)


@given(OBJECTS)
def test_any_object_becomes_an_event_that_comes_back(value: dict[str, Any]) -> None:
    parsed = parse(codec.dumps(value), received=RECEIVED)

    fields, soc = envelope(parsed)

    assert decode(encode(fields, soc))[1].related == soc.related
    if parsed.verbatim:
        assert fields == value


@given(VALUES)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert codec.loads(codec.dumps(value)) == value


@given(LINES)
def test_a_line_that_does_not_parse_keeps_every_character(line: bytes) -> None:
    parsed = parse(line, received=RECEIVED)

    if "parse_failed" in parsed.marks:
        assert parsed.fields == {"message": line.strip().decode("utf-8", "replace")}


@given(LINES)
def test_reading_a_line_twice_says_the_same(line: bytes) -> None:
    assert parse(line, received=RECEIVED) == parse(line, received=RECEIVED)
