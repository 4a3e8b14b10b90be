"""Every profile that comes with citysoc finds its fields in what its log source really delivers."""

import json
from datetime import UTC, datetime

import pytest

from collectors.event import decode
from collectors.intake import Identity, Line, admit
from collectors.logsource import LogSource
from collectors.route import Route
from detection.anomaly.library import Watched, library
from detection.anomaly.lines import Lines
from detection.anomaly.profile import columns_of, observer, row_of
from tenants.source_kinds import source_kinds

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def windows(channel: str, **fields: object) -> str:
    """A Windows event as shippers write it."""
    provider = "Security-Auditing" if channel == "Security" else "Sysmon"
    return json.dumps(
        {
            "Channel": channel,
            "Provider_Name": f"Microsoft-Windows-{provider}",
            "Computer": "WS-04.council.example",
            "@timestamp": "2026-11-24T11:58:00Z",
            **fields,
        }
    )


SYSMON = "Microsoft-Windows-Sysmon/Operational"
ZEEK = {"ts": "2026-11-24T11:58:00Z", "id.orig_h": "10.0.0.7", "id.resp_h": "192.0.2.9"}
SAMPLES: dict[str, tuple[str, list[str]]] = {
    "windows_security": (
        "windows",
        [
            windows(
                "Security",
                EventID=4624,
                LogonType=3,
                TargetUserName="j.doe",
                IpAddress="10.0.0.9",
            ),
            windows(
                "Security",
                EventID=4688,
                NewProcessName="C:\\Windows\\System32\\whoami.exe",
                ParentProcessName="C:\\Windows\\explorer.exe",
                SubjectUserName="j.doe",
            ),
        ],
    ),
    "windows_sysmon": (
        "windows",
        [
            windows(SYSMON, EventID=1, Image="C:\\a.exe", ParentImage="C:\\b.exe", User="X\\j.doe"),
            windows(SYSMON, EventID=3, Image="C:\\a.exe", DestinationPort="443", User="X\\j.doe"),
            windows(SYSMON, EventID=22, Image="C:\\a.exe", QueryName="www.gov.uk"),
        ],
    ),
    "linux_auth": (
        "linux",
        [
            (
                "<86>1 2026-11-24T11:58:00Z lab01 sshd 130 - - "
                "Accepted publickey for r.nilsson from 10.20.1.24 port 55976 ssh2: ED25519 SHA256:k"
            ),
            (
                "<85>1 2026-11-24T11:58:00Z lab01 sudo 131 - - "
                "r.nilsson : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/bin/id"
            ),
        ],
    ),
    "linux_auditd": (
        "auditd",
        [
            'node=lab01 type=EXECVE msg=audit(1795521480.1:7): argc=2 a0="tar" a1="-c"',
            (
                "node=lab01 type=USER_START msg=audit(1795521480.2:8): pid=5 uid=0 "
                'acct="o.adeyemi" exe="/usr/sbin/sshd" res=success'
            ),
        ],
    ),
    "zeek_conn": (
        "zeek",
        [
            json.dumps(
                ZEEK
                | {"_path": "conn", "proto": "tcp", "id.resp_p": 443, "conn_state": "SF"}
                | {"service": "ssl", "orig_bytes": 512}
            )
        ],
    ),
    "zeek_http": (
        "zeek",
        [
            json.dumps(
                ZEEK
                | {"_path": "http", "method": "GET", "host": "www.gov.uk", "status_code": 200}
                | {"user_agent": "curl/8", "request_body_len": 10}
            )
        ],
    ),
    "zeek_dns": (
        "zeek",
        [
            json.dumps(
                ZEEK
                | {"_path": "dns", "qtype_name": "A", "rcode_name": "NOERROR", "query": "gov.uk"}
            )
        ],
    ),
    "web_access": (
        "web",
        ['192.0.2.7 - - [24/Nov/2026:11:58:00 +0000] "GET /bins HTTP/1.1" 200 27085 "-" "Firefox"'],
    ),
    "firewall": (
        "firewall",
        [
            (
                "<134>1 2026-11-24T11:58:00Z fw01 fw - - - action=deny src_ip=10.0.0.7 src_port=5 "
                "dst_ip=192.0.2.4 dst_port=53 protocol=UDP sent_bytes=120"
            )
        ],
    ),
    "fortigate_traffic": (
        "firewall",
        [
            (
                'date=2026-11-24 time=11:58:00 devname="fw2" logid="0000000013" type="traffic" '
                'subtype="forward" srcip=10.0.0.7 dstip=192.0.2.4 dstport=443 proto=6 '
                'action="accept" service="HTTPS" sentbyte=120'
            )
        ],
    ),
    "aws_cloudtrail": (
        "aws",
        [
            json.dumps(
                {
                    "eventTime": "2026-11-24T11:58:00Z",
                    "eventSource": "s3.amazonaws.com",
                    "eventName": "GetObject",
                    "awsRegion": "eu-west-2",
                    "sourceIPAddress": "10.0.0.9",
                    "userAgent": "aws-cli/2.31.0",
                    "errorCode": "AccessDenied",
                    "userIdentity": {"arn": "arn:aws:iam::111122223333:user/backup"},
                }
            )
        ],
    ),
    "m365_audit": (
        "m365",
        [
            json.dumps(
                {
                    "CreationTime": "2026-11-24T11:58:00",
                    "Workload": "SharePoint",
                    "Operation": "FileDownloaded",
                    "RecordType": 6,
                    "ResultStatus": "Succeeded",
                    "UserId": "j.doe@council.example",
                    "ClientIP": "10.0.0.9",
                }
            )
        ],
    ),
    "entra_signins": (
        "azure",
        [
            json.dumps(
                {
                    "createdDateTime": "2026-11-24T11:58:00Z",
                    "userPrincipalName": "j.doe@council.example",
                    "appDisplayName": "Office 365",
                    "clientAppUsed": "Browser",
                    "conditionalAccessStatus": "success",
                    "ipAddress": "10.0.0.9",
                    "location": {"countryOrRegion": "GB"},
                    "status": {"errorCode": 0},
                }
            )
        ],
    ),
}


