"""Writing to one slice: in bulks of bounded size, some under way; each event once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from collectors import codec, metrics
from collectors.bus.contract import Overloaded
from tenants.store.blocks import Entry
from tenants.store.elasticsearch import layout
from tenants.store.elasticsearch.connection import Connection, is_not_now
from tenants.store.elasticsearch.document import Level, document

BULK_EVENTS = 500
BULK_BYTES = 4 << 20
"""One bulk ends before it passes either, unless one event alone does; the node takes 100 MB."""
UNDER_WAY = 3
"""While the node indexes one bulk or two, the next is made."""
_CREATED, _KNOWN, _GONE, _REFUSED = 201, 409, 404, 400
_NEXT = {Level.FIELDS: Level.PAIRS, Level.PAIRS: Level.BARE}


class SliceGone(Exception):
    """Somebody dropped the slice since it was last seen."""


class Written(NamedTuple):
    """How many events were new, and those that the index refused to take at this level."""

    new: int
    refused: Sequence[Entry]


def write(connection: Connection, alias: str, entries: Sequence[Entry]) -> int:
    """Keep these; returns how many were new. Raises Overloaded, SliceGone."""
    new = 0
    level: Level | None = Level.FIELDS
    while entries:
        if level is None:
            raise RuntimeError(f"{alias}: the index refuses even the raw lines of events")
        written = _write_at(connection, alias, entries, level)
        new += written.new
        entries, level = written.refused, _NEXT.get(level)
    return new


def _write_at(
    connection: Connection, alias: str, entries: Sequence[Entry], level: Level
) -> Written:
    with ThreadPoolExecutor(UNDER_WAY) as pool:
        each = list(pool.map(lambda some: _send(connection, alias, some, level), _cut(entries)))
    return Written(sum(one.new for one in each), [entry for one in each for entry in one.refused])


def _cut(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and (len(group) == BULK_EVENTS or size + 2 * len(entry.line) > BULK_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        # The line itself, and its values beside it.
        size += 2 * len(entry.line)
    if group:
        yield group


def _send(connection: Connection, alias: str, entries: Sequence[Entry], level: Level) -> Written:
    documents = [document(entry, level) for entry in entries]
    lines: list[bytes] = []
    for made in documents:
        lines.append(b'{"create":{"_id":"%s"}}' % made[layout.ID].encode())
        lines.append(codec.dumps(made))
    items = connection.bulk(alias, lines)
    for item in items:
        if is_not_now(item):
            raise Overloaded(f"{alias}: {item['error']}")
        if item["status"] == _GONE:
            raise SliceGone(alias)
        if item["status"] not in (_CREATED, _KNOWN, _REFUSED):
            raise RuntimeError(f"{alias}: unexpected answer to a bulk: {item}")
    for made, item in zip(documents, items, strict=True):
        if item["status"] == _CREATED:
            for reason in made.get(layout.FAILED, ()):
                metrics.EVENTS_MARKED.labels(reason).inc()
    both = list(zip(entries, items, strict=True))
    return Written(
        sum(item["status"] == _CREATED for _, item in both),
        [entry for entry, item in both if item["status"] == _REFUSED],
    )
