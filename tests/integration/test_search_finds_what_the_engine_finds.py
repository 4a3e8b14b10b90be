"""Public rules as queries over stored events: they find what the engine matches."""

import contextlib
import os
import random
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from elasticsearch import Elasticsearch

from deploy.local.servers import Running
from detection.sigma.ruleset import build
from rules.catalog import Rule, read
from tenants.store.elasticsearch import ElasticsearchStore
from tenants.store.embedded import EmbeddedStore
from tests.integration.lucene_kit import found_by_lucene
from tests.integration.search_differences import LUCENE, OF_EVERY_RULE, SQLITE, Reason, holds
from tests.integration.search_kit import TENANT, Kept, found_by_engine, kept, unlike, write
from tests.integration.sqlite_kit import found_by_sqlite

RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
WHOLE = os.environ.get("CITYSOC_LONG") == "1"
"""All rules over all events, as `make faults` has it; else some rules, and a part of what matches
none.
"""
RULES = 3_754 if WHOLE else 300
EVERY = 1 if WHOLE else 50
MAY_DIFFER = 15
HARD_ON_THE_NODE = {
    "06d71506-7beb-4f22-8888-e2e5e2ca7fd8",  # twenty keywords in each of hundreds of fields
    *(rule for rule, reason in LUCENE.items() if reason is Reason.WILDCARDS),
}
"""Asked only where no other test uses the node: it may have no memory left for them meanwhile."""


class Compared(NamedTuple):
    """What one side, the engine, says."""

    events: list[Kept]
    rules: list[Rule]
    all_rules: list[Rule]
    found: Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def compared(corpora: Path) -> Compared:
    catalog = read([corpora / "sigma-rules" / name for name in RULE_SETS])
    events = list(kept(corpora))
    found = found_by_engine(build(catalog, "public"), events)
    matched = frozenset().union(*found.values())
    events = [
        each for at, each in enumerate(events) if at % EVERY == 0 or each.stored.id in matched
    ]
    left_out = set() if WHOLE else HARD_ON_THE_NODE
    wanted = {*found, *LUCENE, *SQLITE} - left_out
    others = [rule.info.id for rule in catalog.rules if rule.info.id not in wanted | left_out]
    wanted |= set(random.Random(5).sample(others, max(0, RULES - len(wanted))))
    return Compared(
        events, [rule for rule in catalog.rules if rule.info.id in wanted], catalog.rules, found
    )


@pytest.fixture(scope="module")
def elasticsearch(
    elasticsearch_server: Running,
) -> Iterator[tuple[ElasticsearchStore, Elasticsearch]]:
    url, prefix = elasticsearch_server.elasticsearch, f"t{secrets.token_hex(6)}"
    with contextlib.closing(Elasticsearch(url, request_timeout=600)) as client:
        store = ElasticsearchStore(url, prefix=prefix, timeout=120)
        yield store, client
        store.drop(TENANT)
        store.close()
        client.indices.delete_index_template(name=f"{prefix}-events")


def test_elasticsearch_finds_what_the_engine_finds(
    compared: Compared, elasticsearch: tuple[ElasticsearchStore, Elasticsearch]
) -> None:
    store, client = elasticsearch
    write(store.bind(TENANT), compared.events)
    store.connection.refresh(store.alias(TENANT))

    answers = found_by_lucene(client, store.alias(TENANT), compared.rules, compared.events)

    differ(answers, compared, LUCENE)


def test_sqlite_finds_what_the_engine_finds(compared: Compared, tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    write(store.bind(TENANT), compared.events)

    answers = found_by_sqlite(store.bind(TENANT), compared.rules)

    differ(answers, compared, SQLITE)


def differ(
    answers: Mapping[str, frozenset[str] | None],
    compared: Compared,
    reasons: Mapping[str, Reason],
) -> None:
    """The rules that differ are those listed, and each is as its reason says."""
    differing = unlike(answers, compared.found)
    events = {each.stored.id: each.fields for each in compared.events}
    rules = {rule.info.id: rule for rule in compared.rules}

    assert len(compared.found) > 200
    assert len(answers) >= RULES
    assert len(reasons) <= MAY_DIFFER
    assert set(differing) == reasons.keys() & rules.keys()
    for rule, reason in reasons.items():
        if rule not in rules:
            continue
        only_one_side = [events[id_] for id_ in differing[rule]]
        assert holds(reason, rules[rule].sigma, only_one_side), (rule, reason)


@pytest.mark.parametrize(("back_end", "reasons"), [("lucene", LUCENE), ("sqlite", SQLITE)])
def test_a_reason_that_needs_no_event_lists_every_rule_that_has_it(
    back_end: str, reasons: Mapping[str, Reason], compared: Compared
) -> None:
    for reason in OF_EVERY_RULE[back_end]:
        having = {rule.info.id for rule in compared.all_rules if holds(reason, rule.sigma, [])}

        assert having == {rule for rule, why in reasons.items() if why is reason}
