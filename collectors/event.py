"""What an event is: the sender's own fields, and one object `soc` that says how it came to us."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from collectors import codec

VERSION = 1
READABLE = frozenset({VERSION})
"""Versions that decode takes: this one and, once there is one, the one before."""
RESERVED = "soc"
RENAMED = "sender_"
"""Stands before a sender's own `soc`, or `soc.anything`, which search would take for ours."""
RENAMED_MARK = "renamed_soc"


class Soc(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope. All times are UTC, as `timestamp` writes them."""

    v: int
    id: str
    tenant: str
    source: str
    received: str
    time: str
    """The event's own time, or the receipt's where it has none."""
    related: dict[str, list[str]] = {}
    """Keys `user`, `host`, `ip`, `hash`; normalised values, the most telling first."""
    marks: tuple[str, ...] = ()
    original: str | None = None
    """The raw line, where the fields are not simply the line's own object."""
    schema: str = ""
    """Whose names the fields have (rules/mappings), as the source declares; empty for Sigma's own.

    Readers that do not know it look for Sigma's names, so it needs no new version.
    """
    logsources: tuple[str, ...] = ()
    """Each `product/category/service`. The last, as readers first look at how a line ends."""


_encode_soc = msgspec.json.Encoder().encode


def timestamp(moment: datetime) -> str:
    """`2026-11-24T13:47:03.123456Z`, always this wide, so that text sorts as time does.

    Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"expected a time with a zone, got {moment.isoformat()}")
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def event_id(tenant: str, source: str, key: str, digest: str) -> str:
    """32 hex digits: the same for the same event however often it is sent.

    `key` tells the sender's events apart (its own id, or a position in a file or request), and
    `digest` is `content_digest` of the line: a reused key with other content is another event.
    """
    text = f"{tenant}\x00{source}\x00{key}\x00{digest}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_digest(line: bytes) -> str:
    """32 hex digits over the line as it was sent."""
    return hashlib.blake2b(line, digest_size=16).hexdigest()


def encode(fields: dict[str, Any], soc: Soc) -> bytes:
    """One NDJSON line without its newline; a sender's own `soc` goes on as `sender_soc`, marked."""
    own = codec.dumps(fields)
    # One look at the bytes is far less than one at every name.
    if b'"soc' in own and any(map(_is_reserved, fields)):
        own = codec.dumps(_renamed(fields))
        if RENAMED_MARK not in soc.marks:
            soc = msgspec.structs.replace(soc, marks=(*soc.marks, RENAMED_MARK))
    try:
        envelope = _encode_soc(soc)
    except UnicodeEncodeError:
        envelope = codec.dumps(msgspec.to_builtins(soc))
    if not fields:
        return b'{"soc":' + envelope + b"}"
    return own[:-1] + b',"soc":' + envelope + b"}"


def _is_reserved(name: str) -> bool:
    return name == RESERVED or name.startswith(f"{RESERVED}.")


def _renamed(fields: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, value in fields.items():
        new = RENAMED + name if _is_reserved(name) else name
        while new != name and new in fields:
            new = RENAMED + new
        made[new] = value
    return made


def decode(line: bytes) -> tuple[dict[str, Any], Soc]:
    """Undo encode. Raises ValueError for anything that is not an event of a version we read."""
    fields = codec.loads(line)
    if not isinstance(fields, dict) or "soc" not in fields:
        raise ValueError("expected a JSON object with an object `soc`")
    try:
        soc = msgspec.convert(fields.pop("soc"), Soc)
    except msgspec.ValidationError as error:
        raise ValueError(f"the event's `soc` is not one of ours: {error}") from error
    if soc.v not in READABLE:
        raise ValueError(f"event version {soc.v}; this program reads {sorted(READABLE)}")
    return fields, soc
