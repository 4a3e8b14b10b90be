"""Windows events as Elastic's shippers write them, made of the events that Sigma rules know.

The tables are written from Elastic's own documentation, not from our mapping, so that each can
show a fault of the other.
"""

from collections.abc import Mapping
from typing import Any

COMMON = {
    "Image": "process.executable",
    "ProcessId": "process.pid",
    "CurrentDirectory": "process.working_directory",
    "ParentImage": "process.parent.executable",
    "ParentCommandLine": "process.parent.command_line",
    "CommandLine": "process.command_line",
    "TargetFilename": "file.path",
    "SourceIp": "source.ip",
    "SourcePort": "source.port",
    "DestinationIp": "destination.ip",
    "DestinationHostname": "destination.domain",
    "DestinationPort": "destination.port",
    "QueryName": "dns.question.name",
    "TargetObject": "registry.path",
    "ScriptBlockText": "powershell.file.script_block_text",
    "SourceImage": "process.executable",
    "PipeName": "file.name",
    "Device": "file.path",
    "User": "user.name",
    "Protocol": "network.transport",
}
OF_PROCESS = {
    "OriginalFileName": "process.pe.original_file_name",
    "Description": "process.pe.description",
    "Product": "process.pe.product",
    "Company": "process.pe.company",
}
OF_LIBRARY = {
    "ImageLoaded": "dll.path",
    "OriginalFileName": "dll.pe.original_file_name",
    "Signed": "dll.code_signature.exists",
    "SignatureStatus": "dll.code_signature.status",
    "Signature": "dll.code_signature.subject_name",
}
OF_SECURITY = {
    "SubjectUserName": "user.name",
    "SubjectDomainName": "user.domain",
    "TargetUserName": "user.target.name",
    "IpAddress": "source.ip",
    "IpPort": "source.port",
    "NewProcessName": "process.executable",
    "ProcessName": "process.executable",
    "WorkstationName": "source.domain",
}
DIRECTION = {"true": "egress", "false": "ingress"}
HEADER = {
    "Channel": "winlog.channel",
    "Provider_Name": "winlog.provider_name",
    "Computer": "winlog.computer_name",
}


def raw(event: Mapping[str, Any]) -> dict[str, Any]:
    """As Winlogbeat 8 sends it on its own: all data below `winlog.event_data`."""
    shaped: dict[str, Any] = {"ecs": {"version": "8.0.0"}, "event": {"kind": "event"}}
    for name, value in event.items():
        if name == "EventID":
            _put(shaped, "winlog.event_id", str(value))
            _put(shaped, "event.code", str(value))
        else:
            _put(shaped, HEADER.get(name, f"winlog.event_data.{name}"), value)
    return shaped


def common(event: Mapping[str, Any], logsource: str) -> dict[str, Any]:
    """As Winlogbeat 7 and Elastic Agent's pipelines leave it: most of it under ECS's own names."""
    names = dict(COMMON)
    if "image_load" in logsource or "driver_load" in logsource:
        names |= OF_LIBRARY
    elif "process_creation" in logsource:
        names |= OF_PROCESS
    elif "security" in logsource:
        names |= OF_SECURITY
    moved = {name: value for name, value in event.items() if name in names}
    shaped = raw({name: value for name, value in event.items() if name not in names})
    for name, value in moved.items():
        _put(shaped, names[name], value)
    data = shaped.get("winlog", {}).get("event_data", {})
    if "network_connection" in logsource and (said := str(data.pop("Initiated", "")).lower()):
        _put(shaped, "network.direction", DIRECTION[said])
    return shaped


def _put(shaped: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    inner = shaped
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[name] = value
