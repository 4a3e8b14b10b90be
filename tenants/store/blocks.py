"""Blocks: some hundred events packed together, newest first, with their times and ids in front."""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from collectors import codec
from collectors.bus.contract import Malformed
from collectors.event import timestamp

MAX_EVENTS = 512
MAX_BYTES = 1 << 20
"""A block is closed before it passes either, unless one event alone does."""
_HEAD = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Key(NamedTuple):
    """The order of events in search: event time in microseconds since 1970, then id."""

    time: int
    id: bytes


class Entry(NamedTuple):
    """One event on its way into a block: its own fields, and its envelope apart."""

    key: Key
    line: bytes
    fields: dict[str, Any]
    soc: Any


class Block(NamedTuple):
    """A packed block; `heads` are the keys and `data` the lines, compressed."""

    newest: int
    oldest: int
    events: int
    heads: bytes
    data: bytes


def microseconds(time: str) -> int:
    """A time as text in microseconds since 1970. Raises ValueError."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def time_text(time: int) -> str:
    """Undo microseconds()."""
    return timestamp(_EPOCH + time * _MICROSECOND)


def entry(key: Key, line: bytes) -> Entry:
    """Decode a line, and write it anew as codec.dumps does: stored lines are all of one form.

    Raises Malformed or ValueError unless the line is one JSON object.
    """
    fields = codec.loads(line)
    if not isinstance(fields, dict):
        raise Malformed(f"expected one JSON object, found {line[:50]!r}")
    line = codec.dumps(fields)
    return Entry(key, line, fields, fields.pop("soc", None))


def cut(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    """Group entries by time, so that each block spans as little of it as can be."""
    group: list[Entry] = []
    size = 0
    for entry in sorted(entries, key=lambda entry: entry.key, reverse=True):
        if group and (len(group) == MAX_EVENTS or size + len(entry.line) > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += len(entry.line)
    if group:
        yield group


def pack(entries: Sequence[Entry]) -> Block:
    """Pack what cut() grouped."""
    return Block(
        newest=entries[0].key.time,
        oldest=entries[-1].key.time,
        events=len(entries),
        heads=b"".join(_HEAD.pack(*entry.key) for entry in entries),
        data=zlib.compress(b"\n".join(entry.line for entry in entries), 1),
    )


def keys(heads: bytes) -> Sequence[Key]:
    """The keys of a block, newest first."""
    return [Key(*head) for head in _HEAD.iter_unpack(heads)]


def unpack(data: bytes) -> bytes:
    """The lines of a block, in the order of its keys, with newlines between. Raises zlib.error."""
    return zlib.decompress(data)
