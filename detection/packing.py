"""Lines into records: as many as fit, so that no record passes the bus's limit."""

from collections.abc import Iterable, Iterator

RECORD_BYTES = 900_000
"""Well under what a bus takes (1 MiB), so that headers and key never matter."""


def pack(lines: Iterable[bytes], limit: int = RECORD_BYTES) -> Iterator[bytes]:
    """NDJSON values of at most `limit` bytes, in order; a line longer than that stands alone."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        if waiting and size + len(line) + 1 > limit:
            yield b"\n".join(waiting)
            waiting, size = [], 0
        waiting.append(line)
        size += len(line) + 1
    if waiting:
        yield b"\n".join(waiting)
