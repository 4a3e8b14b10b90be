"""Turns what a door received into enveloped events and packs those into records for the bus."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from collectors.codec import dumps, within
from collectors.event import VERSION, Soc, content_digest, encode, event_id, timestamp
from collectors.fields import related
from collectors.formats import Parsed, formats, parse
from collectors.formats.parsed import FIELDS_CUT, PARSE_FAILED
from collectors.recognise import logsources
from collectors.route import Route

MAX_EVENT = 900_000
"""Bytes of one event, as it came and as it stands on the bus."""
MAX_RECORD = 64 * 1024
"""Bytes that a record of several events is filled to."""
MAX_LISTED = 1_000
"""Unparsed line numbers that an answer lists; the total goes on."""
MAX_CUT_TEXT = 100_000
"""Characters kept of an event that does not fit even without its original."""
AHEAD = timedelta(minutes=5)
LATE = timedelta(hours=24)
SYSLOG_ID = "citysoc@32473"
"""Structured data (RFC 5424) in which a sender may give its own id, so that a repeat is known."""
UNPARSED_MARKS = frozenset({PARSE_FAILED, FIELDS_CUT, "cut"})
MAX_FIELD_VALUES = 9_000
"""Values in an event's fields: what readers take of one document, less room for the envelope."""


class Line(NamedTuple):
    """One event as it came: bytes, and how its sender would find it again."""

    number: int
    """Counts from 1 within the request: the line, or the element of an array."""
    data: bytes
    format: str = ""
    """What the carrier already knows (`json` for an array's element), else the route's format."""
    marks: tuple[str, ...] = ()


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ids of a request's events come from; the first that is there wins."""

    field: str = ""
    """Top-level field that holds the sender's own id of each event."""
    key: str = ""
    """The request's Idempotency-Key; an event is then this key, `first` and its line number."""
    first: int = 0
    """Idempotency-Offset: how many events of the same key were in requests before this one."""
    nonce: str
    """128 random bits as hex, drawn when the request was accepted."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Encoded events of one source, ready for the bus."""

    topic: str
    key: str
    kind: str = "events"
    """What its records say that they hold."""
    lines: Sequence[bytes]
    size: int
    """Bytes of all lines."""
    unparsed: int = 0
    """Events kept without being understood, or cut."""
    unparsed_lines: Sequence[int] = ()
    """Their numbers, the first MAX_LISTED of them."""


def admit(
    route: Route,
    lines: Iterable[Line],
    *,
    received: datetime,
    identity: Identity,
    marks: Sequence[str] = (),
) -> Batch:
    """Envelope every line for the route's tenant and source; nothing is dropped, and never raises.

    Tenant and source come from the route alone. `marks` are put on every event.
    """
    encoded: list[bytes] = []
    unparsed: list[int] = []
    door = _Door(route, received, identity, tuple(marks))
    for line in lines:
        event, understood = door.envelope(line)
        encoded.append(event)
        if not understood:
            unparsed.append(line.number)
    return Batch(
        topic=f"events.{route.tenant}",
        key=route.source,
        lines=encoded,
        size=sum(map(len, encoded)),
        unparsed=len(unparsed),
        unparsed_lines=unparsed[:MAX_LISTED],
    )


def records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Pack lines, in order, into NDJSON values of up to MAX_RECORD; a longer line stands alone."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) >= MAX_RECORD:
            yield b"\n".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    if held:
        yield b"\n".join(held)


