"""Rules as Lucene queries: pySigma's back end, told how events lie in the Elasticsearch store."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from elasticsearch import Elasticsearch
from sigma.backends.elasticsearch import LuceneBackend
from sigma.conversion.state import ConversionState
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError, SigmaPlaceholderError
from sigma.rule import SigmaRule
from sigma.types import SigmaRegularExpression, SigmaString

from collectors.logsource import LogSource
from detection.sigma.ruleset import asked_by
from rules.catalog import Rule
from tenants.store.values import walk
from tests.integration.lucene_regex import lucene
from tests.integration.search_kit import Kept

Query = dict[str, Any]
NO_QUERY = (SigmaFeatureNotSupportedByBackendError, SigmaPlaceholderError)
NO_MEMORY = "circuit_breaking_exception"
TOO_MUCH = {"query_shard_exception", NO_MEMORY}
"""What the node says to an expression that costs too much, and to too many wildcards."""
MOST_HITS = 10_000
AT_ONCE = 50
MOST_EFFORT = 100_000
"""That Lucene may spend on the automaton of one expression; its own bound is 10,000."""


class StoredLucene(LuceneBackend):
    """Texts are folded in the index, addresses are texts, and expressions are Lucene's."""

    requires_pipeline: ClassVar[bool] = False
    cidr_expression: ClassVar[str | None] = None  # type: ignore[assignment]

    def convert_value_str(self, s: SigmaString, state: ConversionState) -> str:
        return super().convert_value_str(_folded(s), state)

    def convert_condition_val_str(self, cond: Any, state: ConversionState) -> Any:
        cond.value = _folded(cond.value)
        return super().convert_condition_val_str(cond, state)

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: ConversionState) -> Any:
        return super(LuceneBackend, self).convert_condition_field_eq_val_cidr(cond, state)

    def convert_value_re(self, r: SigmaRegularExpression, state: Any) -> str:  # noqa: ARG002
        flags = sum(r.sigma_to_python_flags[flag] for flag in r.flags)
        return lucene(str(r.regexp), flags)


def found_by_lucene(
    client: Elasticsearch, alias: str, rules: Sequence[Rule], all_kept: Sequence[Kept]
) -> Mapping[str, frozenset[str] | None]:
    """Ids of the events that each rule's query finds; None where it can't be asked.

    What had no memory is asked again by itself, of one log source after another: keywords look at
    fewer fields then. A rule of whose log source there is no event has no parts.
    """
    names = _names(all_kept)
    answers: dict[str, frozenset[str] | None] = {rule.info.id: None for rule in rules}
    crowded: list[Rule] = []
    queries = _queries(rules, names)
    while some := list(islice(queries, AT_ONCE)):
        responses = _asked(client, alias, [each for _, each in some])
        for (rule, _), response in zip(some, responses, strict=True):
            answers[rule.info.id] = _ids(response)
            if NO_MEMORY in _causes(response):
                crowded.append(rule)
    return {**answers, **{rule.info.id: _in_parts(client, alias, rule, names) for rule in crowded}}


def _queries(
    rules: Sequence[Rule], names: Mapping[LogSource, set[str]]
) -> Iterator[tuple[Rule, Query]]:
    for rule in rules:
        asked = asked_by(rule)
        seen = set().union(*(each for source, each in names.items() if source.serves(asked)))
        try:
            yield rule, query(rule.sigma, _of(asked), sorted(seen) or ["none"])
        except NO_QUERY:
            continue


def _in_parts(
    client: Elasticsearch, alias: str, rule: Rule, names: Mapping[LogSource, set[str]]
) -> frozenset[str] | None:
    answers = []
    for source, fields in names.items():
        if source.serves(asked_by(rule)):
            among = {"term": {"soc.logsources": str(source)}}
            [response] = _asked(client, alias, [query(rule.sigma, among, sorted(fields))])
            answers.append(_ids(response))
    found = [ids for ids in answers if ids is not None]
    return frozenset().union(*found) if found and len(found) == len(answers) else None


def _asked(client: Elasticsearch, alias: str, queries: Sequence[Query]) -> Sequence[Any]:
    searches = [part for each in queries for part in ({}, _search(each))]
    responses: Sequence[Any] = client.msearch(index=alias, searches=searches)["responses"]
    return responses


def _names(all_kept: Sequence[Kept]) -> dict[LogSource, set[str]]:
    """The fields that events of each log source have."""
    names: dict[LogSource, set[str]] = {}
    for each in all_kept:
        paths = {path for path, _ in walk(each.fields)}
        for source in each.logsources:
            names.setdefault(source, set()).update(paths)
    return names


def _search(asked: Query) -> dict[str, Any]:
    return {"query": asked, "size": MOST_HITS, "_source": False, "track_total_hits": True}


def _ids(response: Mapping[str, Any]) -> frozenset[str] | None:
    if causes := _causes(response):
        assert causes <= TOO_MUCH, response["error"]
        return None
    found = frozenset(hit["_id"] for hit in response["hits"]["hits"])
    assert len(found) == response["hits"]["total"]["value"]
    return found


def _causes(response: Mapping[str, Any]) -> set[str]:
    error = response.get("error")
    return {cause["type"] for cause in error["root_cause"]} if error else set()


def query(rule: SigmaRule, among: Query, fields: Sequence[str]) -> Query:
    """The rule joined with what its log source is; `fields` are those that keywords look at.

    Raises what pySigma raises for a rule that the back end cannot express.
    """
    texts = StoredLucene().convert_rule(rule)
    either = [
        {
            "query_string": {
                "query": text,
                "fields": list(fields),
                "max_determinized_states": MOST_EFFORT,
            }
        }
        for text in texts
    ]
    return {
        "bool": {
            "filter": [among],
            "should": either,
            "minimum_should_match": 1,
        }
    }


def _of(asked: LogSource) -> Query:
    pattern = "/".join(part or "*" for part in asked)
    return {"wildcard": {"soc.logsources": {"value": pattern}}}


def _folded(value: SigmaString) -> SigmaString:
    return value.map_str_parts(str.lower)
