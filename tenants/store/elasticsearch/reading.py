"""Searching one tenant's slices: the index answers, and what it can't be sure of is looked at.

Pages go by `search_after` over time and id: both never change, so what is written meanwhile moves
nothing, and no point in time has to be held open on the servers between two pages.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from collectors import codec
from tenants.store.blocks import Key
from tenants.store.contract import Page
from tenants.store.elasticsearch import layout
from tenants.store.elasticsearch.connection import Connection
from tenants.store.elasticsearch.document import LOOKED_AT
from tenants.store.elasticsearch.query import (
    INDEXED_WHOLLY,
    LOOKED_AT_ALONE,
    Query,
    all_of,
    any_of,
    asked,
    within,
)
from tenants.store.filter import Filter
from tenants.store.predicate import compiled
from tenants.store.search import place

AT_ONCE = 1_000
LOOKS_A_PAGE = 20
"""Requests that one page makes at most: 20,000 events looked at, about a second."""
_FIELDS = [layout.LINE, layout.FAILED]
_ORDER = [{layout.TIME: "desc"}, {layout.ID: "desc"}]


class _Hit(NamedTuple):
    """An event that the index found, and whether it knows all of it."""

    key: Key
    event: dict[str, Any]
    wholly: bool


def search(
    connection: Connection, alias: str, query: Filter, *, limit: int, after: str | None
) -> Page:
    """One page of what the filter lets through."""
    start = None if after is None else place(after)
    if start is None:
        connection.refresh(alias)
    found = asked(query.expression)
    holds = compiled(query.expression) if query.expression is not None else None
    wholly = all_of([found.query, INDEXED_WHOLLY])
    narrowed = all_of([*within(query), any_of([wholly, LOOKED_AT_ALONE])])
    answers: list[_Hit] = []
    size = limit + 1
    for _ in range(LOOKS_A_PAGE):
        hits = _hits(connection, alias, narrowed, size, start)
        sure = found.exact or holds is None
        answers += [hit for hit in hits if (sure and hit.wholly) or not holds or holds(hit.event)]
        if len(answers) > limit:
            return _page(answers[:limit], answers[limit - 1].key)
        if len(hits) < size:
            return _page(answers, None)
        start, size = hits[-1].key, AT_ONCE
    return _page(answers, start)


def count(connection: Connection, alias: str, query: Filter, *, limit: int | None) -> int:
    """How many events the filter lets through, at most `limit`."""
    connection.refresh(alias)
    found = asked(query.expression)
    times = within(query)
    if query.expression is None:
        return _total(connection, alias, all_of(times), limit)
    total, rest = 0, any_of([all_of([found.query, INDEXED_WHOLLY]), LOOKED_AT_ALONE])
    if found.exact:
        total = _total(connection, alias, all_of([*times, found.query, INDEXED_WHOLLY]), limit)
        rest = LOOKED_AT_ALONE
    holds = compiled(query.expression)
    for hit in _every(connection, alias, all_of([*times, rest])):
        if limit is not None and total >= limit:
            break
        total += holds(hit.event)
    return total if limit is None else min(total, limit)


def get(connection: Connection, alias: str, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
    """These events, in the order asked."""
    if not ids:
        return []
    connection.refresh(alias)
    wanted = {"ids": {"values": list(dict.fromkeys(ids))}}
    hits = _hits(connection, alias, wanted, len(ids), None)
    found = {hit.key.id.hex(): hit.event for hit in hits}
    return [found[id_] for id_ in ids if id_ in found]


def _page(hits: Sequence[_Hit], after: Key | None) -> Page:
    return Page([hit.event for hit in hits], after and f"{after.time}-{after.id.hex()}")


def _every(connection: Connection, alias: str, query: Query) -> Iterator[_Hit]:
    start = None
    while True:
        hits = _hits(connection, alias, query, AT_ONCE, start)
        yield from hits
        if len(hits) < AT_ONCE:
            return
        start = hits[-1].key


def _hits(
    connection: Connection, alias: str, query: Query, size: int, start: Key | None
) -> list[_Hit]:
    more = {} if start is None else {"search_after": [start.time, start.id.hex()]}
    found = connection.search(
        alias,
        query=query,
        size=size,
        sort=_ORDER,
        source=_FIELDS,
        track_total_hits=False,
        **more,
    )
    return [_hit(hit) for hit in found["hits"]]


def _hit(hit: dict[str, Any]) -> _Hit:
    time, id_ = hit["sort"]
    failed = hit["_source"].get(layout.FAILED, ())
    event = codec.loads(hit["_source"][layout.LINE].encode())
    return _Hit(Key(time, bytes.fromhex(id_)), event, not set(LOOKED_AT).intersection(failed))


def _total(connection: Connection, alias: str, query: Query, limit: int | None) -> int:
    found = connection.search(alias, query=query, size=0, track_total_hits=limit or True)
    total: int = found["total"]["value"]
    return total if limit is None else min(total, limit)
