"""JSON: one object a line with its own field names; nested Windows events are flattened."""

from datetime import datetime
from typing import Any

import msgspec

from collectors import codec
from collectors.formats import windows
from collectors.formats.parsed import FIELDS_CUT, Parsed, line_format
from collectors.formats.times import event_time


@line_format("json", starts=(b"{", b"\xef\xbb\xbf{"), rank=10)
def read(line: bytes, received: datetime) -> Parsed | None:  # noqa: ARG001 - JSON times have years
    """One JSON object."""
    try:
        value, cut = codec.loads_within(line)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    parsed = of_object(value)
    if not cut:
        return parsed
    return msgspec.structs.replace(parsed, marks=(FIELDS_CUT,), verbatim=False)


def of_object(value: dict[str, Any]) -> Parsed:
    """The fields of an object that is already decoded."""
    fields = flat(value)
    return Parsed(fields=fields, time=event_time(fields), format="json", verbatim=fields is value)


def flat(value: dict[str, Any]) -> dict[str, Any]:
    """The object itself; of a Windows event wrapped in `Event` or `winlog`, its flat form."""
    event = value.get("Event")
    if isinstance(event, dict) and "System" in event:
        rest = {name: content for name, content in value.items() if name != "Event"}
        return {**windows.flatten(event), **rest}
    winlog = value.get("winlog")
    if isinstance(winlog, dict) and "event_id" in winlog:
        return _from_winlog(value, winlog)
    return value


_WINLOG_NAMES = {
    "event_id": "EventID",
    "channel": "Channel",
    "provider_name": "Provider_Name",
    "computer_name": "Computer",
    "record_id": "EventRecordID",
    "task": "Task",
    "opcode": "Opcode",
    "version": "Version",
    "activity_id": "ActivityID",
}


def _from_winlog(value: dict[str, Any], winlog: dict[str, Any]) -> dict[str, Any]:
    """Winlogbeat's shape: Sigma's names beside the sender's own."""
    fields = dict(value)
    for name, flat_name in _WINLOG_NAMES.items():
        if name in winlog:
            fields.setdefault(flat_name, winlog[name])
    event_id = fields.get("EventID")
    if isinstance(event_id, str) and event_id.isascii() and event_id.isdigit():
        fields["EventID"] = int(event_id[:18])
    for part in ("event_data", "user_data"):
        data = winlog.get(part)
        for name, content in data.items() if isinstance(data, dict) else ():
            fields.setdefault(name, content)
    return fields
