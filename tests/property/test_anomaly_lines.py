"""Lines of which only what profiles ask for is decoded say what they say when decoded whole."""

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.logsource import LogSource
from detection.anomaly.library import Watched
from detection.anomaly.lines import Lines
from detection.anomaly.profile import Observation, read
from tests.property.odd_values import ODD

TENANT = "docks"
CRANES = (
    b"{entity: host, kind: host, window: 15m, bytes: size, facets:"
    b" {type: kind, place: [a.b, port], deep: c.d.e}}"
)
WINCHES = b"{entity: host, kind: host, window: 15m, facets: {rope: other}}"
WATCHED = [
    Watched(read(CRANES, "cranes"), LogSource.parse("crane//")),
    Watched(read(WINCHES, "winches"), LogSource.parse("//winch")),
]
SOC: dict[str, Any] = {
    "v": 1,
    "id": "0123456789abcdef0123456789abcdef",
    "tenant": TENANT,
    "source": "quay",
    "received": "2026-11-24T11:58:00.000000Z",
    "time": "2026-11-24T11:58:00.123456Z",
    "logsources": ["crane//"],
}
NAMES = st.sampled_from(b"host kind a.b a c c.d.e port size other".split())
MEMBERS = st.lists(st.tuples(NAMES, ODD))
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "v": st.sampled_from([2, 1.0, "1"]),
        "id": st.sampled_from(["xyz", "", "-1", "0" * 40]),
        "tenant": st.just("school"),
        "source": st.sampled_from(["a\ud800", 7, "pier"]),
        "time": st.sampled_from(
            ["2026-11-24", "2026-13-24T11:58:00.123456Z", "", "2026-11-24T11:58:01.000000Z"]
        ),
        "logsources": st.sampled_from(
            [[], ["crane"], ["//winch"], ["crane//winch"], ["crane//", "//winch"], "crane//", [1]]
        ),
        "related": st.sampled_from([{"ip": ["1"]}, {"ip": 1}]),
    },
)


def _line(*members: bytes, **changes: Any) -> bytes:
    soc = json.dumps({**SOC, **changes}, separators=(",", ":")).encode()
    return b'{"host":"lift-1",' + b",".join([*members, b'"soc":' + soc]) + b"}"


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """An event with odd members, some of them twice, and now and then an envelope that is wrong."""
    members = [b'"' + name + b'":' + value for name, value in draw(MEMBERS)]
    changes = draw(CHANGES) if draw(st.integers(0, 3)) == 0 else {}
    return _line(b'"kind":"open"', *members, **changes)


def _whole(lines: list[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The slow twin: whoever has seen no line before decodes all of it."""
    heard: dict[str, dict[str, float]] = {}
    seen: dict[str, list[Observation]] = {}
    for line in lines:
        alone = Lines(WATCHED).events(line, TENANT)
        for name, observations in alone.seen.items():
            seen[name] = seen.get(name, []) + observations
        for name, sources in alone.heard.items():
            for source, time in sources.items():
                mine = heard.setdefault(name, {})
                mine[source] = max(time, mine.get(source, time))
    return heard, seen


@given(found=st.lists(lines(), min_size=1, max_size=6))
@example(found=[_line(b'"kind":"a\\ud800"', b'"a":{"b":"\\udfff"}')])
@example(found=[_line(b'"a":{"b":"x"}', b'"c":{"d":{"e":"y"}}')])
@example(found=[_line(b'"kind":"open"', b'"other":' + b"[" * 70 + b"]" * 70)])
@example(found=[_line(b'"kind":"open"', b'"b":[' + b"1," * 10_000 + b"1]")])
@example(found=[_line(b'"kind":"open"', source="a\ud800")])
@example(found=[_line(b'"other":"x"', logsources=["//winch"])[:-1] + b',"logsources":["crane//"]}'])
def test_each_line_is_seen_as_it_is_alone_whatever_came_before(found: list[bytes]) -> None:
    reader = Lines(WATCHED)
    usual = _line(b'"kind":"k"')
    reader.events(usual, TENANT)

    shown = reader.events(b"\n".join(found), TENANT)

    assert (shown.heard, shown.seen) == _whole(found)
    assert msgspec.json.encode((shown.heard, shown.seen))
