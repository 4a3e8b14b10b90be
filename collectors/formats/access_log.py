"""A web server's access log, common or combined, under the names that Sigma's web rules use."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from collectors.formats.parsed import Parsed, line_format

_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_LINE = re.compile(
    r"(\S++) (\S++) (.+?) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    + _QUOTED
    + r" (\d{3}) (\d+|-)"
    + f"(?: {_QUOTED} {_QUOTED})?(?: (.*))?"
)
_SITE = re.compile(r"([^\s:\[\]\"]++):\d{1,5} (.*)", re.DOTALL)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        start=1,
    )
}


@line_format("access_log", rank=50)
def read(line: bytes, received: datetime) -> Parsed | None:  # noqa: ARG001 - it says its year
    """`host ident user [time] "request" status bytes`, with or without referrer and agent."""
    if b"[" not in line or b'"' not in line:
        return None
    text = line.decode("utf-8", "replace")
    # Apache's vhost_combined begins with the site and its port.
    site = _SITE.fullmatch(text)
    match = _LINE.fullmatch(text if site is None else site[2])
    if match is None:
        return None
    client, _, user, time, request, status, size, referer, agent, rest = match.groups()
    fields: dict[str, str | int] = {"c-ip": client}
    if site is not None:
        fields["cs-host"] = site[1]
    if user != "-":
        fields["cs-username"] = user
    _add_request(fields, request)
    fields["sc-status"] = int(status)
    if size.isdigit():
        fields["sc-bytes"] = int(size[:18])
    if referer is not None and referer != "-":
        fields["cs-referer"] = referer
    if agent is not None and agent != "-":
        fields["cs-user-agent"] = agent
    if rest:
        fields["rest"] = rest
    return Parsed(fields=fields, time=_time(time), format="access_log")


def _add_request(fields: dict[str, str | int], request: str) -> None:
    """The request's parts; one that is none, as scanners send, is kept whole as `cs-uri`."""
    method, _, target = request.partition(" ")
    if not target:
        fields["cs-uri"] = request
        return
    uri, _, version = target.rpartition(" ")
    if not version.startswith("HTTP/"):
        uri, version = target, ""
    stem, mark, query = uri.partition("?")
    fields["cs-method"] = method
    fields["cs-uri"] = uri
    fields["cs-uri-stem"] = stem
    if mark:
        fields["cs-uri-query"] = query
    if version:
        fields["cs-version"] = version


@lru_cache(maxsize=1024)
def _time(text: str) -> datetime | None:
    """`17/May/2015:10:05:03 +0000`, whose month is English whatever the locale."""
    try:
        hours, minutes = int(text[22:24]), int(text[24:26])
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if text[21] == "-" else 1)
        return datetime(
            int(text[7:11]), _MONTHS[text[3:6]], int(text[0:2]),
            int(text[12:14]), int(text[15:17]), int(text[18:20]), tzinfo=timezone(offset),
        ).astimezone(UTC)  # fmt: skip
    except (ValueError, KeyError, OverflowError):
        return None
