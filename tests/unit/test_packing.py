"""Lines into records below a limit."""

from hypothesis import given
from hypothesis import strategies as st

from detection.packing import pack


@given(st.lists(st.binary(min_size=1, max_size=30).filter(lambda line: b"\n" not in line)))
def test_no_line_is_lost_and_no_record_is_too_large(lines: list[bytes]) -> None:
    records = list(pack(lines, limit=40))

    assert [line for record in records for line in record.split(b"\n")] == lines
    assert all(len(record) <= 40 for record in records)


def test_records_are_filled_before_another_begins() -> None:
    assert list(pack([b"aaa", b"bbb", b"ccc"], limit=8)) == [b"aaa\nbbb", b"ccc"]


def test_a_line_over_the_limit_stands_alone() -> None:
    assert list(pack([b"a", b"b" * 20, b"c"], limit=8)) == [b"a", b"b" * 20, b"c"]


def test_nothing_makes_no_record() -> None:
    assert list(pack([])) == []
