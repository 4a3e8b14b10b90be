"""Log lines as each kind of source writes them, with `{time:…}` where the player puts the time."""

import json
from collections.abc import Mapping
from typing import Any

SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon")
SECURITY = ("Security", "Microsoft-Windows-Security-Auditing")
SYSTEM = ("System", "Service Control Manager")
POWERSHELL = ("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell")


def windows(channel: tuple[str, str], event_id: int, computer: str, **fields: str) -> str:
    """One Windows event as flat JSON, under the names that Windows gives its fields."""
    event: dict[str, Any] = {
        "@timestamp": "{time:iso}",
        "Channel": channel[0],
        "Provider_Name": channel[1],
        "EventID": event_id,
        "Computer": computer,
    }
    if channel is SYSMON:
        event["UtcTime"] = "{time:sysmon}"
    return _compact(event | fields)


def process(computer: str, user: str, image: str, command: str, parent: str, **fields: str) -> str:
    """Sysmon 1: a program was started."""
    return windows(
        SYSMON, 1, computer,
        User=user, Image=image, CommandLine=command, ParentImage=parent, **fields,
    )  # fmt: skip


def syslog(host: str, program: str, message: str, *, priority: int = 86, pid: int = 0) -> str:
    """RFC 5424; the element `citysoc@32473` holds the sender's own id of the line."""
    process_id = str(pid) if pid else "-"
    return (
        f"<{priority}>1 {{time:iso}} {host} {program} {process_id} -"
        f' [citysoc@32473 id="{{id}}"] {message}'
    )


def firewall(host: str, action: str, **fields: str | int) -> str:
    """A firewall's key=value message in syslog."""
    pairs = " ".join(f"{name}={value}" for name, value in fields.items())
    return syslog(host, "fw", f"action={action} {pairs}", priority=134)


def access(
    client: str, request: str, status: int, size: int, *, agent: str, referrer: str = "-"
) -> str:
    """A line of a web server's access log, combined format; `request` is method and address."""
    return (
        f'{client} - - [{{time:access}}] "{request} HTTP/1.1" {status} {size}'
        f' "{referrer}" "{agent}"'
    )


def audit(node: str, kind: str, serial: int, body: str) -> str:
    """One record of the Linux audit daemon."""
    return f"node={node} type={kind} msg=audit({{time:epoch}}:{serial}): {body}"


def executed(node: str, serial: int, *arguments: str) -> str:
    """The EXECVE record of a command; arguments with blanks are in hexadecimal, as auditd does."""
    words = " ".join(f"a{number}={_audited(word)}" for number, word in enumerate(arguments))
    return audit(node, "EXECVE", serial, f"argc={len(arguments)} {words}")


def _audited(word: str) -> str:
    return word.encode().hex().upper() if " " in word else f'"{word}"'


def cloudtrail(
    service: str,
    name: str,
    user: str,
    address: str,
    *,
    agent: str,
    account: str,
    **fields: Mapping[str, Any],
) -> str:
    """One record of AWS CloudTrail."""
    record: dict[str, Any] = {
        "eventVersion": "1.08",
        "eventTime": "{time:seconds}",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-2",
        "sourceIPAddress": address,
        "userAgent": agent,
        "userIdentity": {
            "type": "IAMUser",
            "userName": user,
            "accountId": account,
            "arn": f"arn:aws:iam::{account}:user/{user}",
        },
        "recipientAccountId": account,
    }
    return _compact(record | fields)


def _compact(event: Mapping[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)
