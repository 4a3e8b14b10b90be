"""An event as a page shows it: one line of gist, the telling fields first, then the whole of it."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tenants.console.words import Moment

MAX_FACTS = 14
MAX_VALUE = 300
MAX_GIST = 160

TELLING = (
    "EventID",
    "Channel",
    "Image",
    "CommandLine",
    "ParentImage",
    "ParentCommandLine",
    "TargetImage",
    "GrantedAccess",
    "TargetObject",
    "TargetFilename",
    "QueryName",
    "DestinationIp",
    "DestinationPort",
    "TargetUserName",
    "SubjectUserName",
    "IpAddress",
    "LogonType",
    "ScriptBlockText",
    "User",
    "ServiceName",
    "eventName",
    "eventSource",
    "sourceIPAddress",
    "userIdentity.arn",
    "userIdentity.userName",
    "errorCode",
    "type",
    "exe",
    "comm",
    "proctitle",
    "auid",
    "action",
    "src",
    "src_ip",
    "dst",
    "dst_ip",
    "dstport",
    "dest_ip",
    "dest_port",
    "proto",
    "alert.signature",
    "cs-method",
    "cs-uri-stem",
    "cs-uri-query",
    "sc-status",
    "c-ip",
    "cs-user-agent",
    "program",
    "message",
)
"""Fields worth seeing first, where an event has them; the others follow as they come."""

GISTS: Sequence[tuple[tuple[str, ...], str]] = (
    (("Image", "TargetImage"), "{} reached into {}"),
    (("CommandLine",), "{}"),
    (("ScriptBlockText",), "PowerShell: {}"),
    (("Image", "TargetObject"), "{} changed {}"),
    (("Image", "TargetFilename"), "{} wrote {}"),
    (("Image", "QueryName"), "{} looked up {}"),
    (("Image", "DestinationIp"), "{} connected to {}"),
    (("Image", "ImageLoaded"), "{} loaded {}"),
    (("Image",), "{}"),
    (("eventName", "eventSource"), "{} at {}"),
    (("cs-method", "cs-uri-stem", "sc-status"), "{} {}, answered {}"),
    (("alert.signature",), "{}"),
    (("program", "message"), "{}: {}"),
    (("message",), "{}"),
    (("Message",), "{}"),
    (("EventID", "TargetUserName", "IpAddress"), "Event {}, account {} from {}"),
    (("EventID", "TargetUserName"), "Event {}, account {}"),
    (("EventID", "ServiceName"), "Event {}, service {}"),
    (("EventID", "Channel"), "Event {} in {}"),
    (("action", "src", "dst"), "{}: {} to {}"),
    (("type", "exe"), "{} by {}"),
    (("proctitle",), "{}"),
    (("type", "msg"), "{}: {}"),
)
"""The sentence for the first of these whose fields an event has."""


class EventView(NamedTuple):
    """What the macro `event` draws."""

    at: Moment
    gist: str
    source: str
    facts: Sequence[tuple[str, str]]
    marked: Collection[str]
    """Names of the facts that made a rule match."""
    raw: str
    size: str
    open: bool


def view(
    event: Mapping[str, Any],
    moment: Callable[[str], Moment],
    *,
    opened: bool,
    marked: Collection[str] = (),
) -> EventView:
    """An event with its `soc` object, as the store and alerts give it.

    Fields that are `marked`, by their dotted names, come first.
    """
    soc = event.get("soc", {})
    fields = dict(_flat({name: value for name, value in event.items() if name != "soc"}, ""))
    raw = json.dumps(event, indent=2, ensure_ascii=False)
    return EventView(
        at=moment(str(soc.get("time") or soc.get("received") or "1970-01-01T00:00:00Z")),
        gist=_gist(fields),
        source=str(soc.get("source", "")),
        facts=_facts(fields, marked),
        marked=marked,
        raw=raw,
        size=_size(len(raw.encode("utf-8", "backslashreplace"))),
        open=opened,
    )


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Leaves with dotted names, as text."""
    for name, inner in value.items():
        path = f"{prefix}{name}"
        if isinstance(inner, dict):
            yield from _flat(inner, f"{path}.")
        elif inner not in (None, "", []):
            yield path, _text(inner)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _gist(fields: Mapping[str, str]) -> str:
    for names, sentence in GISTS:
        if all(name in fields for name in names):
            return _cut(sentence.format(*(_short(fields[name]) for name in names)), MAX_GIST)
    listed = ", ".join(f"{name} {value}" for name, value in list(fields.items())[:4])
    return _cut(listed, MAX_GIST) or "An event without fields"


def _short(value: str) -> str:
    """The program's name of a Windows path; other text as it is, on one line."""
    one_line = " ".join(value.split())
    path = one_line[1:3] == ":\\" and " " not in one_line.rpartition("\\")[2]
    return one_line.rpartition("\\")[2] if path else one_line


def _facts(fields: Mapping[str, str], marked: Collection[str]) -> list[tuple[str, str]]:
    names = [name for name in TELLING if name in fields]
    names += [name for name in fields if name not in names]
    names.sort(key=lambda name: name not in marked)
    return [(name, _cut(fields[name], MAX_VALUE)) for name in names[:MAX_FACTS]]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _size(octets: int) -> str:
    return f"{octets} bytes" if octets < 1000 else f"{octets / 1000:.1f} kB"
