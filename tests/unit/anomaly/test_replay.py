"""Replay: what the model makes of files, whatever they look like and in whatever order."""

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.bus.contract import Malformed
from detection.anomaly.budget import Standing
from detection.anomaly.profile import Profile, read
from detection.anomaly.reading import pairs
from detection.anomaly.replay import Replay, Verdict, read_verdicts
from detection.anomaly.watch import Judged
from tests.lifts import window

START = 1_764_201_600.0
PROFILE = read(
    b"{entity: host, kind: host, window: 15m, facets: {type: kind, change: {follows: kind}}}",
    "doors",
)
NOVEL = ("implant", "beacon", "exfiltrate", "wipe", "ransom", "encrypt")


def _ordinary(days: int = 3, hosts: int = 6) -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        {
            "time": START + day * 86400 + quarter * 900 + chance.random() * 800,
            "host": f"lift-{host}",
            "kind": chance.choice(("open", "close", "close", "check")),
        }
        for day in range(days)
        for quarter in range(0, 96, 2)
        for host in range(hosts)
        for _ in range(3)
    ]


def _attack(day: float, host: str = "lift-2") -> list[dict[str, Any]]:
    return [
        {"time": START + day * 86400 + 60 * number, "host": host, "kind": kind}
        for number, kind in enumerate(NOVEL)
    ]


def _file(folder: Path, events: Sequence[dict[str, Any]], name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, events)))
    return path


def _judged(
    path: Path, *, profile: Profile = PROFILE, verdicts: Sequence[Verdict] = ()
) -> list[Judged]:
    return list(Replay("docks", profile, budget=5.0, verdicts=verdicts).run([path]))


def _numbers(judged: Sequence[Judged]) -> list[tuple[Any, ...]]:
    return [
        (each.behaviour.entity, each.behaviour.start, each.raw, each.p, each.alert)
        for each in judged
    ]


def test_a_burst_of_new_things_is_alerted_and_named(tmp_path: Path) -> None:
    path = _file(tmp_path, _ordinary() + _attack(2.5))

    alerts = [each for each in _judged(path) if each.alert]

    assert [each.behaviour.entity for each in alerts] == ["lift-2"]
    assert "novelty" in alerts[0].views
    said = next(each.text for each in alerts[0].reasons if each.view == "novelty")
    assert "never shown" in said
    assert any(kind in said for kind in NOVEL)


def test_a_quiet_history_raises_none(tmp_path: Path) -> None:
    assert not [each for each in _judged(_file(tmp_path, _ordinary())) if each.alert]


def test_whatever_comes_a_day_has_no_more_alerts_than_the_budget(tmp_path: Path) -> None:
    flood = [
        {
            "time": START + 2 * 86400 + hour * 3600 + host,
            "host": f"lift-{host}",
            "kind": f"{hour}{n}",
        }
        for hour in range(20)
        for host in range(6)
        for n in range(4)
    ]
    run = Replay("docks", PROFILE, budget=3.0)

    judged = list(run.run([_file(tmp_path, _ordinary() + flood)]))

    wanted = {each.behaviour.entity for each in judged if each.standing is not Standing.NOTHING}
    opened = [each.behaviour.entity for each in judged if each.standing is Standing.OPENS]
    hours = {(each.behaviour.entity, each.behaviour.start // 3600) for each in judged if each.alert}
    assert len(wanted) > 3
    assert len(set(opened)) == len(opened) == 3
    assert len(hours) <= 6


def test_the_future_changes_no_score(tmp_path: Path) -> None:
    events = _ordinary()
    cut = START + 2.2 * 86400
    past = [event for event in events if event["time"] < cut]
    future = [event for event in events if event["time"] >= cut]
    times = [event["time"] for event in future]
    random.Random(3).shuffle(times)
    other = [{**event, "time": time} for event, time in zip(future, times, strict=True)]

    first = _judged(_file(tmp_path, past + future, "a.ndjson"))
    second = _judged(_file(tmp_path, past + other + _attack(2.6), "b.ndjson"))

    ends = cut // 900 * 900
    assert [each for each in _numbers(first) if each[1] + 900 <= ends] == [
        each for each in _numbers(second) if each[1] + 900 <= ends
    ]


def test_order_and_repeats_in_a_file_do_not_matter(tmp_path: Path) -> None:
    events = [
        {**event, "soc": {"id": f"{number:032x}", "time": None}}
        for number, event in enumerate(_ordinary(2) + _attack(1.5))
    ]
    shuffled = events + events[:100]
    random.Random(5).shuffle(shuffled)

    first = _judged(_file(tmp_path, events, "a.ndjson"))
    second = _judged(_file(tmp_path, shuffled, "b.ndjson"))

    assert _numbers(first) == _numbers(second)


def test_a_csv_a_zeek_log_and_a_packed_file_say_the_same(tmp_path: Path) -> None:
    events = _ordinary(2)
    rows = [(str(each["time"]), each["host"], each["kind"]) for each in events]
    table = tmp_path / "events.csv"
    table.write_text("time,host,kind\n" + "\n".join(map(",".join, rows)))
    zeek = tmp_path / "events.log.gz"
    head = "#separator \\x09\n#fields\ttime\thost\tkind\n"
    zeek.write_bytes(gzip.compress((head + "\n".join(map("\t".join, rows))).encode()))

    wanted = _numbers(_judged(_file(tmp_path, events)))

    assert _numbers(_judged(table)) == wanted
    assert _numbers(_judged(zeek)) == wanted


def test_plain_lines_are_commands_of_the_file_s_user(tmp_path: Path) -> None:
    profile = read(
        b"{entity: user, kind: user, window: {events: 10}, facets: {command: command}}", "unix"
    )
    path = tmp_path / "ada.txt"
    path.write_text("\n".join(["ls", "cd"] * 10))
    run = Replay("docks", profile, budget=1.0)

    lines = [json.loads(run.line(each)) for each in run.run([path])]

    assert [(each["entity"], each["start"], each["end"]) for each in lines] == [
        ("ada", 0, 10),
        ("ada", 10, 20),
    ]


def test_a_line_has_exactly_the_promised_keys(tmp_path: Path) -> None:
    run = Replay("docks", PROFILE, budget=5.0)

    lines = [json.loads(run.line(each)) for each in run.run([_file(tmp_path, _ordinary(2))])]

    keys = ["tenant", "entity", "start", "end", "views", "score", "p", "reasons"]
    assert all(list(each) == keys for each in lines)
    assert lines[-1]["start"].endswith("Z")


def test_nothing_is_learned_from_a_confirmed_attack(tmp_path: Path) -> None:
    path = _file(tmp_path, _ordinary(4) + _attack(2.5) + _attack(3.75))
    start = (START + 2.5 * 86400) // 900 * 900
    verdict = Verdict("lift-2", start, "attack")

    unjudged, judged = _judged(path), _judged(path, verdicts=[verdict])

    again = (START + 3.75 * 86400) // 900 * 900
    before, after = (window(found, "lift-2", again) for found in (unjudged, judged))
    assert after.alert
    assert after.score > before.score


def test_what_is_no_verdict_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.ndjson"
    path.write_text('{"entity": "a", "start": 1.0, "verdict": "attack"}\n{"entity": "a"}\n')

    with pytest.raises(Malformed, match=r"verdicts\.ndjson:2: expected a verdict"):
        read_verdicts(path)


def test_a_map_of_names_is_read_strictly() -> None:
    assert pairs("time=ts, host=id.orig_h") == {"time": "ts", "host": "id.orig_h"}
    with pytest.raises(ValueError, match="expected time=FIELD"):
        pairs("time")
