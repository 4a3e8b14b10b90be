"""A Windows event, as nested as Windows writes it, flattened to the names that Sigma rules use."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 16
ATTRIBUTES, TEXT = "#attributes", "#text"
NUMBERS = frozenset(
    {"EventID", "Version", "Level", "Task", "Opcode", "EventRecordID", "Qualifiers"}
)
SYSTEM_ATTRIBUTES = {
    ("Provider", "Name"): "Provider_Name",
    ("Provider", "Guid"): "Provider_Guid",
    ("Provider", "EventSourceName"): "Provider_EventSourceName",
    ("EventID", "Qualifiers"): "Qualifiers",
    ("TimeCreated", "SystemTime"): "TimeCreated",
    ("Correlation", "ActivityID"): "ActivityID",
    ("Correlation", "RelatedActivityID"): "RelatedActivityID",
    ("Execution", "ProcessID"): "Execution_ProcessID",
    ("Execution", "ThreadID"): "Execution_ThreadID",
    ("Security", "UserID"): "UserID",
}


def flatten(event: Mapping[str, Any]) -> dict[str, Any]:
    """Flat fields of what stands inside `Event`: System first, then data under its own names.

    Data without names is joined line by line as `Data`. A name that both parts use holds a list
    of both values, so that a rule finds either. `Threat Name` becomes ThreatName and Threat_Name.
    """
    fields = _system(event.get("System"))
    for part, content in event.items():
        if part == "RenderingInfo" and isinstance(content, Mapping):
            _add(fields, "Message", content.get("Message"))
        elif part not in ("System", ATTRIBUTES, "RenderingInfo"):
            _add_content(fields, part, content, MAX_DEPTH)
    return fields


def _system(system: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if not isinstance(system, Mapping):
        return fields
    for name, content in system.items():
        if not isinstance(content, Mapping):
            if content is not None:
                fields[name] = _number(name, content)
            continue
        if TEXT in content:
            fields[name] = _number(name, content[TEXT])
        attributes = content.get(ATTRIBUTES)
        for attribute, value in attributes.items() if isinstance(attributes, Mapping) else ():
            flat = SYSTEM_ATTRIBUTES.get((name, attribute), f"{name}_{attribute}")
            fields[flat] = _number(flat, value)
    return fields


def _add_content(fields: dict[str, Any], name: str, content: Any, depth: int) -> None:
    """Add the leaves below `content`; an element that only wraps others lends them no name."""
    if name == "Data" and (isinstance(content, list) or _is_text_only(content)):
        _add(fields, name, _joined(content))
    elif not isinstance(content, Mapping):
        if name not in ("EventData", "UserData"):
            _add(fields, name, content)
    elif depth:
        for child, value in content.items():
            if child == TEXT:
                _add(fields, name, value)
            elif child != ATTRIBUTES:
                _add_content(fields, child, value, depth - 1)
            elif isinstance(value, Mapping):
                _add_attributes(fields, name, value)


def _add_attributes(fields: dict[str, Any], element: str, attributes: Mapping[str, Any]) -> None:
    for attribute, value in attributes.items():
        if attribute == "xmlns" or attribute.startswith("xmlns:"):
            continue
        _add(fields, "EventData_Name" if element == "EventData" else attribute, value)


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    """Rules write a name with blanks, such as Defender's `Threat Name`, in two ways: give both."""
    if " " in name:
        _add(fields, name.replace(" ", ""), value)
        name = name.replace(" ", "_")
    if name not in fields or fields[name] is None:
        fields[name] = value
    elif value is not None and value != fields[name]:
        held = fields[name]
        fields[name] = [*held, value] if isinstance(held, list) else [held, value]


def _is_text_only(content: Any) -> bool:
    return isinstance(content, Mapping) and TEXT in content


def _joined(content: Any) -> Any:
    value = content[TEXT] if isinstance(content, Mapping) else content
    if isinstance(value, list):
        return "\n".join("" if each is None else str(each) for each in value)
    return value


def _number(name: str, value: Any) -> Any:
    if name in NUMBERS and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return value
