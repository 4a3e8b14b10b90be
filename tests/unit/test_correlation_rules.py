"""Which correlations load, which are refused and why, and what old conditions become."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import rules
from detection.sigma import Engine, load
from rules.catalog import read
from rules.checks import check
from rules.correlations import Correlation

IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(9)]
SOURCE = {"product": "linux", "service": "sshd"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path_factory.mktemp("cache")))


def rule(number: int, name: str, **detection: Any) -> dict[str, Any]:
    detection = detection or {"selection": {"action": name}, "condition": "selection"}
    head = {"title": name, "id": IDS[number], "name": name, "level": "low"}
    return {**head, "logsource": SOURCE, "detection": detection}


def correlation(number: int, name: str, **content: Any) -> dict[str, Any]:
    content = {"type": "event_count", "timespan": "5m", "condition": {"gte": 3}, **content}
    content = {key: value for key, value in content.items() if value is not None}
    return {
        "title": name, "id": IDS[number], "name": name, "level": "high", "correlation": content
    }  # fmt: skip


def loaded(folder: Path, *documents: dict[str, Any]) -> Engine:
    (folder / "rules.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return load([folder])


def test_a_correlation_refers_by_name_or_by_id(tmp_path: Path) -> None:
    by_name = correlation(3, "many", rules=["fail"])
    by_id = correlation(4, "any", rules=[IDS[1].upper(), "ok"], type="temporal", condition=None)

    engine = loaded(tmp_path, by_name, by_id, rule(1, "fail"), rule(2, "ok"))

    assert [each.rules for each in engine.correlations] == [(IDS[1],), (IDS[1], IDS[2])]
    assert (engine.faults, engine.failed, engine.size) == ((), 0, 4)


def test_a_correlation_stands_after_those_that_it_refers_to(tmp_path: Path) -> None:
    outer = correlation(3, "outer", rules=["inner", "ok"], type="temporal", condition=None)

    engine = loaded(tmp_path, outer, correlation(4, "inner", rules="fail"), rule(1, "fail"),
                    rule(2, "ok"))  # fmt: skip

    assert [each.info.title for each in engine.correlations] == ["inner", "outer"]


def test_what_serves_a_correlation_matches_on_its_own_only_if_that_says_so(tmp_path: Path) -> None:
    spoken = correlation(3, "many", rules=["fail"], generate=True)

    engine = loaded(tmp_path, spoken, correlation(4, "some", rules=["ok"]), rule(1, "fail"),
                    rule(2, "ok"))  # fmt: skip

    assert engine.unspoken == {IDS[2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"type": "often"}, "'often' is no valid Sigma correlation type"),
        ({"timespan": "soon"}, "Timespan 'soon' is invalid"),
        ({"timespan": None}, "without timespan"),
        ({"condition": None}, "without condition"),
        ({"condition": {"near": 3}}, "exactly one condition item"),
        ({"condition": {"gte": 100_001}}, "expected at most 100000"),
        ({"rules": ["nobody"]}, "no rule has the id or name 'nobody'"),
        ({"rules": ["fail", "fail"]}, "named twice"),
        ({"rules": []}, "1 to 100 rules, got 0"),
        ({"rules": ["many"]}, "refers to itself"),
        ({"type": "value_count"}, "without field reference"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "a"}}, "percentile"),
        ({"type": "value_sum", "condition": {"gte": 1, "field": ["a", "b"]}}, "one field, got 2"),
        ({"type": "temporal", "condition": {"gte": 2}}, "asks for 2 different rules and names 1"),
        ({"type": "temporal", "rules": None, "condition": "fail and"}, "parse extended condition"),
        ({"condition": "fail and not fail"}, "only be used with temporal"),
    ],
)
def test_a_correlation_that_cannot_be_meant_is_refused_where_it_stands(
    content: dict[str, Any], message: str, tmp_path: Path
) -> None:
    many = correlation(3, "many", **{"rules": ["fail"], **content})

    engine = loaded(tmp_path, rule(1, "fail"), many)

    assert (engine.correlations, engine.failed) == ([], 1)
    assert {fault.line for fault in engine.faults} == {17}
    assert message in " ".join(fault.message for fault in engine.faults)
    assert set(engine.faults) <= set(check([tmp_path]))


def test_a_ring_of_correlations_is_refused_whole(tmp_path: Path) -> None:
    ring = [correlation(3, "x", rules=["y"]), correlation(4, "y", rules=["x", "fail"])]

    engine = loaded(tmp_path, *ring, rule(1, "fail"))

    assert (engine.correlations, engine.failed) == ([], 2)
    assert "itself" in engine.faults[0].message


def test_a_name_of_two_rules_is_no_reference(tmp_path: Path) -> None:
    twins = [{**rule(1, "fail"), "title": "a"}, {**rule(2, "fail"), "title": "b"}]

    engine = loaded(tmp_path, *twins, correlation(3, "many", rules=["fail"]))

    assert [fault.message for fault in engine.faults] == [
        "correlation: the name 'fail' is that of 2 rules; refer by id"
    ]


def test_a_refused_rule_takes_its_correlations_with_it(tmp_path: Path) -> None:
    bad = rule(1, "fail", selection={"a": "x"}, condition="nothing")

    engine = loaded(tmp_path, bad, correlation(3, "many", rules=["fail"]))

    assert (engine.correlations, engine.failed) == ([], 2)
    assert any(f"the rule {IDS[1]} that it refers to is refused" in f.message
               for f in engine.faults)  # fmt: skip


def old(condition: str, folder: Path, timeframe: str | None = "10m") -> Correlation:
    detection: dict[str, Any] = {"selection": {"action": "fail"}, "condition": condition}
    if timeframe is not None:
        detection["timeframe"] = timeframe
    engine = loaded(folder, rule(1, "fail", **detection))
    assert (engine.faults, engine.size) == ((), 1)
    [found] = engine.correlations
    assert found.rules == tuple(engine.rules)
    assert engine.unspoken == set(engine.rules)
    return found


def test_an_old_condition_with_a_pipe_becomes_a_correlation_with_its_id(tmp_path: Path) -> None:
    found = old("selection | count(user) by host, src_ip >= 5", tmp_path)

    assert (found.info.id, found.info.title, found.info.level) == (IDS[1], "fail", "low")
    assert (found.kind, found.fields, found.group_by) == (
        "value_count", ("user",), ("host", "src_ip"),
    )  # fmt: skip
    assert (found.op, found.threshold, found.timespan) == ("gte", 5, 600)


@pytest.mark.parametrize(
    ("condition", "kind", "op", "threshold"),
    [
        ("selection | count() > 10", "event_count", "gt", 10),
        ("selection | count() by host < 5", "event_count", "lt", 5),
        ("selection |sum(bytes) by host>300000", "value_sum", "gt", 300000),
        ("selection | avg(bytes) by host <= 1.5", "value_avg", "lte", 1.5),
        ("selection | count( user ) == 2", "value_count", "eq", 2),
    ],
)
def test_every_old_aggregation_has_its_correlation(
    condition: str, kind: str, op: str, threshold: float, tmp_path: Path
) -> None:
    found = old(condition, tmp_path)

    assert (found.kind, found.op, found.threshold) == (kind, op, threshold)


def test_an_old_condition_without_a_timeframe_is_given_a_day(tmp_path: Path) -> None:
    assert old("selection | count() > 1", tmp_path, None).timespan == 86_400


def test_46_of_the_public_old_rules_load_and_the_others_say_why(corpora: Path) -> None:
    catalog = read([corpora / "sigma-rules" / "unsupported"])

    refused = [fault for fault in catalog.faults if "pipe" in fault.message]
    assert len(catalog.correlations) == 46
    assert len(refused) == 8
    assert all("`| near` never said how near" in fault.message for fault in refused)


def test_the_example_for_rule_authors_loads_beside_its_rules(tmp_path: Path) -> None:
    readme = Path(rules.__file__).with_name("README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(title: [^`]*\ncorrelation:.*?)```", readme, re.DOTALL)
    many = correlation(3, "many_failures", rules=["fail"])

    engine = loaded(
        tmp_path, yaml.safe_load(example), many, rule(1, "fail"), rule(2, "login_success")
    )

    assert (len(engine.correlations), engine.faults) == (2, ())
