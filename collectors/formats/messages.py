"""What the messages of well-known programs say about users, addresses and outcomes, as fields."""

import re
from collections.abc import Callable

Fields = dict[str, str]
_READERS: dict[str, Callable[[str], Fields]] = {}


def message_fields(program: str, message: str) -> Fields:
    """Fields of one message of a syslog program; none for programs and messages not known."""
    name = program_name(program)
    read = _READERS.get(name)
    return read(message) if read is not None else {}


def program_name(program: str) -> str:
    """`/usr/sbin/sshd` and `sshd-session` are sshd, `CRON` is cron."""
    name = program.rpartition("/")[2].lower()
    return {"sshd-session": "sshd", "sshd-auth": "sshd", "crond": "cron"}.get(name, name)


def _program(*names: str) -> Callable[[Callable[[str], Fields]], Callable[[str], Fields]]:
    def sign_in(read: Callable[[str], Fields]) -> Callable[[str], Fields]:
        _READERS.update(dict.fromkeys(names, read))
        return read

    return sign_in


_SSH_LOGIN = re.compile(
    r"(Accepted|Failed|Postponed) (\S+) for (invalid user )?(.*?) from (\S+) port (\d+)\b.*",
    re.DOTALL,
)
_SSH_USER = re.compile(
    r"(?:Invalid user|input_userauth_request: invalid user|"
    r"Disconnected from (?:invalid |authenticating )?user|"
    r"Connection (?:closed|reset) by (?:invalid |authenticating )?user|User)"
    r" (\S*?)(?: from)? ?(\d[\d.]+|[0-9a-fA-F]*:[0-9a-fA-F:.]+)?"
    r"(?: port (\d+))?(?: .*)?"
)
_SSH_ADDRESS = re.compile(
    r"(?:from|by|with|for|rhost=|host )\s?\[?(\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]+)\]?"
    r"(?: port (\d+))?"
)
_OUTCOMES = {"Accepted": "success", "Failed": "failure", "Postponed": "pending"}


@_program("sshd")
def sshd(message: str) -> Fields:
    """`Failed password for invalid user bob from 192.0.2.1 port 4 ssh2` and its relatives."""
    if (login := _SSH_LOGIN.fullmatch(message)) is not None:
        word, method, invalid, user, address, port = login.groups()
        fields = {"outcome": _OUTCOMES[word], "auth_method": method, "user": user}
        if invalid:
            fields["invalid_user"] = "true"
        return fields | {"src_ip": address, "src_port": port}
    if "pam_unix" in message:
        return pam(message)
    fields = {}
    address_port: tuple[str | None, str | None] = (None, None)
    if (named := _SSH_USER.fullmatch(message)) is not None:
        if named[1]:
            fields["user"] = named[1]
        address_port = (named[2], named[3])
    if address_port[0] is None and (found := _SSH_ADDRESS.search(message)) is not None:
        address_port = (found[1], found[2])
    if address_port[0] is not None:
        fields["src_ip"] = address_port[0]
    if address_port[1] is not None:
        fields["src_port"] = address_port[1]
    return fields


_SUDO = re.compile(r"\s*(\S+) : (.*)", re.DOTALL)
_SUDO_PART = re.compile(r"(TTY|PWD|USER|GROUP|TSID|ENV)=(.*?) ; ")


@_program("sudo")
def sudo(message: str) -> Fields:
    """`bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls`, under sudo's own names."""
    match = _SUDO.fullmatch(message)
    if match is None:
        return pam(message)
    user, rest = match.groups()
    fields = {"user": user}
    head, command_mark, command = rest.partition("COMMAND=")
    fields.update(_SUDO_PART.findall(head))
    if command_mark:
        fields["COMMAND"] = command
    reason = head.partition(" ; ")[0]
    if "=" not in reason and reason:
        fields["reason"] = reason
    return fields


_PAM_SESSION = re.compile(
    r"(\S+)\((\S+?):(\S+?)\): session (opened|closed) for user ([^\s(]+)(?:\(uid=\d+\))?"
    r"(?: by ([^\s(]*)\(uid=(\d+)\))?.*",
    re.DOTALL,
)
_PAM_FAILURE = re.compile(
    r"(?:(\S+)\((\S+?):(\S+?)\): |PAM \d+ more )authentication failures?;? ?(.*)", re.DOTALL
)
_PAM_PAIR = re.compile(r"(\w+)=(\S*)")


@_program("su", "login", "cron", "systemd", "systemd-logind", "polkitd", "gdm-password")
def pam(message: str) -> Fields:
    """What PAM's modules write in whatever program calls them."""
    if (session := _PAM_SESSION.fullmatch(message)) is not None:
        module, service, _, state, user, by, _ = session.groups()
        fields = {"pam_module": module, "pam_service": service, "session": state, "user": user}
        return fields | ({"by_user": by} if by else {})
    if (failure := _PAM_FAILURE.fullmatch(message)) is not None:
        return _pam_failure(failure)
    return {}


def _pam_failure(failure: re.Match[str]) -> Fields:
    fields = {"outcome": "failure"}
    if failure[1] is not None:
        fields |= {"pam_module": failure[1], "pam_service": failure[2]}
    pairs = dict(_PAM_PAIR.findall(failure[4]))
    for name, own in (("user", "user"), ("rhost", "src_ip"), ("ruser", "remote_user")):
        if pairs.get(name):
            fields[own] = pairs[name]
    return fields


_ACCOUNT = re.compile(
    r"(new user|new group|delete user|change user)[: ]+(?:name=)?'?([^\s,']+)'?.*"
)


@_program("useradd", "userdel", "usermod", "groupadd", "passwd", "chpasswd")
def account(message: str) -> Fields:
    """`new user: name=bob, UID=1001, …` of the shadow tools."""
    match = _ACCOUNT.fullmatch(message)
    if match is None:
        return pam(message)
    return {"account_action": match[1], "user": match[2]}


@_program("crontab")
def crontab(message: str) -> Fields:
    """`(bob) REPLACE (bob)`."""
    match = re.fullmatch(r"\((\S+)\) ([A-Z ]+) \((.*)\)", message)
    return {"user": match[1], "cron_action": match[2]} if match is not None else {}
