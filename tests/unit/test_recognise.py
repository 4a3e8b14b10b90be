"""Which log sources an event is of."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.formats import parse
from collectors.logsource import LogSource
from collectors.recognise import READS, hinted, logsources

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def names(fields: dict[str, Any], form: str = "json") -> set[str]:
    return set(map(str, logsources(fields, form)))


@pytest.mark.parametrize(
    ("channel", "provider", "event_id", "expected"),
    [
        (SYSMON, "Microsoft-Windows-Sysmon", 1, {"windows/process_creation/sysmon"}),
        (SYSMON, None, "1", {"windows/process_creation/sysmon"}),
        (None, "Microsoft-Windows-Sysmon", 22, {"windows/dns_query/sysmon"}),
        (
            SYSMON,
            "Microsoft-Windows-Sysmon",
            13,
            {"windows/registry_set/sysmon", "windows/registry_event/sysmon"},
        ),
        (
            "security",
            "Microsoft-Windows-Security-Auditing",
            4688,
            {"windows/process_creation/security"},
        ),
        ("Security", "Microsoft-Windows-Security-Auditing", 4625, {"windows//security"}),
        ("Microsoft-Windows-PowerShell/Operational", "x", 4104, {"windows/ps_script/powershell"}),
        ("Windows PowerShell", "PowerShell", 400, {"windows/ps_classic_start/powershell-classic"}),
        (["System", "Security"], "Microsoft-Windows-Eventlog", 104, {"windows//system"}),
        ("Some-Vendor/Operational", "Some-Vendor", 1, {"windows//"}),
        (
            "Linux-Sysmon/Operational",
            "Linux-Sysmon",
            1,
            {"linux/process_creation/sysmon"},
        ),
        (None, "Microsoft-Windows-Kernel-File", 12, {"windows/file_access/"}),
        ("RPCFW", "RPCFW", 3, {"rpc_firewall/application/rpcfw"}),
    ],
)
def test_windows_events_are_known_by_channel_provider_and_event_id(
    channel: Any, provider: Any, event_id: Any, expected: set[str]
) -> None:
    fields = {"Channel": channel, "Provider_Name": provider, "EventID": event_id}

    assert names({key: value for key, value in fields.items() if value is not None}) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"Channel": {"a": 1}, "Provider_Name": [["x"]], "EventID": {"b": []}},
        {"Channel": "x" * 100_000, "Provider_Name": "y" * 100_000, "EventID": 10**300},
        {"Channel": None, "EventID": None},
        {"Channel": "Security", "EventID": True},
    ],
)
def test_windows_fields_of_odd_types_are_a_windows_event_of_no_known_kind(
    fields: dict[str, Any],
) -> None:
    assert all(each.product == "windows" for each in logsources(fields, "json"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"_path": "http", "ts": 1}, {"zeek//http"}),
        ({"_path": "dns", "ts": 1}, {"zeek//dns", "zeek/dns/dns"}),
        ({"_path": "A/b"}, {"zeek//a_b"}),
        ({"event_type": "alert", "flow_id": 1}, {"suricata//alert"}),
        (
            {"eventSource": "s3.amazonaws.com", "eventName": "Get", "awsRegion": "eu-west-2"},
            {"aws//cloudtrail"},
        ),
        (
            {"Workload": "Exchange", "Operation": "Set-Mailbox", "RecordType": 1},
            {"m365//audit", "m365//exchange"},
        ),
        ({"operationName": "x", "category": "SignInLogs"}, {"azure//signinlogs"}),
        ({"operationName": "x", "category": "Administrative"}, {"azure//activitylogs"}),
        ({"activityDisplayName": "Add user", "initiatedBy": {}}, {"azure//auditlogs"}),
        ({"riskEventType": "unlikelyTravel", "riskLevel": "high"}, {"azure//riskdetection"}),
        (
            {"eventType": "user.session.start", "published": "x", "actor": {}, "outcome": {}},
            {"okta//okta"},
        ),
        ({"protoPayload": {"methodName": "x"}}, {"gcp//gcp.audit"}),
        ({"action": "repo.create", "actor": "a", "_document_id": "b"}, {"github//audit"}),
        (
            {"verb": "get", "objectRef": {}, "auditID": "x"},
            {"kubernetes//audit", "kubernetes/application/audit"},
        ),
        ({"src_ip": "a", "dst_ip": "b", "action": "deny"}, {"/firewall/"}),
        ({"message": "hello"}, set()),
        ({"EventID": 1}, set()),
        ({}, set()),
    ],
)
def test_objects_are_known_by_their_keys(fields: dict[str, Any], expected: set[str]) -> None:
    assert names(fields) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "Jan  1 00:00:00 lx sshd[1]: Server listening on :: port 22.",
            {"linux//sshd", "linux//auth", "linux//syslog"},
        ),
        (
            "Jan  1 00:00:00 lx CRON[1]: pam_unix(cron:session): session closed for user root",
            {"linux//cron", "linux//auth", "linux//syslog"},
        ),
        ("<86>Jan  1 00:00:00 lx frob: hello", {"linux//auth", "linux//syslog"}),
        ("Jan  1 00:00:00 lx frob: hello", {"linux//syslog"}),
        ('type=CWD msg=audit(1767225600.1:2): cwd="/"', {"linux//auditd"}),
        ('::1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1', {"/webserver/"}),
        (
            "<189>1: Jan  1 00:00:00: %PARSER-5-CFGLOG_LOGGEDCMD: User:bob  logged command:x",
            {"cisco//syslog", "cisco//aaa"},
        ),
        (
            "<189>devname=f logid=1 type=event subtype=system action=login",
            {"fortigate//", "fortigate//event"},
        ),
    ],
)
def test_lines_are_known_by_format_program_and_facility(line: str, expected: set[str]) -> None:
    parsed = parse(line.encode(), received=datetime(2026, 1, 1, tzinfo=UTC))

    assert names(parsed.fields, parsed.format) == expected


def test_declared_log_sources_come_first_and_none_comes_twice() -> None:
    declared = (LogSource("", "webserver", ""), LogSource("windows", "", "security"))
    fields = {"Channel": "Security", "EventID": 1, "logsource": {"category": "webserver"}}

    assert logsources(fields, "json", declared) == declared


def test_an_events_own_word_adds_and_removes_nothing() -> None:
    fields = {
        "Channel": "Security",
        "EventID": 1,
        "logsource": {"product": "Windows", "category": "process_creation"},
    }

    assert logsources(fields, "json") == (
        LogSource("windows", "", "security"),
        LogSource("windows", "process_creation", ""),
    )


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ({"product": "linux", "service": "auditd"}, (LogSource("linux", "", "auditd"),)),
        ([{"product": "a"}, {"category": "b"}], (LogSource("a"), LogSource("", "b"))),
        ({"product": "a/b"}, (LogSource("a_b"),)),
        ({}, None),
        ({"product": 7}, None),
        ("windows", None),
        ([], None),
        (None, None),
    ],
)
def test_a_hint_is_an_object_or_a_list_of_them(
    hint: Any, expected: tuple[LogSource, ...] | None
) -> None:
    assert hinted({"logsource": hint}) == expected


def test_an_event_names_only_so_many_log_sources() -> None:
    hints = [{"product": str(number)} for number in range(1000)]

    assert len(logsources({"logsource": hints}, "json")) == 8


def test_every_log_source_can_be_written_and_read_again() -> None:
    fields = {"_path": "x/y\n", "logsource": {"product": "a/b", "service": "/"}}

    for each in logsources(fields, "json"):
        assert LogSource.parse(str(each)) == each


def test_recognition_says_which_fields_it_reads() -> None:
    assert {"Channel", "EventID", "_path", "eventSource", "protoPayload", "winlog"} <= READS
