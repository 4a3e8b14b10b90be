"""Every format on lines as real machines write them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.formats import MAX_LINE, Parsed, formats, parse

RECEIVED = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def read(line: str | bytes, form: str = "auto", received: datetime = RECEIVED) -> Parsed:
    raw = line if isinstance(line, bytes) else line.encode()
    return parse(raw, form, received=received)


def holds(parsed: Parsed, **fields: Any) -> bool:
    return fields.items() <= parsed.fields.items()


def test_a_json_object_keeps_its_own_names_and_says_that_it_is_itself() -> None:
    parsed = read('{"eventTime":"2026-01-01T00:00:00Z","userIdentity":{"type":"Root"}}')

    assert parsed.fields == {
        "eventTime": "2026-01-01T00:00:00Z",
        "userIdentity": {"type": "Root"},
    }
    assert parsed.verbatim
    assert parsed.time == datetime(2026, 1, 1, tzinfo=UTC)


def test_winlogbeats_shape_gets_sigmas_names_beside_its_own() -> None:
    parsed = read(
        '{"@timestamp":"2026-01-01T00:00:00Z","winlog":{"event_id":"4625","channel":"Security",'
        '"provider_name":"Microsoft-Windows-Security-Auditing","computer_name":"ws-1",'
        '"event_data":{"TargetUserName":"bob"}}}'
    )

    assert holds(parsed, EventID=4625, Channel="Security", Computer="ws-1", TargetUserName="bob")
    assert not parsed.verbatim


def test_rfc_5424_gives_header_structured_data_and_message() -> None:
    parsed = read(
        '<34>1 2026-01-01T00:00:00.003Z mail.example.org su 77 ID47 [a@1 x="1\\"2" y="]"][b@2 z=""]'
        " \ufeff'su root' failed"
    )

    assert parsed.fields == {
        "facility": "auth",
        "severity": "crit",
        "hostname": "mail.example.org",
        "program": "su",
        "pid": "77",
        "msgid": "ID47",
        "structured_data": {"a@1": {"x": '1"2', "y": "]"}, "b@2": {"z": ""}},
        "message": "'su root' failed",
    }
    assert parsed.time == datetime(2026, 1, 1, 0, 0, 0, 3000, UTC)


def test_rfc_3164_with_and_without_priority_is_the_same_but_for_the_priority() -> None:
    line = "Jan  1 00:00:00 gate ntpd[12]: clock is set"

    bare, full = read(line), read(f"<30>{line}")

    assert bare.fields == {
        "hostname": "gate",
        "program": "ntpd",
        "pid": "12",
        "message": "clock is set",
    }
    assert full.fields == {"facility": "daemon", "severity": "info", **bare.fields}


@pytest.mark.parametrize(
    ("stamp", "received", "time"),
    [
        ("Dec 31 23:59:59", RECEIVED, datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Jan  1 12:00:00", RECEIVED, datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("Jan  3 00:00:00", RECEIVED, datetime(2025, 1, 3, tzinfo=UTC)),
        ("Feb 29 01:00:00", RECEIVED, datetime(2024, 2, 29, 1, tzinfo=UTC)),
        (
            "Jan  1 00:30:00",
            datetime(2025, 12, 31, 23, 50, tzinfo=UTC),
            datetime(2026, 1, 1, 0, 30, tzinfo=UTC),
        ),
        ("2026-01-01T01:00:00.5+01:00", RECEIVED, datetime(2026, 1, 1, 0, 0, 0, 500000, UTC)),
        ("Jan 99 00:00:00", RECEIVED, None),
    ],
)
def test_a_time_without_a_year_is_the_latest_up_to_a_day_after_receipt(
    stamp: str, received: datetime, time: datetime | None
) -> None:
    assert read(f"{stamp} gate cron: hello", received=received).time == time


def test_a_message_that_is_json_gives_its_fields_and_the_header_stays() -> None:
    parsed = read('<13>Jan  1 00:00:00 gate app: @cee: {"user":"bob","ts":1767225600}')

    assert parsed.fields == {
        "facility": "user",
        "severity": "notice",
        "hostname": "gate",
        "program": "app",
        "user": "bob",
        "ts": 1767225600,
    }
    assert parsed.format == "json"
    assert not parsed.verbatim


def test_a_message_of_pairs_is_read_and_kept() -> None:
    parsed = read('<189>date=2026-01-01 time=01:00:00 tz="+0100" type="traffic" srcip=10.0.0.1')

    assert holds(parsed, srcip="10.0.0.1", type="traffic", severity="notice")
    assert parsed.fields["message"].startswith("date=2026-01-01")
    assert parsed.time == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_applications_own_log_level_is_no_host() -> None:
    parsed = read("2026-01-01T00:00:00Z INFO server: started")

    assert "hostname" not in parsed.fields
    assert parsed.marks == ("parse_failed",)


def test_a_combined_access_log_line_gets_sigmas_web_names() -> None:
    parsed = read(
        '192.0.2.7 - bob [31/Dec/2025:23:00:00 -0100] "GET /a/b?q=1%20or HTTP/1.1" 404 12'
        ' "https://example.org/" "curl/8 \\"x\\""'
    )

    assert parsed.fields == {
        "c-ip": "192.0.2.7",
        "cs-username": "bob",
        "cs-method": "GET",
        "cs-uri": "/a/b?q=1%20or",
        "cs-uri-stem": "/a/b",
        "cs-uri-query": "q=1%20or",
        "cs-version": "HTTP/1.1",
        "sc-status": 404,
        "sc-bytes": 12,
        "cs-referer": "https://example.org/",
        "cs-user-agent": 'curl/8 \\"x\\"',
    }
    assert parsed.time == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            '::1 - - [01/Jan/2026:00:00:00 +0000] "-" 408 -',
            {"c-ip": "::1", "cs-uri": "-", "sc-status": 408},
        ),
        (
            'shop.example:443 192.0.2.7 - - [01/Jan/2026:00:00:00 +0000] "HEAD / HTTP/1.0" 200 0',
            {"cs-host": "shop.example", "c-ip": "192.0.2.7", "cs-method": "HEAD", "sc-bytes": 0},
        ),
        (
            '192.0.2.7 - - [01/Jan/2026:00:00:00 +0000] "\\x16\\x03\\x01" 400 226 "-" "-"',
            {"cs-uri": "\\x16\\x03\\x01", "sc-status": 400},
        ),
    ],
)
def test_odd_requests_are_access_log_lines_too(line: str, fields: dict[str, Any]) -> None:
    parsed = read(line)

    assert parsed.format == "access_log"
    assert holds(parsed, **fields)


def test_an_audit_record_has_its_hexadecimal_values_decoded() -> None:
    parsed = read(
        'node=lx type=EXECVE msg=audit(1767225600.250:41): argc=3 a0="sh" a1=2D63 '
        "a2=6375726C20687474703A2F2F78 exe=2F746D702F612062"
    )

    assert parsed.fields == {
        "type": "EXECVE",
        "audit_id": "1767225600.250:41",
        "node": "lx",
        "argc": "3",
        "a0": "sh",
        "a1": "-c",
        "a2": "curl http://x",
        "exe": "/tmp/a b",
    }
    assert parsed.time == datetime(2026, 1, 1, 0, 0, 0, 250000, UTC)


def test_an_audit_records_numbers_stay_and_its_names_are_added() -> None:
    parsed = read(
        "type=SYSCALL msg=audit(1767225600.250:41): arch=c000003e syscall=59 a0=55d0 auid=1000"
        '\x1dARCH=x86_64 SYSCALL=execve AUID="bob"'
    )

    assert holds(parsed, syscall="59", a0="55d0", SYSCALL="execve", AUID="bob")


def test_an_audit_records_inner_message_is_read() -> None:
    parsed = read(
        'type=USER_CMD msg=audit(1767225600.250:41): pid=7 uid=1000 msg=\'cwd="/" cmd=6C73202D6C '
        'exe="/usr/bin/sudo" res=success\''
    )

    assert holds(parsed, cmd="ls -l", exe="/usr/bin/sudo", res="success", uid="1000")


def test_pairs_keep_quoted_blanks_and_the_first_of_a_name() -> None:
    parsed = read('action=deny msg="no \\"way\\" in" src=10.0.0.1 action=allow empty=')

    assert parsed.fields == {
        "action": "deny",
        "msg": 'no "way" in',
        "src": "10.0.0.1",
        "empty": "",
    }


@pytest.mark.parametrize("line", ["a=1 b=2", "see x=1, y=2 and z=3", "hello", "", "{broken"])
def test_prose_is_its_own_message_and_marked(line: str) -> None:
    parsed = read(line)

    assert parsed.fields == {"message": line}
    assert parsed.marks == ("parse_failed",)


def test_broken_bytes_are_kept_as_far_as_they_are_text() -> None:
    assert read(b"caf\xe9 \x00").fields == {"message": "caf� \x00"}


def test_a_line_over_the_limit_is_cut_and_marked() -> None:
    parsed = read(b"x" * (MAX_LINE + 1))

    assert len(parsed.fields["message"]) == MAX_LINE
    assert parsed.marks == ("parse_failed", "truncated")


def test_a_source_that_declares_its_format_is_read_in_no_other() -> None:
    assert read('{"a":1}', "syslog").marks == ("parse_failed",)
    assert read('{"a":1}', "json").marks == ()


def test_a_declared_format_may_come_wrapped_in_syslog() -> None:
    record = 'type=CWD msg=audit(1767225600.250:41): cwd="/"'

    wrapped = read(f"<13>Jan  1 00:00:00 lx audispd: {record}", "auditd")

    assert holds(wrapped, type="CWD", cwd="/", hostname="lx")
    assert wrapped.format == "auditd"
    assert read("<13>Jan  1 00:00:00 lx audispd: hello", "auditd").marks == ("parse_failed",)


def test_a_source_that_declares_text_is_never_marked() -> None:
    assert read('{"a":1}', "text") == Parsed(fields={"message": '{"a":1}'}, format="text")


def test_a_format_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no format called 'telepathy'; known: auto, access_log"):
        read("x", "telepathy")


def test_every_format_is_found_by_its_folder() -> None:
    assert formats() == (
        "auto",
        "access_log",
        "auditd",
        "json",
        "key_value",
        "syslog",
        "windows_xml",
        "text",
    )
