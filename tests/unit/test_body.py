"""How a request's body is taken apart."""

import gzip
import json
import zlib

import pytest

from collectors.bus.contract import Malformed
from collectors.intake import MAX_EVENT, Line
from collectors.sources.body import TooLarge, inflate, split


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"\n \n\r\n", []),
        (b'{"a":1}\n{"b":2}\n', [(1, b'{"a":1}', ""), (2, b'{"b":2}', "")]),
        (b'{"a":1}\r\n\r\nplain', [(1, b'{"a":1}', ""), (3, b"plain", "")]),
        (b'[{"a":1}, {"b":[2]}]', [(1, b'{"a":1}', "json"), (2, b'{"b":[2]}', "json")]),
        (
            b' \n [ "line \\u00e9", 5, {} ]\n',
            [(1, "line é".encode(), ""), (2, b"5", ""), (3, b"{}", "json")],
        ),
        (b"[]", []),
        (b'{\n "a": 1,\n "b": {}\n}\n', [(1, b'{\n "a": 1,\n "b": {}\n}', "json")]),
        (b'{"a":1}\n{"b":\n', [(1, b'{"a":1}', ""), (2, b'{"b":', "")]),
        (b'{"a":\n1}\nrest}', [(1, b'{"a":', ""), (2, b"1}", ""), (3, b"rest}", "")]),
        (b"\xef\xbb\xbf{}", [(1, b"{}", "")]),
        ("é\nü".encode("utf-16"), [(1, "é".encode(), ""), (2, "ü".encode(), "")]),
        (b"[Wed Oct 11] error\n[x] y", [(1, b"[Wed Oct 11] error", ""), (2, b"[x] y", "")]),
        (b"a\x0bb\x0cc\x85d", [(1, b"a\x0bb\x0cc\x85d", "")]),
    ],
)
def test_a_body_becomes_the_events_that_were_meant(
    body: bytes, lines: list[tuple[int, bytes, str]]
) -> None:
    assert [(each.number, each.data, each.format) for each in split(body)] == lines


def test_windows_events_may_hold_line_ends() -> None:
    first = b"<Event xmlns='x'><Data>one\ntwo</Data></Event>"
    second = b"<Event><Data>three</Data></Event>"
    body = b'<?xml version="1.0"?>\n<Events>\n' + first + b"\n" + second + b"\n</Events>\n"

    assert split(body) == [Line(3, first), Line(5, second)]


def test_what_stands_between_windows_events_is_not_lost() -> None:
    lines = split(b"<Event>1</Event>\nstray words\n<Event>2</Event> tail")

    assert b"stray words" in b"".join(line.data for line in lines)
    assert b"tail" in b"".join(line.data for line in lines)


@pytest.mark.parametrize(
    "element",
    ['{"a":NaN}', '"\\ud800"', '{"a":"\\udfff"}', '{"n":' + "9" * 400 + "}", "[" * 70 + "]" * 70],
)
def test_an_array_with_what_strict_decoders_refuse_is_still_an_array(element: str) -> None:
    body = f'[{{"first":1}} , {element},\n{{"last":2}}]'.encode()

    lines = split(body)

    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[0].data == b'{"first":1}'
    assert lines[2].data == b'{"last":2}'


def test_a_large_array_may_hold_one_odd_value() -> None:
    body = b"[" + b'{"a":1},' * 20_000 + b'{"a":NaN}]'

    assert len(split(body)) == 20_001


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":1},{"b":',
        b'[{"a":1}',
        b'[{"a":1} {"b":2}]',
        b'[{"a":1},]',
        b'[{"a":NaN} {"b":2}]',
        b'[{"a":NaN},',
        b'[{"a":NaN}] tail',
        b'[{"a":1}]\n[{"b":2}]',
        b"[" * 100_000,
        b'["\xff", {"a":}]',
    ],
)
def test_a_broken_array_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Malformed):
        split(body)


def test_declared_json_that_begins_like_an_array_is_one() -> None:
    assert len(split(b"[1, 2]", declared_json=True)) == 2
    with pytest.raises(Malformed):
        split(b"[1, 2", declared_json=True)


def test_plain_text_is_lines_whatever_it_looks_like() -> None:
    assert split(b'[{"a":\n{', plain=True) == [Line(1, b'[{"a":'), Line(2, b"{")]


def test_an_event_over_the_limit_refuses_the_body() -> None:
    assert split(b"x" * MAX_EVENT)
    with pytest.raises(TooLarge, match="event 2"):
        split(b"a\n" + b"x" * (MAX_EVENT + 1))


def test_a_deep_or_wide_object_over_several_lines_is_one_event() -> None:
    body = json.dumps({"values": list(range(20_000))}, indent=1).encode()

    assert len(split(body)) == 1


def test_gzip_of_several_members_and_padding_is_undone() -> None:
    data = gzip.compress(b"one\n") + gzip.compress(b"two\n") + b"\0" * 512

    assert inflate(data, 100) == b"one\ntwo\n"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"hello" * 100, mtime=0)[:-9],
        gzip.compress(b"hello", mtime=0)[:5],
        gzip.compress(b"hello", mtime=0) + b"garbage",
        gzip.compress(b"hello", mtime=0)[:-8] + b"\1\2\3\4\5\0\0\0",
        zlib.compress(b"hello"),
        b"\x1f\x8b",
        b"hello",
    ],
)
def test_broken_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        inflate(data, 1 << 20)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(32 << 20))

    with pytest.raises(TooLarge):
        inflate(bomb, 1 << 20)


def test_a_swarm_of_empty_members_is_refused() -> None:
    with pytest.raises(TooLarge, match="members"):
        inflate(gzip.compress(b"") * 10_001, 1 << 20)


def test_exactly_the_limit_goes_in() -> None:
    assert len(inflate(gzip.compress(bytes(1 << 20)), 1 << 20)) == 1 << 20
