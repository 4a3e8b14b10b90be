"""What pySigma's own back ends make of a feature: `python -m tests.rules.back_ends`, as JSON.

In a process of its own, because citysoc teaches pySigma more than it comes with.
"""

import json
from typing import Any

import yaml
from sigma.backends.elasticsearch import LuceneBackend
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

LOGSOURCE = {"product": "windows"}
SELECTIONS: dict[str, list[Any]] = {
    "keywords": [["whoami"]],
    "`cased`": [{"a|cased": "Ab"}],
    "`re` with `i` `m` `s`": [{"a|re|i": "a"}],
    "`utf16le`": [{"a|utf16le|base64": "ab"}],
    "UTF-16 beyond ASCII": [{"a|wide|base64": "\u00e9"}],
    "`cidr`": [{"a|cidr": "10.0.0.0/8"}, {"a|cidr": "fe80::/10"}],
    "`minute` to `year`": [{f"a|{part}": 1} for part in ("minute", "hour", "day", "week", "year")],
    "`fieldref`, also in parts": [{"a|fieldref": "b"}, {"a|fieldref|startswith": "b"}],
}
CORRELATIONS: dict[str, dict[str, Any]] = {
    "event_count": {"gte": 3},
    "value_count": {"gte": 3, "field": "f"},
    "temporal": {},
    "temporal_ordered": {},
    "value_sum": {"gte": 3, "field": "f"},
    "value_avg": {"gte": 3, "field": "f"},
    "value_median": {"gte": 3, "field": "f"},
    "value_percentile": {"gte": 3, "field": "f", "percentile": 50},
}


def documents(feature: str) -> list[list[dict[str, Any]]]:
    """Sets of rules that ask for a feature, each to be converted by itself."""
    if feature != "correlations":
        return [[_rule("one", selection)] for selection in SELECTIONS[feature]]
    rules = [_rule("one", {"a": 1}), _rule("two", {"b": 1})]
    return [[*rules, _correlation(kind, condition)] for kind, condition in CORRELATIONS.items()]


def _rule(name: str, selection: Any) -> dict[str, Any]:
    detection = {"selection": selection, "condition": "selection"}
    return {"title": name, "name": name, "logsource": LOGSOURCE, "detection": detection}


def _correlation(kind: str, condition: dict[str, Any]) -> dict[str, Any]:
    section: dict[str, Any] = {"type": kind, "group-by": ["user"], "timespan": "5m"}
    section["rules"] = ["one"] if condition else ["one", "two"]
    if condition:
        section["condition"] = condition
    return {"title": kind, "correlation": section}


def converts(back_end: Any, rules: list[dict[str, Any]]) -> bool:
    """Whether the back end has a query for the rules."""
    try:
        back_end.convert(SigmaCollection.from_yaml(yaml.safe_dump_all(rules)))
    except (SigmaError, NotImplementedError):
        return False
    return True


if __name__ == "__main__":
    print(
        json.dumps(
            {
                feature: [
                    all(converts(back_end(), rules) for rules in documents(feature))
                    for back_end in (LuceneBackend, sqliteBackend)
                ]
                for feature in [*SELECTIONS, "correlations"]
            }
        )
    )
