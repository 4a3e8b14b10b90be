"""What `citysoc detect` says of correlations over files."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from detection.offline import detect

SOURCE = {"product": "linux", "service": "sshd"}
DAY = "2026-11-24T"
FAIL, OK = "failed", "accepted"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path_factory.mktemp("cache")))


def base(name: str) -> dict[str, Any]:
    detection = {"selection": {"action": name}, "condition": "selection"}
    return {"title": name, "name": name, "level": "low", "logsource": SOURCE,
            "detection": detection}  # fmt: skip


def rules(folder: Path, *correlations: dict[str, Any]) -> str:
    """Rules `failed` and `accepted`, and correlations with their titles."""
    documents = [base(FAIL), base(OK)]
    for content in correlations:
        title = content.pop("title", "C")
        whole = {"timespan": "5m", **content}
        documents.append({"title": title, "name": title, "level": "high", "correlation": whole})
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def event(at: str, action: str = FAIL, **fields: Any) -> dict[str, Any]:
    return {"logsource": SOURCE, "time": f"{DAY}{at}Z", "action": action, **fields}


def write(path: Path, *events: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return str(path)


def run(rules: str, *files: str) -> tuple[list[tuple[str, int, list[int] | None]], str]:
    out, err = io.BytesIO(), io.StringIO()
    assert detect([rules], files, out=out, err=err) == 0
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    return [(each["title"], each["event"], each.get("events")) for each in found], err.getvalue()


def found(folder: Path, content: dict[str, Any], *events: dict[str, Any]) -> list[list[int]]:
    """The events of each match of one correlation."""
    matches, errors = run(rules(folder, content), write(folder / "e.ndjson", *events))
    assert not errors
    return [events or [] for _, _, events in matches]


THREE = {"type": "event_count", "rules": [FAIL], "group-by": ["user"], "condition": {"gte": 3}}


def test_a_correlation_names_all_its_events_and_as_its_event_the_last(tmp_path: Path) -> None:
    """By their times: the file need not be in order."""
    events = [event(f"10:0{minute}:00", user="jane") for minute in (2, 0, 1)]
    path = write(tmp_path / "e.ndjson", event("10:00:30", user="john"), *events)

    matches, errors = run(rules(tmp_path, THREE), path)

    assert (matches, errors) == ([("C", 1, [2, 3, 1])], "")


@pytest.mark.parametrize(("last", "events"), [("10:05:00", [[0, 1, 2]]), ("10:05:01", [])])
def test_a_window_holds_what_is_at_most_its_timespan_apart(
    last: str, events: list[list[int]], tmp_path: Path
) -> None:
    times = ("10:00:00", "10:02:00", last)

    assert found(tmp_path, {**THREE}, *(event(at, user="u") for at in times)) == events


def test_a_burst_is_one_match_and_the_next_hour_another(tmp_path: Path) -> None:
    times = [f"10:01:{second:02}" for second in range(5)] + ["11:30:01", "11:30:02", "11:30:03"]

    matches = found(tmp_path, {**THREE}, *(event(at, user="u") for at in times))

    assert matches == [[0, 1, 2, 3, 4], [5, 6, 7]]


def test_group_values_are_folded_and_an_event_without_one_takes_no_part(tmp_path: Path) -> None:
    users: list[dict[str, Any]] = [{"user": "Jane"}, {"user": "JANE"}, {}, {"user": "jane"}]
    events = [event(f"10:00:0{n}", **user) for n, user in enumerate(users)]

    assert found(tmp_path, {**THREE}, *events) == [[0, 1, 3]]


def test_aliases_say_what_each_rule_calls_a_field(tmp_path: Path) -> None:
    content = {
        "type": "temporal_ordered",
        "rules": [FAIL, OK],
        "group-by": ["who"],
        "aliases": {"who": {FAIL: "user", OK: "account"}},
    }
    events = [event("10:00:00", user="u"), event("10:00:01", OK, account="v"),
              event("10:00:02", OK, account="u")]  # fmt: skip

    assert found(tmp_path, content, *events) == [[0, 2]]


@pytest.mark.parametrize(
    ("kind", "actions", "events"),
    [
        ("temporal", (OK, FAIL), [[0, 1]]),
        ("temporal", (OK, OK), []),
        ("temporal_ordered", (FAIL, OK), [[0, 1]]),
        ("temporal_ordered", (OK, FAIL), []),
    ],
)
def test_temporal_asks_for_all_rules_and_ordered_for_their_order(
    kind: str, actions: tuple[str, str], events: list[list[int]], tmp_path: Path
) -> None:
    happened = [event(f"10:00:0{n}", action) for n, action in enumerate(actions)]

    assert found(tmp_path, {"type": kind, "rules": [FAIL, OK]}, *happened) == events


@pytest.mark.parametrize(
    ("content", "true"),
    [
        ({"type": "value_count", "condition": {"field": "port", "gte": 3}}, True),
        ({"type": "value_count", "condition": {"field": "port", "gt": 3}}, False),
        ({"type": "value_sum", "condition": {"field": "bytes", "gte": 100}}, True),
        ({"type": "value_sum", "condition": {"field": "bytes", "gt": 100}}, False),
        ({"type": "value_avg", "condition": {"field": "bytes", "eq": 25}}, True),
        ({"type": "value_avg", "condition": {"field": "bytes", "lt": 25}}, False),
        ({"type": "value_median", "condition": {"field": "bytes", "lte": 15}}, True),
        ({"type": "value_median", "condition": {"field": "bytes", "gt": 15}}, False),
        ({"type": "value_percentile",
          "condition": {"field": "bytes", "percentile": 90, "gt": 47}}, True),
        ({"type": "value_percentile",
          "condition": {"field": "bytes", "percentile": 25, "gt": 20}}, False),
        ({"type": "event_count", "condition": {"lt": 5}}, True),
        ({"type": "event_count", "condition": {"lte": 3}}, False),
        ({"type": "event_count", "condition": {"eq": 4}}, True),
        ({"type": "event_count", "condition": {"neq": 4}}, False),
    ],
)  # fmt: skip
def test_every_measure_is_of_all_events_in_the_window(
    content: dict[str, Any], true: bool, tmp_path: Path
) -> None:
    sizes = [(10, 80), (10, 22), (20, 443), (60, 22)]
    events = [event(f"10:00:0{n}", bytes=size, port=port) for n, (size, port) in enumerate(sizes)]

    matches = found(tmp_path, {"rules": [FAIL], **content}, *events)

    assert matches == ([[0, 1, 2, 3]] if true else [])


def test_what_is_denied_is_looked_for_until_the_window_ends(tmp_path: Path) -> None:
    content = {"type": "temporal", "condition": f"{FAIL} and not {OK}", "group-by": "user"}
    events = [event("10:00:00", user="u"), event("10:01:00", user="v"),
              event("10:04:00", OK, user="u"), event("10:08:00", OK, user="v")]  # fmt: skip

    assert found(tmp_path, content, *events) == [[1]]


def test_a_correlation_of_correlations_names_the_events_at_the_bottom(tmp_path: Path) -> None:
    three = {**THREE, "title": "three"}
    broken = {"title": "broken in", "type": "temporal_ordered", "rules": ["three", OK],
              "group-by": ["user"]}  # fmt: skip
    events = [*(event(f"10:00:0{n}", user="u") for n in range(3)), event("10:01:00", OK, user="u")]

    matches, _ = run(rules(tmp_path, broken, three), write(tmp_path / "e.ndjson", *events))

    assert matches == [("broken in", 3, [0, 1, 2, 3])]


def test_with_generate_the_rules_match_on_their_own_too(tmp_path: Path) -> None:
    events = [event(f"10:00:0{n}", user="u") for n in range(3)]

    matches, _ = run(
        rules(tmp_path, {**THREE, "generate": True}), write(tmp_path / "e.ndjson", *events)
    )

    assert matches == [(FAIL, 0, None), (FAIL, 1, None), (FAIL, 2, None), ("C", 2, [0, 1, 2])]


def test_files_are_one_stream_and_named_where_events_are_of_several(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{name}.ndjson", *(event(f"10:00:0{n}", user="u") for n in seconds))
        for name, seconds in (("a", (1,)), ("b", (0, 2)))
    ]
    out = io.BytesIO()

    detect([rules(tmp_path, {**THREE})], paths, out=out, err=io.StringIO())

    match = json.loads(out.getvalue())
    assert (match["file"], match["event"]) == (paths[1], 1)
    assert (match["files"], match["events"]) == ([paths[1], paths[0], paths[1]], [0, 0, 1])


def test_events_without_a_time_count_as_they_stand_and_a_remark_says_so(tmp_path: Path) -> None:
    events = [{key: value for key, value in event("10:00:00", user="u").items() if key != "time"}]

    matches, errors = run(rules(tmp_path, {**THREE}), write(tmp_path / "e.ndjson", *events * 3))

    assert matches == [("C", 2, [0, 1, 2])]
    assert "3 matches of rules in correlations are of events without a time" in errors


def test_an_old_condition_with_a_pipe_counts(tmp_path: Path) -> None:
    detection = {**base(FAIL)["detection"], "timeframe": "1m"}
    detection["condition"] += " | count(user) by host > 1"
    path = tmp_path / "old.yml"
    path.write_text(yaml.safe_dump({**base(FAIL), "title": "spray", "detection": detection}))
    events = [event(f"10:00:{n:02}", user=user, host="h") for n, user in enumerate("aab")]

    matches, _ = run(str(path), write(tmp_path / "e.ndjson", *events))

    assert matches == [("spray", 2, [0, 1, 2])]
