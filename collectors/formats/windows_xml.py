"""A Windows event as XML on one line, as forwarders and `wevtutil` send it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from collectors.formats import windows
from collectors.formats.parsed import Parsed, line_format
from collectors.formats.times import event_time

MAX_ELEMENTS = 10_000


@line_format("windows_xml", starts=(b"<Event", b"<?xml"), rank=10)
def read(line: bytes, received: datetime) -> Parsed | None:  # noqa: ARG001 - it says its year
    """One `<Event>` element; entity declarations are refused, as they can expand without end."""
    if b"<!DOCTYPE" in line or b"<!ENTITY" in line or line.count(b"<") > 2 * MAX_ELEMENTS:
        return None
    try:
        root = ET.fromstring(line)  # noqa: S314 - see above
    except (ET.ParseError, ValueError, LookupError):
        return None
    if _name(root) != "Event":
        return None
    fields = windows.flatten({_name(part): _content(part, windows.MAX_DEPTH) for part in root})
    if "EventID" not in fields:
        return None
    return Parsed(fields=fields, time=event_time(fields), format="windows_xml")


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _content(element: ET.Element, depth: int) -> Any:
    """The shape that the EVTX reader gives, so that both flatten alike."""
    text = element.text
    if not len(element) and not element.attrib:
        return text
    content: dict[str, Any] = {}
    if element.attrib:
        content[windows.ATTRIBUTES] = dict(element.attrib)
    if text and text.strip():
        content[windows.TEXT] = text
    for name, value in _children(element, depth - 1) if depth else ():
        if name not in content:
            content[name] = value
        elif isinstance(content[name], list):
            content[name].append(value)
        else:
            content[name] = [content[name], value]
    return content


def _children(element: ET.Element, depth: int) -> Iterator[tuple[str, Any]]:
    for child in element:
        given = child.get("Name")
        if given is not None and _name(child) in ("Data", "ComplexData"):
            yield given, child.text
        else:
            yield _name(child), _content(child, depth)