class _Door:
    """What is the same for all events of one request."""

    def __init__(
        self, route: Route, received: datetime, identity: Identity, marks: tuple[str, ...]
    ) -> None:
        self._route = route
        # A format that this version does not know must not stop every tenant's door.
        self._format = route.format if route.format in formats() else "auto"
        self._received = received
        self._received_text = timestamp(received)
        self._latest = received + AHEAD
        self._oldest = received - LATE
        self._identity = identity
        self._marks = marks

    def envelope(self, line: Line) -> tuple[bytes, bool]:
        """The event's line for the bus, and whether it was understood whole."""
        route = self._route
        parsed = _within(
            parse(line.data, line.format or self._format, received=self._received), line.data
        )
        sources = logsources(parsed.fields, parsed.format, route.logsources)
        time, time_marks = self._time(parsed.time)
        marks = parsed.marks + line.marks + self._marks + time_marks
        key = self._key(parsed.fields, line.number)
        soc = Soc(
            v=VERSION,
            id=event_id(route.tenant, route.source, key, content_digest(line.data)),
            tenant=route.tenant,
            source=route.source,
            received=self._received_text,
            time=time,
            logsources=tuple(map(str, sources)),
            related=related(parsed.fields, sources),
            marks=marks,
            original=_original(parsed, line.data),
            schema=route.schema,
        )
        event, soc = _encode_bounded(parsed.fields, soc, line.data)
        return event, UNPARSED_MARKS.isdisjoint(soc.marks)

    def _time(self, said: datetime | None) -> tuple[str, tuple[str, ...]]:
        if said is None:
            return self._received_text, ()
        if said > self._latest:
            return self._received_text, ("clock_ahead",)
        return timestamp(said), ("late",) if said < self._oldest else ()

    def _key(self, fields: dict[str, Any], number: int) -> str:
        identity = self._identity
        if identity.field:
            own = fields.get(identity.field)
            if isinstance(own, str | int) and own != "" and not isinstance(own, bool):
                return f"id:{own}"
        if own := _syslog_id(fields):
            return f"id:{own}"
        if identity.key:
            return f"key:{identity.key}:{identity.first + number}"
        return f"{identity.nonce}:{number}"


def _within(parsed: Parsed, data: bytes) -> Parsed:
    """No more values than readers take. Where some are left out, keywords still see the text."""
    fields, cut = parsed.fields, FIELDS_CUT in parsed.marks
    if cut or len(data) > MAX_FIELD_VALUES:  # fewer bytes can't hold as many values
        fields, less = within(fields, MAX_FIELD_VALUES)
        cut = cut or less
    if not cut:
        return parsed
    fields = {"message": data.decode("utf-8", "replace"), **fields}
    marks = tuple(dict.fromkeys((*parsed.marks, FIELDS_CUT)))
    return msgspec.structs.replace(parsed, fields=fields, marks=marks, verbatim=False)


def _syslog_id(fields: dict[str, Any]) -> str:
    """The id that a syslog sender gave in `[citysoc@32473 id="…"]`, empty without one."""
    data = fields.get("structured_data")
    element = data.get(SYSLOG_ID) if isinstance(data, dict) else None
    own = element.get("id") if isinstance(element, dict) else None
    return own if isinstance(own, str) else ""


def _original(parsed: Parsed, data: bytes) -> str | None:
    """The raw line, unless the fields are it: its own object, or a message with all of it."""
    if parsed.verbatim:
        return None
    text = data.decode("utf-8", "replace")
    return None if parsed.fields.get("message") == text else text


def _encode_bounded(fields: dict[str, Any], soc: Soc, data: bytes) -> tuple[bytes, Soc]:
    """Encode within MAX_EVENT: first without the original, then without the longest fields."""
    event = encode(fields, soc)
    if len(event) <= MAX_EVENT:
        return event, soc
    if soc.original is not None:
        soc = msgspec.structs.replace(soc, original=None, marks=(*soc.marks, "original_dropped"))
        event = encode(fields, soc)
        if len(event) <= MAX_EVENT:
            return event, soc
    soc = msgspec.structs.replace(soc, marks=(*soc.marks, "cut"))
    text = data.decode("utf-8", "replace")[:MAX_CUT_TEXT]
    return encode({"message": text, **_shortest(fields)}, soc), soc


def _shortest(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, in order, that are left when the longest ones go to make room."""
    sizes = {name: len(dumps({name: value})) for name, value in fields.items()}
    room, kept = MAX_EVENT // 4, set[str]()
    for name in sorted(sizes, key=lambda each: (sizes[each], each)):
        room -= sizes[name]
        if room < 0:
            break
        kept.add(name)
    return {name: value for name, value in fields.items() if name in kept}
