"""Files of which only what profiles ask for is read say what they say when read whole."""

import codecs
import csv
import gzip
import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors import codec
from collectors.formats.times import event_time, moment_of
from detection.anomaly.profile import Observation, Profile, observer, row_of, text_of, value_of
from detection.anomaly.profile import read as profile_of
from detection.anomaly.reading import columns, read
from tests.property.odd_values import ODD

CRANES = profile_of(
    b"{entity: host, kind: host, window: 15m, bytes: size, facets:"
    b" {type: kind, place: [a.b, port], deep: c.d.e}}",
    "cranes",
)
DOORS = profile_of(
    b"{entity: soc.source, kind: host, window: 15m, facets: {type: kind, who: [soc.tenant, ts]}}",
    "doors",
)
PROFILES = st.sampled_from([CRANES, DOORS])
MAPS = st.sampled_from(
    [
        {},
        {"time": "when"},
        {"time": "a", "host": "crane", "kind": "c.d.e"},
        {"a.b": "nothing", "port": "size", "size": "port"},
        {"kind": "\udcff", "soc": "kind"},
    ]
)
PLAIN = "host kind a.b a c c.d.e port size other crane when ts time @timestamp soc.source"
NAMES = st.sampled_from([*PLAIN.split(), "h\\u006fst", "\\udcff", ""])
TIMES = st.sampled_from(
    [
        b"1764201600",
        b"1764201600.1234567",
        b"1764201600123",
        b'"1764201600.5"',
        b'"2026-11-24T11:58:00.123456Z"',
        b'"2026-11-24 11:58:00"',
        b'"yesterday"',
        b"0",
    ]
)
ENVELOPES = st.sampled_from(
    [
        b'{"id":"0123456789abcdef","time":"2026-11-24T11:58:00Z","source":"quay","tenant":["a"]}',
        b'{"id":"\\ud800","time":1764201600,"source":{"b":1},"original":"\xff"}',
        b'{"id":7,"time":"soon","related":{"ip":[1]}}',
        b"{}",
        b"[]",
        b"null",
    ]
)
MEMBERS = st.lists(
    st.tuples(NAMES, ODD | TIMES) | st.tuples(st.just("soc"), ENVELOPES | ODD), max_size=6
)
CELLS = st.sampled_from(["open", "-", "", "a b", "ü", "1764201600", "2026-11-24T11:58:00Z", '"'])
ROWS = st.lists(st.lists(CELLS, max_size=9), max_size=5)
COLUMNS = ["host", "kind", "a.b", "a", "c.d.e", "port", "size", "ts", "crane", "soc.source"]
HEADS = st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=8)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n"])


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """A line of JSON with odd members, some of them twice, or hardly one."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([b"[1]", b"7", b'{"host":"x"', b"{}", b"\xff", b'{"a":1} 2']))
    members = [b'"%b":%b' % (name.encode(), value) for name, value in draw(MEMBERS)]
    return b"{" + b",".join([b'"host":"lift"', *members]) + b"}"


@st.composite
def ndjson(draw: st.DrawFn) -> bytes:
    """A file of such lines."""
    lines = [b'{"host":"lift","kind":"open"}', *draw(st.lists(objects(), max_size=6))]
    return draw(ENDS).join(lines)


@st.composite
def zeek(draw: st.DrawFn) -> bytes:
    """A table of Zeek's, with rows that are cut short, and now and then a second head."""
    lines = ["#separator \\x09"]
    for _ in range(draw(st.integers(1, 2))):
        lines.append("\t".join(["#fields", *draw(HEADS)]))
        lines += ["\t".join(row) for row in draw(ROWS)]
    return draw(ENDS).join(map(str.encode, lines))


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """CSV, with names that come twice and rows that are cut short."""
    written = io.StringIO()
    csv.writer(written).writerows([[*draw(HEADS), "host", "soc.source"], *draw(ROWS)])
    return written.getvalue().encode()


def _whole(content: bytes) -> Iterator[dict[str, Any]]:
    """The slow twin: every value of every line."""
    lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    lines = [line for line in lines if line and not line.isspace()]
    if content.startswith(b"{"):
        for line in lines:
            try:
                value = codec.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value
    elif content.startswith(b"#"):
        names: list[str] = []
        for line in lines:
            cells = line.decode("utf-8", "replace").split("\t")
            if cells[0] == "#fields":
                names = cells[1:]
            elif not line.startswith(b"#"):
                yield dict(zip(names, cells, strict=False))
    else:
        names, *rows = csv.reader(line.decode("utf-8", "replace") for line in lines)
        yield from (dict(zip(names, row, strict=False)) for row in rows)


def _expected(
    content: bytes, profile: Profile, names: dict[str, str], digest: int
) -> Iterator[tuple[float | None, Observation | None]]:
    asked = columns(profile, names)
    observe = observer(profile, asked)
    for number, fields in enumerate(_whole(content)):
        mapped = {
            ours: text_of(value_of(fields, theirs))
            for ours, theirs in names.items()
            if ours != "time"
        }
        event = {**fields, **mapped}
        soc = event.get("soc")
        soc = soc if isinstance(soc, dict) else {}
        if "time" in names:
            moment = moment_of(event.get(names["time"]))
        else:
            moment = moment_of(soc.get("time")) or event_time(event)
        identity = (digest + number * 0x9E3779B97F4A7C15) % (1 << 64)
        if isinstance(soc.get("id"), str):
            identity = _hash(soc["id"].encode("utf-8", "replace"))
        time = moment.timestamp() if moment else None
        yield time, observe(row_of(event, asked), time or 0.0, identity)


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def _example(*lines: bytes, profile: Profile = CRANES, names: dict[str, str] | None = None) -> Any:
    content = b"\n".join([b'{"host":"a","kind":"b","ts":1764201600}', *lines])
    return example(content=content, profile=profile, names=names or {}, packed=False, mark=b"")


@settings(max_examples=300)
@given(
    content=ndjson() | zeek() | tables(),
    profile=PROFILES,
    names=MAPS,
    packed=st.booleans(),
    mark=st.sampled_from([b"", codecs.BOM_UTF8]),
)
@_example(b'{"host":"a","a":{"b":"x"},"c":{"d":{"e":"y"}}}')
@_example(b'{"host":"a","kind":"b","other":' + b"[" * 70 + b"]" * 70 + b"}")
@_example(b'{"host":"a","kind":"b","other":[' + b"1," * 10_000 + b"1]}")
@_example(b'{"kind":"a","soc":{"source":"quay","tenant":"docks"}}', profile=DOORS)
@_example(b'{"host":"a","":"b"}', names={"kind": "\udcff"})
def test_a_file_says_what_it_says_when_it_is_read_whole(
    content: bytes, profile: Profile, names: dict[str, str], packed: bool, mark: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("events.gz" if packed else "events")
        path.write_bytes(gzip.compress(mark + content) if packed else mark + content)
        observe = observer(profile, columns(profile, names))

        seen = [
            (each.time, observe(each.row, each.time or 0.0, each.id))
            for each in read(path, profile, names)
        ]

        wanted = list(_expected(content, profile, names, _hash(path.read_bytes())))
    assert seen == wanted
    assert repr(seen) == repr(wanted)
