"""What reading a line gives, and the register of formats that the reading modules sign into."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec

MAX_LINE = 1 << 20
"""Bytes of a line that are looked at."""
PARSE_FAILED = "parse_failed"
FIELDS_CUT = "fields_cut"
"""Of an event with more fields than can be looked at: those nearest to its top are kept."""


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """A line's fields under their own names, and the event's own time where it says one."""

    fields: dict[str, Any]
    time: datetime | None = None
    format: str
    marks: tuple[str, ...] = ()
    verbatim: bool = False
    """Whether the fields are the line's own JSON object, so that the raw line adds nothing."""


Reader = Callable[[bytes, datetime], Parsed | None]
"""Reads a line that came at a time (UTC); None where it is not of the format. Never raises."""


class Format(NamedTuple):
    """One format and where its lines are tried."""

    name: str
    read: Reader
    starts: tuple[bytes, ...]
    """What every line of it begins with; empty for formats that are tried last."""
    rank: int
    """Among formats that fit, the lowest is tried first."""
    inside: bool
    """Whether it may be the message of a syslog line."""


FORMATS: dict[str, Format] = {}


@cache
def ranked(*, inside: bool = False) -> tuple[Format, ...]:
    """Every format in the order to try them, or those that a syslog message may be written in."""
    formats = sorted(FORMATS.values(), key=lambda each: (each.rank, each.name))
    return tuple(each for each in formats if each.inside or not inside)


def line_format(
    name: str, *, starts: tuple[bytes, ...] = (), rank: int = 100, inside: bool = True
) -> Callable[[Reader], Reader]:
    """Sign a reader in under its format's name."""

    def sign_in(read: Reader) -> Reader:
        FORMATS[name] = Format(name, read, starts, rank, inside)
        return read

    return sign_in
