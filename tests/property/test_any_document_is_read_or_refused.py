"""Whatever stands in a rule file, it is a rule or a fault with its place, and stops no other."""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.sigma.ruleset import build
from rules.catalog import read
from rules.checks import check
from rules.documents import Fault
from tests.property.test_engine_agrees_with_oracle import no_stored_databases

__all__ = ["no_stored_databases"]

GOOD = """title: Good
id: 00000000-0000-4000-8000-000000000001
name: good
logsource: {product: linux}
detection: {sel: {user: root}, condition: sel}
"""
HEAD = {"title": "Some", "status": "test", "level": "high", "tags": ["attack.t1003"]}
DOCUMENTS: list[dict[str, Any]] = [
    {
        **HEAD,
        "id": "00000000-0000-4000-8000-000000000002",
        "logsource": {"product": "windows", "category": "process_creation"},
        "detection": {
            "sel_a": {"Image|endswith": ["a", "b"], "User|cidr": "10.0.0.0/8", "n|gt": 3},
            "sel_b": [{"a|re|i": "x+"}, {"b": None}],
            "words": ["one", "two"],
            "condition": "1 of sel_* and not words",
        },
    },
    {
        **HEAD,
        "logsource": {"service": "sshd"},
        "detection": {"sel": {"a": 1}, "timeframe": "5m", "condition": "sel | count() by a > 3"},
    },
    {
        **HEAD,
        "id": "00000000-0000-4000-8000-000000000003",
        "correlation": {
            "type": "value_count",
            "rules": ["good"],
            "group-by": ["user"],
            "timespan": "10m",
            "condition": {"gte": 3, "field": "host"},
            "aliases": {"who": {"good": "user"}},
        },
    },
    {
        **HEAD,
        "logsource": {"product": "linux"},
        "filter": {"rules": ["good"], "who": {"user": "jane"}, "condition": "not who"},
    },
]
ODD = st.one_of(
    st.sampled_from([None, True, 0, -1, 4688, 10**400, 1.5, float("nan"), "", "*", "x", "good"]),
    st.sampled_from(
        ["1 of them", "a and", "sel | near b", "not", "%list%", "10m", "any", "|", "("]
    ),
    st.dates(),
    st.binary(max_size=3),
    st.sampled_from([[], {}, [[]], [{}], [None], {"a": {"b": 1}}, {1: 2}, {None: "x"}, [1, ["x"]]]),
    st.sampled_from(
        [{"a|nonsense": 1}, {"a|re": "("}, {"a|re": "(?<=x)"}, {"|all": ["x"]}, {"": 1}]
    ),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all parts of a document."""
    if not isinstance(node, dict | list):
        return
    for key, child in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*path, key)
        yield from places(child, (*path, key))


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A document in order but for one or two parts: another value, another name, or left out."""
    document = deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(list(places(document))))
        parent: Any = document
        for key in way:
            parent = parent[key]
        how = draw(st.sampled_from(["value", "value", "name", "nothing"]))
        value = parent.pop(last) if how != "value" else deepcopy(draw(ODD))
        if how == "value":
            parent[last] = value
        elif how == "name" and isinstance(parent, dict):
            parent[draw(st.sampled_from([0, None, True, "", "x", "_x", "condition", 1.5]))] = value
    return document


@settings(
    max_examples=8_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(spoilt())
def test_a_spoilt_document_is_read_or_refused_and_stops_no_other(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spoilt"
    folder.mkdir(exist_ok=True)
    (folder / "good.yml").write_text(GOOD)
    (folder / "other.yml").write_text(yaml.safe_dump(document, sort_keys=False))

    faults = check([folder])
    catalog = read([folder])
    engine = build(catalog, "test")

    assert "Good" in [rule.title for rule in engine.rules.values()]
    assert all(_placed(fault, folder) for fault in (*engine.faults, *engine.notices))
    whole = len(catalog.rules) + len(catalog.correlations) + len(catalog.filters)
    assert whole > 1 or engine.faults
    assert faults or not engine.faults


def _placed(fault: Fault, folder: Path) -> bool:
    return fault.path == str(folder / "other.yml") and fault.line >= 1 and bool(fault.message)
