"""An event with too many fields, or nested too deeply, can't hide from field rules."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors import codec
from collectors.event import decode
from collectors.intake import MAX_EVENT, Identity, Line, admit
from collectors.logsource import LogSource
from collectors.route import Route
from detection.incoming import Incoming, read_lines
from detection.records import events
from detection.sigma import Engine, load

RULE = """\
title: Whoami
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: windows}
detection:
    selection:
        Image|endswith: '\\whoami.exe'
    condition: selection
"""
ROUTE = Route(tenant="school", source="w", kind="w", logsources=(LogSource("windows"),))
RECEIVED = datetime(2026, 11, 24, 13, 47, tzinfo=UTC)
IMAGE = '"Image": "C:\\\\whoami.exe"'
MANY = ", ".join(f'"f{number}": {number}' for number in range(12_000))
DEEP = '{"d":' * 100 + "1" + "}" * 100
DEEPEST = '{"d":[' * 20_000 + "1" + "]}" * 20_000
HOSTILE = {
    "fields behind": f"{{{IMAGE}, {MANY}}}",
    "elements before": f'{{"a": [{",".join(["1"] * 20_000)}], {IMAGE}}}',
    "objects before": f'{{"a": {{{MANY}}}, {IMAGE}}}',
    "levels before": f'{{"a": {DEEP}, {IMAGE}}}',
    "very many levels before": f'{{"a": {DEEPEST}, {IMAGE}}}',
    "levels behind": f'{{{IMAGE}, "a": {DEEP}}}',
    "just within": f'{{"a": [{",".join(["1"] * 9_960)}], {IMAGE}}}',
    "what strict decoders refuse": f'{{"a": NaN, "s": "\\ud800", {IMAGE}, {MANY}}}',
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path = tmp_path_factory.mktemp("rules") / "rule.yml"
    path.write_text(RULE)
    return load([path])


def enveloped(text: str, route: Route = ROUTE) -> bytes:
    identity = Identity(nonce="n")
    lines = [Line(1, text.encode("utf-8", "surrogatepass"))]
    (line,) = admit(route, lines, received=RECEIVED, identity=identity).lines
    return line


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("schema", ["", "ecs"])
def test_field_rules_see_what_is_within_bounds(name: str, schema: str, engine: Engine) -> None:
    route = Route(tenant="school", source="w", kind="w", logsources=ROUTE.logsources, schema=schema)

    began = time.process_time()
    line = enveloped(HOSTILE[name], route)
    (incoming,) = read_lines(line, "school")
    assert isinstance(incoming, Incoming)
    found = engine.match_lines([incoming.asked()])

    assert [rule.title for _, rule in found] == ["Whoami"]
    assert time.process_time() - began < 2
    assert len(line) <= MAX_EVENT


@pytest.mark.parametrize("name", HOSTILE)
def test_keywords_and_people_still_have_the_text(name: str) -> None:
    fields, soc = decode(enveloped(HOSTILE[name]))

    assert "fields_cut" in soc.marks
    assert "Image" in fields["message"]


def test_nothing_is_cut_of_an_ordinary_event() -> None:
    fields, soc = decode(enveloped(f'{{{IMAGE}, "a": {{"b": [1, 2]}}}}'))

    assert fields == {"Image": "C:\\whoami.exe", "a": {"b": [1, 2]}}
    assert soc.marks == ()


def test_a_field_that_grows_too_long_does_not_push_out_the_others() -> None:
    data = b'{"long": "' + b"\xff" * 400_000 + f'", {IMAGE}}}'.encode()

    batch = admit(ROUTE, [Line(1, data)], received=RECEIVED, identity=Identity(nonce="n"))

    ((fields, soc),) = map(decode, batch.lines)
    assert fields["Image"] == "C:\\whoami.exe"
    assert "cut" in soc.marks
    assert "long" not in fields
    assert len(batch.lines[0]) <= MAX_EVENT


def test_offline_sees_the_same(tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(HOSTILE.values()))

    found = [
        event.fields is not None and engine.match(event.fields, [LogSource("windows")])
        for event in events(str(path))
    ]

    assert list(map(bool, found)) == [True] * len(HOSTILE)


def test_what_stands_further_out_goes_first() -> None:
    value = {"a": [1, 2, 3], "b": 4, "c": {"d": 5}}

    assert codec.within(value, 4) == ({"a": [1], "b": 4, "c": {}}, True)
    assert codec.within(value, 7) == (value, False)
    assert codec.within("text", 0) == ("text", False)


@pytest.mark.parametrize("text", [b'{"a', b'"' + b'\\"' * 200_000, b"[" * 200_000, b"]" * 200_000])
def test_broken_text_is_refused_in_time(text: bytes) -> None:
    began = time.process_time()

    with pytest.raises(ValueError, match=r"."):
        codec.loads_within(text)

    assert time.process_time() - began < 1
