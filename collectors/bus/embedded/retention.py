"""Removing old records, but none that the slowest known group has still to read."""

from collections.abc import Iterator
from typing import NamedTuple

from collectors.bus.embedded.file import BusFile
from collectors.bus.embedded.logs import OFFSET_BITS, Log, find_logs, offset_at, row_id

CHUNK = 200
"""Records removed in one transaction, so that a writer never waits long."""


class Rule(NamedTuple):
    """What a topic keeps: seconds, and bytes for each partition."""

    seconds: float | None
    bytes: int | None


def enforce(file: BusFile, now: float) -> int:
    """Remove what no topic keeps at `now`; the number of records removed. Raises Overloaded."""
    rules = _rules(file)
    removed = 0
    for log in find_logs(file).values():
        end = min(_unkept(file, log, rules[log.partition.topic], now), _unread(file, log))
        removed += sum(_remove(file, log, end))
    return removed


def remove_doomed(file: BusFile) -> None:
    """Remove the records of deleted topics; goes on where a crash has interrupted it."""
    for (log,) in file.query("SELECT log FROM doomed"):
        removed = CHUNK
        while removed == CHUNK:
            with file.writing() as connection:
                removed = connection.execute(
                    "DELETE FROM records WHERE id IN"
                    " (SELECT id FROM records WHERE id >= ? AND id < ? LIMIT ?)",
                    (row_id(log, 0), row_id(log + 1, 0), CHUNK),
                ).rowcount
                if removed < CHUNK:
                    connection.execute("DELETE FROM doomed WHERE log = ?", (log,))


def _rules(file: BusFile) -> dict[str, Rule]:
    rows = file.query(
        "SELECT name, seconds, topics.bytes, count(*) FROM topics JOIN logs ON topic = name"
        " GROUP BY name"
    )
    return {
        name: Rule(seconds, None if limit is None else limit // partitions)
        for name, seconds, limit, partitions in rows
    }


def _unkept(file: BusFile, log: Log, rule: Rule, now: float) -> int:
    """The first offset that the topic's rule keeps."""
    end = log.start
    if rule.seconds is not None:
        end = offset_at(file, log, now - rule.seconds)
    if rule.bytes is not None:
        end = max(end, _over(file, log, rule.bytes))
    return end


def _over(file: BusFile, log: Log, limit: int) -> int:
    """The first offset from which on the log has at most `limit` bytes."""
    surplus = file.query("SELECT bytes FROM logs WHERE id = ?", (log.id,))[0][0] - limit
    end = log.start
    if surplus > 0:
        lengths = file.rows(
            "SELECT id, length(value) FROM records WHERE id >= ? AND id < ? ORDER BY id",
            (row_id(log.id, log.start), row_id(log.id, log.next)),
        )
        for id_, length in lengths:
            if surplus <= 0:
                break
            surplus -= length
            end = (id_ & ((1 << OFFSET_BITS) - 1)) + 1
    return end


def _unread(file: BusFile, log: Log) -> int:
    """The first offset that some group which subscribes to the log has not read."""
    rows = file.query(
        "SELECT min(coalesce(offset, 0)) FROM subscriptions AS s"
        " LEFT JOIN positions AS p ON p.grp = s.grp AND p.log = ?"
        " WHERE substr(?, 1, length(s.prefix)) = s.prefix",
        (log.id, log.partition.topic),
    )
    slowest = rows[0][0]
    return log.next if slowest is None else min(slowest, log.next)


def _remove(file: BusFile, log: Log, end: int) -> Iterator[int]:
    for start in range(log.start, end, CHUNK):
        stop = min(start + CHUNK, end)
        rows = (row_id(log.id, start), row_id(log.id, stop))
        with file.writing() as connection:
            freed = connection.execute(
                "SELECT coalesce(sum(length(value)), 0) FROM records WHERE id >= ? AND id < ?", rows
            ).fetchone()[0]
            gone = connection.execute("DELETE FROM records WHERE id >= ? AND id < ?", rows).rowcount
            connection.execute(
                "UPDATE logs SET start = max(start, ?), bytes = bytes - ? WHERE id = ?",
                (stop, freed, log.id),
            )
        yield gone
