"""The lines of an `events.*` record, each proved to be an event of the record's tenant."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from collectors import codec, event
from collectors.event import Soc
from collectors.logsource import LogSource
from detection.schema_view import view

BODY_BYTES = 16 * 1024
MAX_SEEN_VALUES = 9_500
"""Values of an event as rules see it, so that it is within bounds together with its envelope."""


class Incoming(NamedTuple):
    """One event of a record."""

    number: int
    """Its line, counted from 0 within the record."""
    line: bytes
    soc: Soc
    logsources: tuple[LogSource, ...]
    strange: bool
    """Whether only the lenient decoder reads the line."""

    def body(self) -> bytes | None:
        """The event for people to read, None where it is too large to travel with a match."""
        if len(self.line) > BODY_BYTES:
            return None
        return codec.dumps(legible(codec.loads(self.line))) if self.strange else self.line

    def fields(self) -> dict[str, Any]:
        """The event's fields as rules see them, in text that UTF-8 can say."""
        found: dict[str, Any] = legible(codec.loads(self.asked()))
        return {name: value for name, value in found.items() if name != "soc"}

    def asked(self) -> bytes:
        """The line as rules see it: with Sigma's names, where it is of another schema."""
        shown = view(self.soc.schema)
        if shown is None:
            return self.line
        own, soc = event.decode(self.line)
        seen, _ = codec.within(shown(own, self.logsources), MAX_SEEN_VALUES)
        return event.encode(seen, soc)


class Unreadable(NamedTuple):
    """One line that is no event of the tenant."""

    number: int
    line: bytes
    reason: str


def read_lines(value: bytes, tenant: str) -> Iterator[Incoming | Unreadable]:
    """Every line that is not blank, in order."""
    for number, line in enumerate(value.split(b"\n")):
        if line and not line.isspace():
            yield _read(number, line, tenant)


def legible(value: Any) -> Any:
    """The same JSON value with `?` for every lone surrogate, which UTF-8 can't say."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [legible(each) for each in value]
    if isinstance(value, dict):
        return {legible(name): legible(each) for name, each in value.items()}
    return value


class _Line(msgspec.Struct):
    soc: Soc


_decode = msgspec.json.Decoder(_Line).decode


def _read(number: int, line: bytes, tenant: str) -> Incoming | Unreadable:
    strange = False
    try:
        try:
            soc = _decode(line).soc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            strange = True
            soc = msgspec.convert(legible(msgspec.to_builtins(event.decode(line)[1])), Soc)
        return Incoming(number, line, soc, _checked(soc, tenant), strange)
    except ValueError as error:
        return Unreadable(number, line, str(error))


def _checked(soc: Soc, tenant: str) -> tuple[LogSource, ...]:
    """The log sources of an envelope that is in order. Raises ValueError otherwise."""
    if soc.v not in event.READABLE:
        raise ValueError(f"event version {soc.v}; this program reads {sorted(event.READABLE)}")
    if soc.tenant != tenant:
        raise ValueError(f"expected an event of tenant {tenant!r}, got one of {soc.tenant!r}")
    return _parse_logsources(soc.logsources)


@lru_cache(maxsize=4096)
def _parse_logsources(logsources: tuple[str, ...]) -> tuple[LogSource, ...]:
    return tuple(map(LogSource.parse, logsources))
