"""Sends files through the HTTP door, as if they were happening now; a repeat doubles nothing."""

import gzip
import hashlib
import http.client
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from collectors.bus.contract import Malformed, Overloaded
from collectors.codec import dumps
from collectors.intake import MAX_EVENT
from collectors.sources.files import FileRecord, read_events

PATH = "/ingest/events"
BATCH_EVENTS = 500
BATCH_BYTES = 1 << 20
BATCHES_A_SECOND = 5
"""With a rate, batches are as small as this asks for."""
PATIENCE = 60.0
"""Seconds that an overloaded or absent door is tried again."""
TIMEOUT = 60.0
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it so far."""

    path: str = ""
    """The file under way."""
    accepted: int = 0
    unparsed: int = 0
    """Of those, kept without being understood."""
    skipped: int = 0
    """Records that could not be read from the file, or are too large to send."""


class _Batch(NamedTuple):
    first: int
    """Index of its first event among those sent from the file."""
    lines: Sequence[bytes]
    skipped: int


def replay(
    paths: Sequence[str],
    url: str,
    token: str,
    *,
    rate: float | None = None,
    progress: Callable[[Replayed], None] | None = None,
    patience: float = PATIENCE,
) -> Replayed:
    """Send all events of the files, in order, to the door at `url` (`http://127.0.0.1:8601`).

    `rate` is events a second, None as fast as the door takes them. Every event's id comes from
    the file's digest and the event's place in it, so a second run is the same events again.
    Raises Malformed for an address or token that will never work or a file of no known kind,
    Overloaded when the door did not take a batch within `patience` seconds, OSError for a file
    that can't be read.
    """
    door = _Door(url, token, patience)
    done = Replayed()
    started, sent = time.monotonic(), 0
    size = BATCH_EVENTS if rate is None else max(1, min(BATCH_EVENTS, int(rate / BATCHES_A_SECOND)))
    try:
        for path in paths:
            key = _key(path)
            for batch in _batches(read_events(path), size):
                if rate is not None:
                    time.sleep(max(0.0, started + sent / rate - time.monotonic()))
                answer = door.send(batch, key)
                sent += len(batch.lines)
                done = Replayed(
                    path=path,
                    accepted=done.accepted + answer.accepted,
                    unparsed=done.unparsed + answer.unparsed,
                    skipped=done.skipped + batch.skipped,
                )
                if progress is not None:
                    progress(done)
    finally:
        door.close()
    return done


def _key(path: str) -> str:
    """What tells this file's events from any other's; standard input is new every time."""
    if path == "-":
        return secrets.token_hex(16)
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _batches(records: Iterator[FileRecord], size: int) -> Iterator[_Batch]:
    first, held, lines, skipped = 0, 0, list[bytes](), 0
    for record in records:
        line = _line(record)
        if line is None:
            skipped += 1
            continue
        if lines and (len(lines) >= size or held + len(line) > BATCH_BYTES):
            yield _Batch(first, lines, skipped)
            first, held, lines, skipped = first + len(lines), 0, [], 0
        lines.append(line)
        held += len(line)
    if lines or skipped:
        yield _Batch(first, lines, skipped)


def _line(record: FileRecord) -> bytes | None:
    """The record as one line to send; None where there is nothing to send."""
    line = record.line
    if line is None:
        line = dumps(record.fields) if record.fields is not None else b""
    return line if 0 < len(line) <= MAX_EVENT else None


class _Answer(msgspec.Struct, frozen=True):
    accepted: int = 0
    unparsed: int = 0


class _Why(msgspec.Struct, frozen=True):
    error: str = "no reason given"
    do: str = "look at the door's log"


class _Door:
    """One connection that is made again when it breaks."""

    def __init__(self, url: str, token: str, patience: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Malformed(f"expected an address such as http://127.0.0.1:8601, got {url!r}")
        https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._path = PATH if parts.path in ("", "/") else parts.path
        self._token = token
        self._url = url
        self._patience = patience

    def send(self, batch: _Batch, key: str) -> _Answer:
        """Send until it is taken; the key makes a repeat harmless."""
        if not batch.lines:
            return _Answer()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "text/plain",
            "Content-Encoding": "gzip",
            "Idempotency-Key": key,
            "Idempotency-Offset": str(batch.first),
        }
        body = gzip.compress(b"\n".join(batch.lines), compresslevel=1)
        give_up = time.monotonic() + self._patience
        wait = FIRST_WAIT
        while True:
            try:
                return self._post(body, headers)
            except Overloaded as error:
                if time.monotonic() + wait > give_up:
                    raise Overloaded(
                        f"{self._url} took nothing in {self._patience:.0f} s: {error}"
                    ) from error
            time.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _post(self, body: bytes, headers: dict[str, str]) -> _Answer:
        try:
            self._connection.request("POST", self._path, body, headers)
            response = self._connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Overloaded(f"no answer ({error or type(error).__name__})") from error
        if status == 202:
            return msgspec.json.decode(answer, type=_Answer)
        why = _why(answer)
        if status in (408, 429) or status >= 500:
            raise Overloaded(f"{status}: {why.error}")
        raise Malformed(f"{self._url} refused the events with {status}: {why.error}; {why.do}")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _why(answer: bytes) -> _Why:
    try:
        return msgspec.json.decode(answer, type=_Why)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Why(error=answer[:200].decode("utf-8", "replace") or "no reason given")
