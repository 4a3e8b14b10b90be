"""What the messages of well-known programs say about users, addresses and outcomes, as fields."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collectors.formats.key_value import pairs

Fields = dict[str, str]

ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%\w+)?)"
FROM = rf"(?P<src_ip>{ADDRESS})(?: port (?P<src_port>\d+))?"
HALF_KNOWN = r"(?:(?:(?P<invalid_user>invalid)|authenticating) )?user (?P<user>.*)"
WHO = r"(?:(?P<invalid_user>invalid|illegal) user )?(?P<user>.*)"
PAM_MODULE = r"(?P<pam_module>pam_\w+)\((?P<pam_service>[^\s:()]+):(?P<pam_type>\w+)\)"
YES, NO = "success", "failure"
PREAUTH = r"(?: \[preauth\])?"


class Sentence(NamedTuple):
    """A message that a program is known to write: its named groups are fields, so is `means`."""

    pattern: re.Pattern[str]
    means: Mapping[str, str]


def _sentence(pattern: str, **means: str) -> Sentence:
    return Sentence(re.compile(pattern, re.DOTALL), means)


SSH_TAIL = r"(?: ssh\d)?(?:: .*)?"
# Names come from whoever knocks, so they are taken greedily: the last "from … port …" is sshd's.
_SSHD = {
    "Accepted": [
        _sentence(rf"Accepted (?P<auth_method>\S+) for {WHO} from {FROM}{SSH_TAIL}", outcome=YES)
    ],
    "Failed": [
        _sentence(rf"Failed (?P<auth_method>\S+) for {WHO} from {FROM}{SSH_TAIL}", outcome=NO)
    ],
    "Invalid": [
        _sentence(rf"Invalid user (?P<user>.*) from {FROM}", outcome=NO, invalid_user="invalid")
    ],
    "input_userauth_request:": [
        _sentence(rf"input_userauth_request: invalid user (?P<user>.*?){PREAUTH}", outcome=NO),
    ],
    "error:": [
        _sentence(
            rf"error: maximum authentication attempts exceeded for {WHO} from {FROM}(?: ssh\d)?"
            rf"{PREAUTH}",
            outcome=NO,
        ),
        _sentence(rf"error: PAM: .*? for {WHO} from (?P<src_ip>\S+)", outcome=NO),
        _sentence(rf"error: Received disconnect from {FROM}:.*"),
    ],
    "User": [
        _sentence(r"User (?P<user>.*) from (?P<src_ip>\S+) not allowed because .*", outcome=NO)
    ],
    "Connection": [
        _sentence(rf"Connection (?:closed|reset) by (?:{HALF_KNOWN} )?{FROM}{PREAUTH}"),
        _sentence(rf"Connection from {FROM} on .*"),
    ],
    "Disconnected": [_sentence(rf"Disconnected from (?:{HALF_KNOWN} )?{FROM}{PREAUTH}")],
    "Received": [_sentence(rf"Received disconnect from {FROM}:.*")],
    "Did": [_sentence(rf"Did not receive identification string from {FROM}")],
    "Bad": [_sentence(rf"Bad protocol version identification .* from {FROM}")],
    "banner": [_sentence(rf"banner exchange: Connection from {FROM}: .*")],
    "Unable": [_sentence(rf"Unable to negotiate with {FROM}: .*")],
    "reverse": [
        _sentence(
            rf"reverse mapping checking getaddrinfo for .* \[(?P<src_ip>{ADDRESS})\] failed.*"
        )
    ],
    "Address": [_sentence(rf"Address (?P<src_ip>{ADDRESS}) maps to .*")],
    "Starting": [_sentence(rf"Starting session: .* for (?P<user>\S+) from {FROM} id \d+")],
}
_PAM = [
    _sentence(
        rf"{PAM_MODULE}: session (?P<session>opened|closed) for user (?P<user>[^\s(]+)"
        r"(?:\(uid=\d+\))?(?: by (?P<by_user>[^\s(]*)\(uid=\d+\))?"
    ),
    _sentence(
        rf"(?:{PAM_MODULE}: |PAM \d+ more )authentication failures?; logname=\S* uid=\d* euid=\d*"
        r" tty=\S* ruser=(?P<remote_user>\S*) rhost=(?P<src_ip>\S*)(?:  user=(?P<user>.*))?",
        outcome=NO,
    ),
    _sentence(rf"{PAM_MODULE}: password changed for (?P<user>\S+)"),
    _sentence(rf"{PAM_MODULE}: .*"),
]
CRON_ACTION = r"\((?P<user>[^\s()]+)\) (?P<cron_action>[A-Z][A-Z ]*) \(.*\)"
_OTHERS = {
    "cron": [
        _sentence(r"\((?P<user>[^\s()]+)\) CMD \((?P<command>.*)\)"),
        _sentence(CRON_ACTION),
    ],
    "crontab": [_sentence(CRON_ACTION)],
    "su": [
        _sentence(r"Successful su for (?P<user>\S+) by (?P<by_user>\S+)", outcome=YES),
        _sentence(r"FAILED su for (?P<user>\S+) by (?P<by_user>\S+)", outcome=NO),
        _sentence(r"\(to (?P<user>\S+)\) (?P<by_user>\S+) on \S+"),
    ],
    "systemd-logind": [_sentence(r"New session \S+ of user (?P<user>\S+)\.")],
    "useradd": [_sentence(r"new user: name=(?P<user>[^,]+),.*", account_action="added")],
    "userdel": [_sentence(r"delete user '(?P<user>[^']+)'.*", account_action="deleted")],
    "usermod": [
        _sentence(
            r"add '(?P<user>[^']+)' to (?:shadow )?group '(?P<group>[^']+)'.*",
            account_action="group added",
        )
    ],
    "gpasswd": [
        _sentence(
            r"user (?P<user>\S+) added by (?P<by_user>\S+) to group (?P<group>\S+)",
            account_action="group added",
        )
    ],
}
_REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*)\]", re.DOTALL)
_MNEMONIC = re.compile(r"%([A-Z][A-Z0-9_]*)(?:-[A-Z0-9_]+)?-([0-7])-([A-Z0-9_]+):")


def message_fields(program: str, message: str) -> Fields:
    """Fields of one syslog message; none for programs and messages not known."""
    name = program_name(program)
    repeated = _REPEATED.fullmatch(message)
    if repeated is not None:
        return _fields(name, repeated[2]) | {"repeated": repeated[1]}
    return _fields(name, message)


def _fields(name: str, message: str) -> Fields:
    read = _READERS.get(name)
    fields = read(message) if read is not None else _read(_OTHERS.get(name, ()), message)
    if not fields and "pam_" in message:
        return _read(_PAM, message)
    if not fields and "%" in message:
        return _cisco(message)
    return fields


def program_name(program: str) -> str:
    """`/usr/sbin/sshd` and `sshd-session` are sshd, `CRON` is cron."""
    name = program.rpartition("/")[2].lower()
    return {"sshd-session": "sshd", "sshd-auth": "sshd", "crond": "cron"}.get(name, name)


def _read(sentences: Sequence[Sentence], message: str) -> Fields:
    for sentence in sentences:
        match = sentence.pattern.fullmatch(message)
        if match is not None:
            found = {name: value for name, value in match.groupdict().items() if value}
            return {**sentence.means, **found}
    return {}


def _sshd(message: str) -> Fields:
    first = message.partition(" ")[0]
    return _read(_PAM if first == "PAM" else _SSHD.get(first, ()), message)


_SUDO = re.compile(r"\s*(?P<user>\S+) : (?:(?P<reason>[^=]*?) ; )?(?P<rest>\w+=.*)", re.DOTALL)
_SUDO_PART = re.compile(r"(TTY|PWD|USER|GROUP|TSID|ENV)=(.*?) ; ")


def _sudo(message: str) -> Fields:
    """`bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls`, under sudo's own names."""
    match = _SUDO.fullmatch(message)
    if match is None:
        return {}
    fields = {name: value for name, value in match.groupdict().items() if value and name != "rest"}
    head, command_mark, command = match["rest"].partition("COMMAND=")
    fields.update(_SUDO_PART.findall(head))
    return fields | ({"COMMAND": command} if command_mark else {})


