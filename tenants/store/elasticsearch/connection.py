"""Talking to Elasticsearch: what the store asks of it, and which of its answers mean not now."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, Elasticsearch, NotFoundError, TransportError

from collectors.bus.contract import Overloaded

_NOT_NOW = frozenset({429, 502, 503, 504})
_NOT_NOW_TYPES = frozenset({"cluster_block_exception", "mapper_exception"})
"""A full disk, no master at present, or one too busy to take new fields in time."""


class Connection:
    """One cluster, for any number of threads; every failure to answer is Overloaded."""

    def __init__(
        self, url: str, *, user: str, password: str, ca_file: Path | None, timeout: float
    ) -> None:
        self._client = Elasticsearch(
            url,
            basic_auth=(user, password) if user else None,
            ca_certs=DEFAULT if ca_file is None else str(ca_file),
            request_timeout=timeout,
            max_retries=0,
        )

    def close(self) -> None:
        """Let go of it."""
        self._client.close()

    def put_template(self, name: str, template: Mapping[str, Any]) -> None:
        """Put the index template in place, or anew."""
        with _told():
            self._client.indices.put_index_template(name=name, **template)

    def create(self, index: str, aliases: Sequence[str]) -> None:
        """Make an index with these aliases; nothing where it is there."""
        try:
            with _told():
                self._client.indices.create(index=index, aliases={name: {} for name in aliases})
        except ApiError as error:
            if error.error != "resource_already_exists_exception":
                raise

    def indices(self, alias: str) -> Sequence[str]:
        """The names of the indices that have the alias, in order."""
        try:
            with _told():
                return sorted(self._client.indices.get_alias(name=alias).body)
        except NotFoundError:
            return []

    def delete(self, index: str) -> None:
        """Remove an index with all that is in it."""
        with _told():
            self._client.indices.delete(index=index, ignore_unavailable=True)

    def refresh(self, alias: str) -> None:
        """Let searches see all that has been written."""
        with _told():
            self._client.indices.refresh(index=alias, ignore_unavailable=True)

    def bulk(self, alias: str, lines: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        """The `status` and `error`, if any, of each of these actions, which are JSON already."""
        with _told():
            answer = self._client.bulk(
                index=alias,
                operations=lines,
                require_alias=True,
                filter_path=["items.*.status", "items.*.error.type", "items.*.error.reason"],
            )
        return [item["create"] for item in answer["items"]]

    def known(self, alias: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids the slice holds, the latest writes too."""
        if not ids:
            return set()
        with _told():
            answer = self._client.mget(
                index=alias, ids=ids, source=False, filter_path=["docs._id", "docs.found"]
            )
        return {found["_id"] for found in answer["docs"] if found.get("found")}

    def search(self, alias: str, **body: Any) -> Mapping[str, Any]:
        """The `hits` of a search over all shards, or over none; without the alias, no hits."""
        try:
            with _told():
                answer = self._client.search(
                    index=alias, allow_partial_search_results=False, **body
                )
        except NotFoundError:
            return {"hits": [], "total": {"value": 0}}
        hits: Mapping[str, Any] = answer["hits"]
        return hits


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except TransportError as error:
        raise Overloaded(f"Elasticsearch does not answer: {error}") from error
    except ApiError as error:
        if error.status_code in _NOT_NOW or error.error in _NOT_NOW_TYPES:
            raise Overloaded(f"Elasticsearch can't do it now: {error}") from error
        raise


def is_not_now(item: Mapping[str, Any]) -> bool:
    """Whether one item of a bulk was refused only for now."""
    return item["status"] in _NOT_NOW or item.get("error", {}).get("type") in _NOT_NOW_TYPES
