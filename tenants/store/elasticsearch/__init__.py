"""The event store where a city outgrows one machine."""

from tenants.store.elasticsearch.store import ElasticsearchStore

__all__ = ["ElasticsearchStore"]