_NETFILTER_NAMES = {
    "SRC": "src_ip",
    "DST": "dst_ip",
    "SPT": "src_port",
    "DPT": "dst_port",
    "PROTO": "protocol",
}
_NETFILTER_ACTIONS = {
    "deny": ("BLOCK", "DROP", "DENY", "REJECT"),
    "allow": ("ALLOW", "ACCEPT"),
}
"""Words that administrators put before the packet; Linux itself does not say what became of it."""
_NETFILTER_PREFIX = re.compile(r"(?:\[ *\d+\.\d+\] )?(.*?)\bIN=")


def _kernel(message: str) -> Fields:
    """A packet that Linux's firewall logged: its own names, and those of Sigma's firewall rules."""
    prefix = _NETFILTER_PREFIX.match(message)
    if prefix is None or " SRC=" not in message or " DST=" not in message:
        return {}
    fields = pairs(message)
    fields.update({name: fields[own] for own, name in _NETFILTER_NAMES.items() if own in fields})
    said = prefix[1].upper()
    for action, words in (
        ("deny", ("BLOCK", "DROP", "DENY", "REJECT")),
        ("allow", ("ALLOW", "ACCEPT")),
    ):
        if any(word in said for word in words):
            return fields | {"action": action}
    return fields


def _cisco(message: str) -> Fields:
    """The `%FACILITY-SEVERITY-MNEMONIC:` that Cisco's devices begin their text with."""
    match = _MNEMONIC.search(message)
    if match is None:
        return {}
    return {"cisco_facility": match[1], "cisco_severity": match[2], "cisco_mnemonic": match[3]}


_READERS: dict[str, Callable[[str], Fields]] = {"sshd": _sshd, "sudo": _sudo, "kernel": _kernel}
