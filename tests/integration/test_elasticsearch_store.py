"""What only the store on Elasticsearch copes with: mappings, refusals, and a node that ends."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from elasticsearch import Elasticsearch
from prometheus_client import REGISTRY

from collectors.bus.contract import Overloaded
from deploy.local.servers import Running
from tenants.store.contract import EventStore
from tenants.store.elasticsearch import ElasticsearchStore, layout
from tenants.store.filter import Filter
from tenants.store.terms import Equal, Exists, Like, Not
from tests.contract.store_kit import event, found, numbers


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def node(elasticsearch_server: Running) -> Iterator[Elasticsearch]:
    with contextlib.closing(Elasticsearch(elasticsearch_server.elasticsearch)) as client:
        yield client


@pytest.fixture
def store(elasticsearch_server: Running, node: Elasticsearch, prefix: str) -> Iterator[EventStore]:
    with contextlib.closing(
        ElasticsearchStore(elasticsearch_server.elasticsearch, prefix=prefix)
    ) as opened:
        yield opened
    for index in node.indices.get(index=f"{prefix}-*"):
        node.indices.delete(index=index)
    node.options(ignore_status=404).indices.delete_index_template(name=f"{prefix}-events")


def failures(node: Elasticsearch, prefix: str, reason: str) -> int:
    node.indices.refresh(index=f"{prefix}-events-council")
    query = {"term": {layout.FAILED: reason}}
    return int(node.count(index=f"{prefix}-events-council", query=query)["count"])


def marked(reason: str) -> float:
    return REGISTRY.get_sample_value("citysoc_events_marked_total", {"reason": reason}) or 0


def test_types_that_clash_are_fields_all_the_same(
    store: EventStore, node: Elasticsearch, prefix: str
) -> None:
    values: list[Any] = [7, "seven", {"b": 1}, {"b": {"c": True}}, [1, {"b": "x"}], 1.5, None]
    council = store.bind("council")

    council.write([event(n, {"n": n, "a": value}) for n, value in enumerate(values)])

    assert numbers(found(council, "a:*")) == [5, 4, 1, 0]
    assert numbers(found(council, "a.b:*")) == [4, 2]
    assert numbers(found(council, "a.b.c:true")) == [3]
    assert numbers(found(council, "a > 1")) == [5, 0]
    assert failures(node, prefix, "refused") == 0


def test_more_fields_than_an_index_may_have_are_found_too(
    store: EventStore, node: Elasticsearch, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_FIELDS", 60)
    council = store.bind("council")

    before = marked("refused")
    several = [event(n, {"n": n, f"field{n}": "Value", "same": n}) for n in range(100)]
    council.write(several)
    council.write(several)

    assert marked("refused") - before == failures(node, prefix, "refused") > 0
    assert numbers(found(council, "field3:value")) == [3]
    assert numbers(found(council, "field99:VAL*")) == [99]
    assert numbers(found(council, "field98:* and same >= 98")) == [98]
    assert council.count(Filter.parse("value")) == 100


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "_id", "_source", ".a", "a.", " ", "soc.index.x"]
)
def test_names_that_no_index_takes_are_found_too(store: EventStore, name: str) -> None:
    council = store.bind("council")

    # The doors rename what begins with soc; the store takes whatever stands on the bus.
    sent = event(1, {"n": 1, name.replace("soc", "sox"): "Value"})
    council.write([msgspec.structs.replace(sent, line=sent.line.replace(b"sox", b"soc")), event(2)])

    for there in (Equal(name, "VALUE"), Like(name, "v*e"), Exists(name)):
        assert numbers(list(council.search(Filter.of(there)).events)) == [1]
        assert numbers(list(council.search(Filter.of(Not(there))).events)) == [2]


def test_a_value_too_long_for_the_index_is_found_by_looking(
    store: EventStore, node: Elasticsearch, prefix: str
) -> None:
    council = store.bind("council")
    script = "Get-Item; " * 5_000 + "Invoke-Mimikatz"
    before = marked("long")

    council.write([event(1, {"n": 1, "ScriptBlockText": script}), *map(event, range(2, 9))])

    assert failures(node, prefix, "long") == 1
    assert marked("long") == before + 1
    assert numbers(found(council, "ScriptBlockText:*invoke-mimikatz")) == [1]
    assert numbers(found(council, "not ScriptBlockText:*invoke-mimikatz n < 4")) == [3, 2]
    assert council.count(Filter.parse("ScriptBlockText:*invoke-mimikatz")) == 1
    assert numbers(found(council, "mimikatz")) == [1]


def test_a_word_longer_than_a_token_is_a_word(store: EventStore) -> None:
    council = store.bind("council")
    blob = "QQBt" * 200

    council.write([event(1, {"n": 1, "text": f"powershell -enc {blob} end"}), event(2)])

    for text in (blob, f'"enc {blob} end"', "*tQQB*", "qqbt*", "powershell", blob[:-4] + "*"):
        assert numbers(found(council, text)) == [1], text
    assert found(council, blob[:-1]) == []
    assert found(council, '"enc end"') == []


def test_a_real_field_can_be_asked_by_its_name_in_any_case(
    store: EventStore, node: Elasticsearch, prefix: str
) -> None:
    store.bind("council").write([event(1, {"Image": r"C:\Windows\Whoami.EXE", "EventID": 4688})])
    node.indices.refresh(index=f"{prefix}-events-council")

    hits = node.search(index=f"{prefix}-events-council", q=r"Image:*\\WHOAMI.exe AND EventID:4688")

    assert hits["hits"]["total"]["value"] == 1


def test_a_tenant_has_an_alias_that_names_its_slices_alone(
    store: EventStore, node: Elasticsearch, prefix: str
) -> None:
    for tenant in ("council", "council2"):
        store.bind(tenant).write([event(1, tenant=tenant)])

    indices = list(node.indices.get_alias(name=f"{prefix}-events-council"))

    assert indices == [f"{prefix}-events-council-2026-11"]


def test_a_node_that_ends_is_overload_and_comes_back_with_everything(
    own_servers: Callable[..., Running],
) -> None:
    running = own_servers("elasticsearch")
    with contextlib.closing(ElasticsearchStore(running.elasticsearch)) as opened:
        council = opened.bind("council")
        council.write([event(1), event(2)])

        running.kill("elasticsearch")
        for attempt in (lambda: council.write([event(3)]), lambda: found(council)):
            with pytest.raises(Overloaded):
                attempt()
        running.restart("elasticsearch")

        assert council.write([event(2), event(3)]) == 1
        assert numbers(found(council)) == [3, 2, 1]
