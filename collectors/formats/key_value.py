"""Lines of `key=value`, as firewalls and appliances write them."""

import re
from datetime import datetime

from collectors.formats.parsed import Parsed, line_format
from collectors.formats.times import event_time, moment_of

MAX_FIELDS = 1_000
LEAST_FIELDS = 3
"""Fewer pairs than this are more likely prose."""
_PAIR = re.compile(
    r"""(?<![\w.:-])([A-Za-z_][\w.:-]{0,99})=("[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s",;]*+)"""
)


@line_format("key_value", rank=60)
def read(line: bytes, received: datetime) -> Parsed | None:  # noqa: ARG001 - it says its year
    """At least three pairs, the first at the line's beginning; what stands between is `message`."""
    if line.count(b"=") < LEAST_FIELDS:
        return None
    text = line.decode("utf-8", "replace")
    if _PAIR.match(text) is None:
        return None
    fields = pairs(text)
    if len(fields) < LEAST_FIELDS:
        return None
    return Parsed(fields=dict(fields), time=_time(fields), format="key_value")


def pairs(text: str) -> dict[str, str]:
    """Every pair in the text, the first of each name."""
    fields: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        name, value = match.groups()
        if value.startswith('"'):
            value = value[1:-1].replace('\\"', '"')
        if len(fields) >= MAX_FIELDS:
            break
        fields.setdefault(name, value)
    return fields


def _time(fields: dict[str, str]) -> datetime | None:
    """FortiGate's `eventtime` (ns) or `date`, `time` and `tz`; else what other events use."""
    moment = moment_of(fields.get("eventtime"))
    if moment is None and "date" in fields and "time" in fields:
        moment = moment_of(f"{fields['date']}T{fields['time']}{fields.get('tz', '')}")
    return moment or event_time(fields)
