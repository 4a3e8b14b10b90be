"""What `citysoc detect` writes, where, and with which exit code."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from detection.offline import detect

RULE = """\
title: Whoami
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: '\\whoami.exe'
    condition: selection
"""
HIT = {
    "logsource": {"product": "windows", "category": "process_creation"},
    "Image": "C:\\WHOAMI.EXE",
}
MISS = {**HIT, "Image": "C:\\cmd.exe"}


class Outcome(NamedTuple):
    code: int
    matches: list[dict[str, Any]]
    errors: str


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "whoami.yml").write_text(RULE)
    return folder


def run(rules: Path, *paths: Path | str, **options: Any) -> Outcome:
    out, err = io.BytesIO(), io.StringIO()
    code = detect([str(rules)], [str(path) for path in paths], out=out, err=err, **options)
    return Outcome(code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue())


def lines(*values: Any) -> bytes:
    return b"".join(
        (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n"
        for value in values
    )


def test_a_match_names_file_event_and_rule(rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(lines(MISS, HIT))

    outcome = run(rules, path)

    assert outcome == Outcome(
        0,
        [
            {
                "file": str(path),
                "event": 1,
                "rule": "00000000-0000-4000-8000-000000000001",
                "title": "Whoami",
                "level": "low",
            }
        ],
        "",
    )


def test_records_that_cannot_be_read_are_counted_and_blank_lines_are_not(
    rules: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(b"not json", b"", b"  ", [1], HIT) + json.dumps(HIT).encode())

    outcome = run(rules, path, stats=True)

    assert [match["event"] for match in outcome.matches] == [2, 3]
    assert json.loads(outcome.errors)["events"] == 4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", json.dumps(HIT).encode()),
        ("a.json", json.dumps([HIT]).encode()),
        ("a.json", lines(HIT)),
        ("a.log", lines(HIT)),
        ("a.ndjson.gz", gzip.compress(lines(HIT))),
        ("a.json.gz", gzip.compress(json.dumps([HIT]).encode())),
        ("a.log.gz", gzip.compress(lines(HIT))),
    ],
)
def test_every_kind_of_file_is_read(name: str, data: bytes, rules: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    assert [match["event"] for match in run(rules, path).matches] == [0]


def test_what_the_fast_decoder_refuses_is_matched_all_the_same(rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    plain = json.dumps(HIT)[:-1].encode()
    path.write_bytes(lines(plain + b',"x":"\\ud800"}', plain + b',"x":NaN}'))

    assert len(run(rules, path).matches) == 2


def test_an_events_own_log_source_replaces_recognition(rules: Path, tmp_path: Path) -> None:
    sysmon = {
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "EventID": 1,
        "Image": HIT["Image"],
    }
    path = tmp_path / "a.ndjson"
    path.write_bytes(lines(sysmon, {**sysmon, "logsource": {"product": "linux"}}, sysmon))

    assert [match["event"] for match in run(rules, path).matches] == [0, 2]


def test_a_lists_file_fills_placeholders(rules: Path, tmp_path: Path) -> None:
    (rules / "whoami.yml").write_text(
        RULE.replace("'\\whoami.exe'", "'%tools%'").replace("endswith:", "endswith|expand:")
    )
    path, filled = tmp_path / "a.ndjson", tmp_path / "lists.yml"
    path.write_bytes(lines(HIT))
    filled.write_text("tools: [whoami.exe]\n")

    without, given = run(rules, path), run(rules, path, lists=str(filled))

    assert (without.code, without.matches) == (0, [])
    assert "no list for the placeholder %tools%" in without.errors
    assert (len(given.matches), given.errors) == (1, "")


def test_figures_add_up(rules: Path, tmp_path: Path) -> None:
    (rules / "bad.yml").write_text(RULE.replace("endswith", "ends"))
    path = tmp_path / "a.ndjson"
    path.write_bytes(lines(HIT, MISS, HIT))

    outcome = run(rules, path, path, stats=True)
    fault, figures = outcome.errors.splitlines()
    found = json.loads(figures)

    assert fault.startswith(f"{rules / 'bad.yml'}:7: ")
    assert (found["rules"], found["rules_failed"]) == (1, 1)
    assert (found["events"], found["matches"]) == (6, 4)
    assert found["load_seconds"] > 0
    assert found["seconds"] > 0
    assert list(found) == (
        [
            "rules",
            "rules_failed",
            "load_seconds",
            "events",
            "seconds",
            "events_per_second",
            "matches",
        ]
    )


@pytest.mark.parametrize(
    ("name", "message"), [("missing.ndjson", "no events at"), ("a.txt", "of no known kind")]
)
def test_an_unusable_events_file_is_a_wrong_call(
    name: str, message: str, rules: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"")

    outcome = run(rules, tmp_path / name)

    assert (outcome.code, outcome.matches) == (2, [])
    assert message in outcome.errors


def test_missing_rules_pipelines_and_lists_are_wrong_calls(rules: Path, tmp_path: Path) -> None:
    events = tmp_path / "a.ndjson"
    events.write_bytes(lines(HIT))
    broken = tmp_path / "broken.yml"
    broken.write_text("- a\n")

    outcomes = [
        run(tmp_path / "none", events),
        run(rules, events, pipelines=[str(tmp_path / "none.yml")]),
        run(rules, events, pipelines=[str(broken)]),
        run(rules, events, lists=str(tmp_path / "none.yml")),
        run(rules, events, lists=str(broken)),
    ]

    assert [outcome.code for outcome in outcomes] == [2] * 5
    assert all(outcome.errors.startswith("citysoc detect: ") for outcome in outcomes)


def test_a_reader_that_has_seen_enough_is_no_error(rules: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(lines(*[HIT] * 5_000))
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "wb") as out:
        code = detect([str(rules)], [str(path)], out=out, err=io.StringIO())

    assert code == 0


def test_events_come_from_standard_input_too(rules: Path) -> None:
    program = (
        "import sys; from detection.offline import detect;"
        "sys.exit(detect(sys.argv[1:], ['-'], out=sys.stdout.buffer, err=sys.stderr))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program, str(rules)], input=lines(MISS, HIT), capture_output=True
    )

    assert ran.returncode == 0, ran.stderr
    [match] = map(json.loads, ran.stdout.splitlines())
    assert (match["file"], match["event"]) == ("-", 1)


def test_events_of_another_schema_match_by_the_names_of_rules(rules: Path, tmp_path: Path) -> None:
    events = tmp_path / "ecs.ndjson"
    shaped = {"logsource": HIT["logsource"], "process": {"executable": HIT["Image"]}}
    events.write_text(json.dumps(shaped) + "\nno event\n")

    assert run(rules, events).matches == []
    assert [match["event"] for match in run(rules, events, schema="ecs").matches] == [0]


def test_a_schema_that_is_not_known_is_a_wrong_call(rules: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("")

    outcome = run(rules, events, schema="telepathy")

    assert outcome.code == 2
    assert "no schema called 'telepathy'; known: ecs, ocsf" in outcome.errors
