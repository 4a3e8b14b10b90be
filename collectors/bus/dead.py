"""Dead letters: what will never work is set aside where its tenant can see it."""

import base64

import msgspec

from collectors.bus.contract import Record
from collectors.bus.outbox import Letter

DEAD = "dead."
VERSION = 1
KEPT = 512 * 1024
"""Bytes kept of what is set aside; base64 makes them a third more."""
REASON = 2000


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record, or one line of one, that a stage could not use. On `dead.<tenant>`, version 1."""

    v: int
    stage: str
    reason: str
    """What was expected and what came."""
    topic: str
    partition: int
    offset: int
    line: int | None = None
    """Counts from 0 within the record; None for the whole record."""
    size: int
    """Bytes of the whole of it; at most KEPT of them stand below."""
    text: str | None = None
    base64: str | None = None
    """Instead of `text` where the bytes are no UTF-8."""


def dead_letter(
    record: Record,
    reason: str,
    *,
    stage: str,
    line: int | None = None,
    content: bytes | None = None,
) -> Letter:
    """What to put into the outbox for a record, or for one line of it with its content."""
    whole = record.value if content is None else content
    text, encoded = _readable(whole[:KEPT])
    tenant = record.partition.topic.partition(".")[2]
    letter = DeadLetter(
        v=VERSION,
        stage=stage,
        reason=reason.encode("utf-8", "replace").decode()[:REASON],
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        line=line,
        size=len(whole),
        text=text,
        base64=encoded,
    )
    return Letter(DEAD + tenant, msgspec.json.encode(letter), key=tenant)


def _readable(content: bytes) -> tuple[str | None, str | None]:
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(content).decode()
