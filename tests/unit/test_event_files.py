"""Files of events, whatever they are called and however they are broken."""

import gzip
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.bus.contract import Malformed
from collectors.formats import MAX_LINE
from collectors.sources.files import FileRecord, read_events, split_lines

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


def records(path: Path, content: bytes) -> list[FileRecord]:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return list(read_events(str(path), received=RECEIVED))


@pytest.mark.parametrize("ending", ["ndjson", "jsonl", "ndjson.gz", "jsonl.gz"])
def test_every_line_of_ndjson_is_counted_readable_or_not(tmp_path: Path, ending: str) -> None:
    found = records(tmp_path / f"a.{ending}", b'{"a":1}\r\n\nnonsense\n[1]\n{"a":NaN}')

    assert [(each.index, each.fields) for each in found] == [
        (0, {"a": 1}),
        (1, None),
        (2, None),
        (3, {"a": "NaN"}),
    ]
    assert [each.error for each in found] == [None, "not a JSON object", "not a JSON object", None]
    assert found[0].line == b'{"a":1}'
    assert found[0].format == "json"


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b'{\n "a": 1\n}\n', [{"a": 1}]),
        (b'[{"a":1}, 7, {"b":2}]', [{"a": 1}, None, {"b": 2}]),
        (b'{"a":1}\n{"b":2}', [{"a": 1}, {"b": 2}]),
        (b'{"a":1}\nbroken\n{"b":2}', [{"a": 1}, None, {"b": 2}]),
        (b'{"Event":{"System":{"EventID":1}}}', [{"EventID": 1}]),
        (b"", []),
    ],
)
def test_json_is_one_value_an_array_or_values_one_after_another(
    tmp_path: Path, content: bytes, fields: list[dict[str, object] | None]
) -> None:
    found = records(tmp_path / "a.json", content)

    assert [each.fields for each in found] == fields
    assert [each.index for each in found] == list(range(len(fields)))
    assert [each.error is None for each in found] == [each is not None for each in fields]


def test_every_line_of_a_log_is_an_event_of_its_own_format(tmp_path: Path) -> None:
    lines = b'Dec 31 00:00:00 lx cron: hi\n{"a":1}\nfree text\n'

    syslog, json, text = records(tmp_path / "a.log.gz", lines)

    assert (syslog.format, json.format, text.format) == ("syslog", "json", "text")
    assert text.fields == {"message": "free text"}
    assert text.error is None
    assert syslog.parsed is not None
    assert syslog.parsed.time == datetime(2025, 12, 31, tzinfo=UTC)


def test_without_a_receipt_the_file_says_which_year_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"Dec 31 00:00:00 lx cron: hi\n")

    (record,) = read_events(str(path))

    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    assert record.parsed is not None
    assert record.parsed.time is not None
    assert written.year - 1 <= record.parsed.time.year <= written.year


def test_a_dash_is_ndjson_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}\n{"b":2}\n')))

    assert [each.fields for each in read_events("-")] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.evtx.gz", "a.gz"])
def test_a_name_of_no_known_kind_is_refused_with_those_that_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match=r"expected a name that ends in \.ndjson, \.jsonl"):
        records(tmp_path / name, b"{}")


@pytest.mark.parametrize("cut", [slice(0, -6), slice(5, None), slice(0, 0)])
def test_a_broken_archive_is_refused(tmp_path: Path, cut: slice) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 9)[cut] or b"not packed")

    with pytest.raises(Malformed, match="expected a whole gzip file"):
        list(read_events(str(path)))


def test_a_file_that_is_no_event_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="expected a Windows event log"):
        records(tmp_path / "a.evtx", b"MZ")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_events(str(tmp_path / "a.json")))


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_lines_are_the_same_however_the_stream_is_cut(block: int) -> None:
    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:  # noqa: ARG002
            return super().read(block)

    assert list(split_lines(Drip(b"a\r\n\nbc\r\nd"))) == [b"a", b"", b"bc", b"d"]


def test_of_an_endless_line_only_its_beginning_is_held() -> None:
    stream = io.BytesIO(b"a" * (3 * MAX_LINE) + b"\nb\n" + b"c" * (2 * MAX_LINE))

    lines = list(split_lines(stream))

    assert [len(line) for line in lines] == [MAX_LINE + 1, 1, MAX_LINE + 1]