def watch(name: str) -> Watched:
    """A profile of the library."""
    return next(each for each in library() if each.profile.name == name)


def test_every_profile_has_a_sample_here() -> None:
    assert {each.profile.name for each in library()} == {*SAMPLES, "alerts"}


@pytest.mark.parametrize("name", SAMPLES)
def test_real_events_fill_every_facet(name: str) -> None:
    kind, lines = SAMPLES[name]
    watched = watch(name)
    declared = source_kinds()[kind].logsources
    route = Route(
        tenant="council",
        source="s",
        kind=kind,
        format=source_kinds()[kind].format,
        logsources=tuple(map(LogSource.parse, declared)),
    )
    columns = columns_of(watched.profile)
    observe = observer(watched.profile, columns)

    batch = admit(
        route,
        [Line(number, line.encode()) for number, line in enumerate(lines, 1)],
        received=NOW,
        identity=Identity(nonce="00" * 16),
    )

    seen = []
    for line in batch.lines:
        fields, soc = decode(line)
        assert soc.time.startswith("2026-11-24T11:58:00"), soc
        assert watched.sees([LogSource.parse(each) for each in soc.logsources]), soc.logsources
        observation = observe(row_of(fields, columns), 0.0, 1)
        assert observation is not None
        assert watched.name_of(observation.entity), observation.entity
        seen.append(observation)
    names = [facet.name for facet in watched.profile.facets]
    for place, facet in enumerate(names):
        assert any(each.values[place] for each in seen), f"{facet} is never filled"
    if watched.profile.bytes:
        assert all(each.bytes > 0 for each in seen)


def test_events_of_another_schema_are_watched_by_the_names_that_rules_use() -> None:
    kind = source_kinds()["winlogbeat"]
    route = Route(
        tenant="council",
        source="s",
        kind="winlogbeat",
        format=kind.format,
        logsources=kind.declares(),
        schema=kind.schema,
    )
    ecs = {
        "@timestamp": "2026-11-24T11:58:00Z",
        "host": {"name": "ws-04.council.example"},
        "process": {"executable": "C:\\a.exe", "parent": {"executable": "C:\\b.exe"}},
        "event": {"code": "1", "provider": "Microsoft-Windows-Sysmon", "category": ["process"]},
        "winlog": {
            "channel": SYSMON,
            "event_id": 1,
            "provider_name": "Microsoft-Windows-Sysmon",
            "computer_name": "ws-04.council.example",
        },
    }
    line = [Line(1, json.dumps(ecs).encode())]
    [admitted] = admit(route, line, received=NOW, identity=Identity(nonce="00" * 16)).lines
    lines = Lines(library())

    first, again = (lines.events(admitted, "council").seen for _ in range(2))

    [(name, [observation])] = first.items()
    assert name == "windows_sysmon"
    assert observation.entity == "ws-04.council.example"
    assert "C:\\a.exe" in observation.values
    assert again == first


def test_alerts_of_rules_fill_every_facet() -> None:
    watched = watch("alerts")
    alert = {
        "v": 1, "id": "0" * 32, "revision": 1, "tenant": "council", "rule": "r", "title": "t",
        "level": "high", "ruleset": "1", "entity": {"kind": "host", "name": "ws-04"},
        "hour": "2026-11-24T11", "count": 1, "first": "2026-11-24T11:58:00.000000Z",
        "last": "2026-11-24T11:58:00.000000Z", "received": "2026-11-24T11:58:01.000000Z",
    }  # fmt: skip

    shown = Lines([watched]).alerts(json.dumps(alert).encode(), "council")

    [(name, [observation])] = shown.seen.items()
    assert name == "alerts"
    assert all(observation.values)
    assert observation.entity == "ws-04"


def test_an_alert_of_the_stage_itself_is_not_watched() -> None:
    alert = {
        "v": 1, "id": "0" * 32, "revision": 1, "tenant": "council", "rule": "unusual-novelty",
        "title": "t", "level": "high", "ruleset": "1", "entity": {"kind": "host", "name": "ws-04"},
        "hour": "2026-11-24T11", "count": 1, "first": "2026-11-24T11:58:00.000000Z",
        "last": "2026-11-24T11:58:00.000000Z", "received": "2026-11-24T11:58:01.000000Z",
        "unusual": {
            "profile": "alerts", "model": "m", "start": "", "end": "", "field": "entity",
            "score": 1.0, "p": 0.1, "aspects": [],
        },
    }  # fmt: skip

    assert not Lines(library()).alerts(json.dumps(alert).encode(), "council").seen
