"""A record of the Linux audit daemon: `type=EXECVE msg=audit(1700000000.123:456): a0="ls"`."""

import re
from datetime import datetime

from collectors.formats.parsed import Parsed, line_format
from collectors.formats.times import moment_of

MAX_FIELDS = 1_000
_LINE = re.compile(
    r"(?:node=(\S+) )?type=(\S+) msg=audit\((\d{1,12}\.\d{1,9}):(\d+)\): ?(.*)", re.DOTALL
)
_PAIR = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*+)=("[^"]*+"|'[^']*+'|[^\s'",]*+)""")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ENCODED = frozenset(
    {"proctitle", "comm", "exe", "name", "cwd", "path", "cmd", "data", "acct", "key", "exec_line"}
)
"""Fields that the kernel writes in hexadecimal when they hold a blank, a quote or a control."""
_ARGUMENT = re.compile(r"a\d+(?:\[\d+\])?")
_GROUP_SEPARATOR = "\x1d"


@line_format("auditd", starts=(b"type=", b"node="), rank=20)
def read(line: bytes, received: datetime) -> Parsed | None:  # noqa: ARG001 - it says its year
    """One record a line; hexadecimal values are decoded, and what a quoted `msg` holds as well."""
    match = _LINE.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        return None
    node, kind, time, serial, body = match.groups()
    fields: dict[str, str] = {"type": kind, "audit_id": f"{time}:{serial}"}
    if node is not None:
        fields["node"] = node
    # After this separator auditd repeats fields with names in place of numbers (SYSCALL=execve).
    raw, _, named = body.partition(_GROUP_SEPARATOR)
    _add_pairs(fields, raw, kind)
    _add_pairs(fields, named, kind)
    return Parsed(fields=dict(fields), time=moment_of(float(time)), format="auditd")


def _add_pairs(fields: dict[str, str], text: str, kind: str) -> None:
    for match in _PAIR.finditer(text):
        name, value = match.groups()
        if name == "msg" and value.startswith("'"):
            _add_pairs(fields, value[1:-1], kind)
        elif len(fields) < MAX_FIELDS:
            fields.setdefault(name, _value(name, value, kind))


def _value(name: str, value: str, kind: str) -> str:
    if value[:1] in ('"', "'"):
        return value[1:-1]
    encoded = name in _ENCODED or (kind == "EXECVE" and _ARGUMENT.fullmatch(name) is not None)
    if encoded and len(value) > 2 and _HEX.fullmatch(value):
        return bytes.fromhex(value).decode("utf-8", "replace").replace("\x00", " ").rstrip()
    return value
