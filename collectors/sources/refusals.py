"""Every way in which the HTTP door says no: what came, what is expected, what to do."""

from collections.abc import Sequence

from collectors.intake import MAX_EVENT

MAX_COMPRESSED = 16 << 20
MAX_BODY = 64 << 20
RETRY_AFTER = 2
"""Seconds that an overloaded door asks its senders to wait."""


class Refusal(Exception):
    """A request is not taken and nothing of it is kept: what came, what is expected, what to do."""

    def __init__(
        self, status: int, reason: str, came: str, *, expected: str, do: str, allow: str = ""
    ) -> None:
        super().__init__(came)
        self.status = status
        self.reason = reason
        """A short word for the metric."""
        self.answer = {"error": came, "expected": expected, "do": do}
        self.headers: list[tuple[bytes, bytes]] = []
        if status == 503:
            self.headers.append((b"retry-after", b"%d" % RETRY_AFTER))
        if status == 401:
            self.headers.append((b"www-authenticate", b'Bearer realm="citysoc"'))
        if allow:
            self.headers.append((b"allow", allow.encode("ascii")))


def unknown_token(token: str) -> Refusal:
    """401: the token is no route's, or there is none."""
    return Refusal(
        401,
        "token",
        "an unknown token" if token else "no bearer token",
        expected="Authorization: Bearer <the source's token>",
        do="use the token that was shown when the source was added, or have a new one made",
    )


def unknown_path(path: str) -> Refusal:
    """404."""
    return Refusal(
        404,
        "path",
        f"no path {path[:200]!r} here",
        expected="POST /ingest/events",
        do="send events to /ingest/events",
    )


def wrong_method(method: str, allowed: Sequence[str]) -> Refusal:
    """405."""
    return Refusal(
        405,
        "method",
        f"the method {method}",
        expected=" or ".join(allowed),
        do=f"use {allowed[0]}",
        allow=", ".join(allowed),
    )


def unknown_encoding(encoding: str) -> Refusal:
    """415."""
    return Refusal(
        415,
        "encoding",
        f"Content-Encoding: {encoding[:100]}",
        expected="gzip, or no Content-Encoding",
        do="compress with gzip or send the body as it is",
    )


def broken(came: str) -> Refusal:
    """400: the body can't be taken apart."""
    return Refusal(
        400,
        "broken",
        came,
        expected="a whole gzip stream, and a whole JSON array where the body begins as one",
        do="send the batch again in one piece; lines that only look like an array go in with "
        "Content-Type: text/plain",
    )


def too_slow(came: str, chunk_seconds: float, body_seconds: float) -> Refusal:
    """408: the body did not come in time."""
    return Refusal(
        408,
        "slow",
        came,
        expected=f"a pause of at most {chunk_seconds:.0f} s, {body_seconds:.0f} s in all",
        do="send smaller batches",
    )


def too_large(came: str) -> Refusal:
    """413."""
    return Refusal(
        413,
        "size",
        came,
        expected=f"at most {MAX_COMPRESSED:,} bytes gzipped and {MAX_BODY:,} bytes plain or "
        f"decompressed; one event at most {MAX_EVENT:,} bytes",
        do="send smaller batches",
    )


def busy(came: str) -> Refusal:
    """503: not now."""
    return Refusal(
        503,
        "overloaded",
        came,
        expected="a moment's patience",
        do=f"send the same request again in {RETRY_AFTER} s, best with an Idempotency-Key",
    )
