"""What the tests of the store contract share: the adapters, and events to store."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from collectors.event import Soc, encode, event_id
from tenants.store.contract import EventStore, StoredEvent, TenantStore
from tenants.store.elasticsearch import ElasticsearchStore
from tenants.store.embedded import EmbeddedStore
from tenants.store.filter import Filter
from tests.servers import start


class Embedded:
    """SQLite files; with small blocks and pages, so that a few events fill many."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "store"
        self.child = (
            "from pathlib import Path\n"
            "from tenants.store.embedded import EmbeddedStore\n"
            f"store = EmbeddedStore(Path({str(self.folder)!r}))\n"
        )
        """What another process runs to open the same store."""
        patch.setattr("tenants.store.blocks.MAX_EVENTS", 8)
        patch.setattr("tenants.store.slice.MAX_EVENTS", 8)
        patch.setattr("tenants.store.search.BLOCKS_A_PAGE", 3)

    def open(self) -> EmbeddedStore:
        return EmbeddedStore(self.folder)


class OnElasticsearch:
    """A real node, shared with other tests: indices with a prefix of this test's own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.url = start("elasticsearch").elasticsearch
        self.prefix = f"t{secrets.token_hex(6)}"
        self.child = (
            "from tenants.store.elasticsearch import ElasticsearchStore\n"
            f"store = ElasticsearchStore({self.url!r}, prefix={self.prefix!r})\n"
        )
        patch.setattr("tenants.store.elasticsearch.reading.AT_ONCE", 7)
        patch.setattr("tenants.store.elasticsearch.reading.LOOKS_A_PAGE", 3)
        patch.setattr("tenants.store.elasticsearch.writing.BULK_EVENTS", 8)

    def open(self) -> ElasticsearchStore:
        return ElasticsearchStore(self.url, prefix=self.prefix)

    def clean(self) -> None:
        """Leave nothing of this test on the node."""
        with contextlib.closing(Elasticsearch(self.url)) as client:
            for index in client.indices.get(index=f"{self.prefix}-*"):
                client.indices.delete(index=index)
            template = f"{self.prefix}-events"
            client.options(ignore_status=404).indices.delete_index_template(name=template)


@pytest.fixture(params=["embedded", "elasticsearch"])
def store_adapter(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    if request.param == "embedded":
        yield Embedded(tmp_path, monkeypatch)
        return
    adapter = OnElasticsearch(monkeypatch)
    try:
        yield adapter
    finally:
        adapter.clean()


@pytest.fixture
def event_store(store_adapter: Any) -> Iterator[EventStore]:
    with contextlib.closing(store_adapter.open()) as opened:
        yield opened


@pytest.fixture
def council(event_store: EventStore) -> TenantStore:
    return event_store.bind("council")


def event(
    number: int,
    fields: dict[str, Any] | None = None,
    *,
    second: int | None = None,
    received: str = "2026-11-24T13:00:00.000000Z",
    source: str = "dc-1",
    related: dict[str, list[str]] | None = None,
    tenant: str = "council",
) -> StoredEvent:
    """The event of this number; its time is so many seconds after 13:00."""
    at = number if second is None else second
    time = f"2026-11-24T{13 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000000Z"
    id_ = event_id(tenant, source, str(number), "")
    soc = Soc(
        v=1,
        id=id_,
        tenant=tenant,
        source=source,
        received=received,
        time=time,
        related=related or {},
    )
    line = encode({"n": number} if fields is None else fields, soc)
    return StoredEvent(id=id_, time=time, received=received, source=source, line=line)


def pages(store: TenantStore, query: Filter, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Every page of a search."""
    after = None
    while True:
        page = store.search(query, limit=limit, after=after)
        yield list(page.events)
        after = page.after
        if after is None:
            return


def found(store: TenantStore, text: str = "", limit: int = 1000) -> list[dict[str, Any]]:
    """All that a filter's text lets through, newest first."""
    return [one for page in pages(store, Filter.parse(text), limit) for one in page]


def numbers(events: list[dict[str, Any]]) -> list[int]:
    """The numbers of events that event() made."""
    return [one["n"] for one in events]
