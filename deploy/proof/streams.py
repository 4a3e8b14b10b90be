"""The real log streams, and the tenant and door that each goes through."""

import gzip
import itertools
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

BATCH = 200
"""Events a request."""
PATIENCE = 120.0
"""Seconds that a door which answers 503 is asked again."""
TENANTS = ("council", "nhstrust", "school")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the corpora; its source is named after it."""

    file: str
    tenant: str
    kind: str
    body: str = "ndjson"
    """`ndjson`, `array` (a JSON array a request), or `syslog` (TCP)."""

    @property
    def source(self) -> str:
        """The source's name, and what results are reported under."""
        return self.file.split(".")[0]


STREAMS = (
    Stream(file="windows.ndjson.gz", tenant="council", kind="windows"),
    Stream(file="aws-cloudtrail.ndjson.gz", tenant="council", kind="aws", body="array"),
    Stream(file="zeek.ndjson.gz", tenant="nhstrust", kind="zeek"),
    Stream(file="suricata-eve.ndjson.gz", tenant="nhstrust", kind="suricata"),
    Stream(file="apache-access.log.gz", tenant="school", kind="web"),
    Stream(file="linux-auth.log.gz", tenant="school", kind="linux", body="syslog"),
)


def write_shortened(stream: Stream, corpora: Path, folder: Path, limit: int | None) -> Path:
    """The stream's first `limit` lines as a file of its own name, so that both sides read it."""
    target = folder / stream.file.removesuffix(".gz")
    with gzip.open(corpora / "streams" / stream.file) as lines:
        target.write_bytes(b"".join(itertools.islice(lines, limit)))
    return target


def send(
    stream: Stream,
    path: Path,
    door: dict[str, Any],
    progress: Callable[[int], None],
) -> None:
    """Send every line of `path`; `door` has `url` and `token`, or `host` and `port` for syslog."""
    lines = path.read_bytes().splitlines()
    if stream.body == "syslog":
        with socket.create_connection((door["host"], door["port"]), timeout=60) as connection:
            for batch in _batches(lines):
                connection.sendall(b"\n".join(batch) + b"\n")
                progress(len(batch))
        return
    for number, batch in enumerate(_batches(lines)):
        body = b"[" + b",".join(batch) + b"]" if stream.body == "array" else b"\n".join(batch)
        _post(door, body, f"{stream.source}-{number}", expected=len(batch))
        progress(len(batch))


def _batches(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(lines), BATCH):
        yield lines[start : start + BATCH]


def _post(door: dict[str, Any], body: bytes, key: str, expected: int) -> None:
    """Until the door takes it, as a partner's sender would; the key makes a repeat harmless."""
    headers = {
        "Authorization": f"Bearer {door['token']}",
        "Content-Encoding": "gzip",
        "Idempotency-Key": key,
    }
    body = gzip.compress(body, 1)
    deadline = time.monotonic() + PATIENCE
    while True:
        request = urllib.request.Request(door["url"], body, headers)  # noqa: S310 – our own door
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                taken = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            if taken["accepted"] != expected:
                raise AssertionError(f"the door took {taken} of {expected} events")
            return
