"""Syslog, RFC 5424 and the older 3164, with what the message itself holds read as well."""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from collectors.formats.messages import message_fields
from collectors.formats.parsed import Parsed, line_format, ranked
from collectors.formats.times import moment_of

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
LEVELS = frozenset(
    {"trace", "debug", "info", "notice", "warn", "warning", "error", "fatal", "critical"}
)
"""What stands after the time in the logs of programs that write no syslog."""
MAX_ELEMENTS, MAX_PARAMETERS = 50, 200
CLOCK_LEEWAY = timedelta(days=1)
"""How far ahead of receipt a time without a year may lie before it is last year's."""

_PRIORITY = re.compile(r"<(\d{1,3})>")
_RFC5424 = re.compile(
    r"1 (\S+) (\S{1,255}) (\S{1,255}) (\S{1,128}) (\S{1,255}) (-(?: .*)?|\[.*)", re.DOTALL
)
_ELEMENT = re.compile(
    r'\[([^\s="\]]{1,255})((?: [^\s="\]]{1,255}="[^"\\]*+(?:\\.[^"\\]*+)*+")*+) ?\]'
)
_PARAMETER = re.compile(r'([^\s="\]]{1,255})="([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_ESCAPED = re.compile(r'\\(["\\\]])')
_RFC3164 = re.compile(
    r"(?:([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
    r"|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?))"
    r"(?: (\d{4})(?= ))? (?P<host>\S{1,255}) (.*)",
    re.DOTALL,
)
_TAG = re.compile(r"([\w./@() +-]{1,128}?)(?:\[(\d{1,10})\])?: ?(.*)", re.DOTALL)
_BARE = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d[ .]|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        start=1,
    )
}


@line_format("syslog", rank=30, inside=False)
def read(line: bytes, received: datetime) -> Parsed | None:
    """A syslog line, with or without its `<priority>`."""
    text = line.decode("utf-8", "replace").removeprefix("\ufeff")
    fields: dict[str, Any] = {}
    priority = _PRIORITY.match(text)
    if priority is not None and int(priority[1]) < len(FACILITIES) * len(SEVERITIES):
        facility, severity = divmod(int(priority[1]), len(SEVERITIES))
        fields["facility"], fields["severity"] = FACILITIES[facility], SEVERITIES[severity]
        text = text[priority.end() :]
        modern = _RFC5424.fullmatch(text)
        if modern is not None:
            return _rfc5424(fields, modern, received)
    elif _BARE.match(text) is None:
        return None
    old = _RFC3164.fullmatch(text)
    if old is not None and old["host"].strip("[]:").lower() not in LEVELS:
        return _rfc3164(fields, old, received)
    if not fields:
        return None
    # A priority alone is legal (RFC 3164, 4.3.3); network devices put their own header after it.
    return _with_message(fields, text, None, received)


def _rfc5424(fields: dict[str, Any], match: re.Match[str], received: datetime) -> Parsed:
    time, host, program, pid, message_id, rest = match.groups()
    header = {"hostname": host, "program": program, "pid": pid, "msgid": message_id}
    fields.update({name: value for name, value in header.items() if value != "-"})
    data, message = _structured_data(rest)
    if data:
        fields["structured_data"] = data
    return _with_message(fields, message, moment_of(time), received)


def _structured_data(text: str) -> tuple[dict[str, dict[str, str]], str]:
    """The elements at the beginning, and the message after them; broken ones stay message."""
    if text.startswith("-"):
        return {}, text[1:].strip().removeprefix("\ufeff")
    data: dict[str, dict[str, str]] = {}
    position = 0
    while len(data) < MAX_ELEMENTS and (element := _ELEMENT.match(text, position)) is not None:
        found = islice(_PARAMETER.finditer(element[2]), MAX_PARAMETERS)
        data[element[1]] = {each[1]: _ESCAPED.sub(r"\1", each[2]) for each in found}
        position = element.end()
    return data, text[position:].strip().removeprefix("\ufeff")


def _rfc3164(fields: dict[str, Any], match: re.Match[str], received: datetime) -> Parsed:
    month, day, hour, minute, second, fraction, iso, year, host, rest = match.groups()
    if iso is not None:
        time = moment_of(iso.replace(",", "."))
    else:
        time = _dated(
            year, month, int(day), (int(hour), int(minute), int(second)), fraction, received
        )
    fields["hostname"] = host
    tag = _TAG.fullmatch(rest)
    if tag is None:
        return _with_message(fields, rest, time, received)
    program, pid, message = tag.groups()
    fields["program"] = program
    if pid is not None:
        fields["pid"] = pid
    return _with_message(fields, message, time, received)


def _dated(
    year: str | None,
    month: str,
    day: int,
    clock: tuple[int, int, int],
    fraction: str | None,
    received: datetime,
) -> datetime | None:
    """The time in UTC; without a year, the latest that is not over a day ahead of receipt."""
    if month not in _MONTHS:
        return None
    microsecond = int((fraction or "0").ljust(6, "0"))
    latest = received + CLOCK_LEEWAY
    # Four years back there was a leap year, and with it a 29 February.
    years = (int(year),) if year is not None else range(latest.year, latest.year - 5, -1)
    for each in years:
        try:
            moment = datetime(each, _MONTHS[month], day, *clock, microsecond, tzinfo=UTC)
        except ValueError:
            continue
        if year is not None or moment <= latest:
            return moment
    return None


def _with_message(
    fields: dict[str, Any], message: str, time: datetime | None, received: datetime
) -> Parsed:
    """Add the message, and the fields of a format or a known program that it is written in."""
    fields["message"] = message
    inner = _inner(message, received)
    if inner is None or inner.format == "key_value":
        fields.update(message_fields(fields.get("program", ""), message))
    if inner is None:
        return Parsed(fields=fields, time=time, format="syslog")
    if inner.verbatim:
        del fields["message"]
    return Parsed(
        fields={**fields, **inner.fields},
        time=inner.time or time,
        format=inner.format,
    )


def _inner(message: str, received: datetime) -> Parsed | None:
    line = message.removeprefix("@cee:").strip().encode()
    for each in ranked(inside=True):
        if line.startswith(each.starts) or not each.starts:
            parsed = each.read(line, received)
            if parsed is not None:
                return parsed
    return None
