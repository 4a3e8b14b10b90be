"""Where records stand in the file, and how a place in a log is found."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from collectors.bus.contract import Partition, Record
from collectors.bus.embedded.file import BusFile

OFFSET_BITS = 40
"""A record's row id is its log's id and its offset side by side: a log is a range of rows."""


class Log(NamedTuple):
    """One partition as it stands: kept offsets are start <= offset < next."""

    id: int
    partition: Partition
    start: int
    next: int


def row_id(log: int, offset: int) -> int:
    """The row of a record."""
    return log << OFFSET_BITS | offset


def find_logs(file: BusFile, prefix: str = "") -> dict[int, Log]:
    """Every log whose topic begins with `prefix`, by id."""
    rows = file.query(
        "SELECT id, topic, number, start, next FROM logs"
        " WHERE substr(topic, 1, length(?)) = ? ORDER BY topic, number",
        (prefix, prefix),
    )
    return {row[0]: Log(row[0], Partition(row[1], row[2]), row[3], row[4]) for row in rows}


def read_records(file: BusFile, log: Log, offset: int, limit: int) -> Iterator[Record]:
    """Up to `limit` records from `offset` on, read as they are asked for."""
    rows = file.rows(
        "SELECT id, time, key, headers, value FROM records WHERE id >= ? AND id < ?"
        " ORDER BY id LIMIT ?",
        (row_id(log.id, offset), row_id(log.id, log.next), limit),
    )
    for id_, time, key, headers, value in rows:
        yield Record(
            partition=log.partition,
            offset=id_ - row_id(log.id, 0),
            time=time,
            key=key,
            headers=_decode_headers(headers),
            value=value,
        )


def record_time(file: BusFile, log: int, offset: int) -> float | None:
    """When the bus took a record, None where there is none."""
    rows = file.query("SELECT time FROM records WHERE id = ?", (row_id(log, offset),))
    return float(rows[0][0]) if rows else None


def offset_at(file: BusFile, log: Log, time: float) -> int:
    """The first kept offset that the bus took at or after `time`; `next` where there is none.

    Times never fall within a log, so halving finds it.
    """
    low, high = log.start, log.next
    while low < high:
        middle = (low + high) // 2
        taken = record_time(file, log.id, middle)
        # a record that retention has removed meanwhile is an old one
        if taken is None or taken < time:
            low = middle + 1
        else:
            high = middle
    return low


def encode_headers(headers: Mapping[str, str] | None) -> str | None:
    """As they stand in the file; None for none."""
    return msgspec.json.encode(headers).decode() if headers else None


def _decode_headers(text: str | None) -> Mapping[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}
