"""Whom and what an event is about, in one spelling."""

from typing import Any

import pytest
import yaml

from collectors.fields import KINDS, MAX_RELATED, entity, normalised, related
from collectors.logsource import LogSource

SYSMON = (LogSource("windows", "process_creation", "sysmon"),)


@pytest.mark.parametrize(
    ("kind", "value", "names"),
    [
        ("user", "CITY\\Bob", ("bob",)),
        ("user", "bob@city.example", ("bob",)),
        ("user", "Bob", ("bob",)),
        ("user", "NT AUTHORITY\\SYSTEM", ("system",)),
        ("user", "arn:aws:iam::123456789012:user/team/Bob", ("team/bob",)),
        ("user", "arn:aws:iam::123456789012:root", ("root",)),
        ("user", "-", ()),
        ("user", "4294967295", ()),
        ("host", "WS-1.City.Example.", ("ws-1.city.example", "ws-1")),
        ("host", "\\\\WS-1", ("ws-1",)),
        ("host", "10.0.0.1", ()),
        ("host", "localhost", ()),
        ("far_host", "www.Example.org", ("www.example.org",)),
        ("ip", "10.0.0.1", ("10.0.0.1",)),
        ("ip", "::ffff:10.0.0.1", ("10.0.0.1",)),
        ("ip", "[2001:DB8::1]:443", ("2001:db8::1",)),
        ("ip", "10.0.0.1:443", ("10.0.0.1",)),
        ("ip", "fe80::1%eth0", ("fe80::1",)),
        ("ip", "127.0.0.1", ()),
        ("ip", "cloudtrail.amazonaws.com", ()),
        ("hash", f"SHA1={'a' * 40},MD5={'B' * 32},IMPHASH={'c' * 32}", ("a" * 40, "b" * 32)),
        ("hash", "0" * 64, ()),
        ("hash", "abc", ()),
    ],
)
def test_one_thing_has_one_spelling(kind: str, value: str, names: tuple[str, ...]) -> None:
    assert normalised(kind, value) == names


def test_the_most_telling_value_comes_first_and_none_twice() -> None:
    fields = {
        "ParentUser": "CITY\\alice",
        "User": "CITY\\Bob",
        "SourceUser": "bob@city.example",
        "Computer": "WS-1",
        "Hashes": f"MD5={'a' * 32}",
    }

    assert related(fields, SYSMON) == {
        "host": ["ws-1"],
        "user": ["bob", "alice"],
        "hash": ["a" * 32],
    }


@pytest.mark.parametrize(
    ("logsource", "fields", "expected"),
    [
        (
            "aws//cloudtrail",
            {
                "userIdentity": {"arn": "arn:aws:iam::1:user/Bob", "userName": "Bob"},
                "sourceIPAddress": "192.0.2.1",
            },
            {"user": ["bob"], "ip": ["192.0.2.1"]},
        ),
        (
            "zeek//conn",
            {"id.orig_h": "10.0.0.1", "id.resp_h": "192.0.2.1"},
            {"ip": ["10.0.0.1", "192.0.2.1"]},
        ),
        ("zeek//conn", {"id": {"orig_h": "10.0.0.1"}}, {"ip": ["10.0.0.1"]}),
        (
            "okta//okta",
            {"actor": {"alternateId": "a@x"}, "target": [{"alternateId": "b@x"}, {"q": 1}, 7]},
            {"user": ["a", "b"]},
        ),
        ("kubernetes//audit", {"sourceIPs": ["192.0.2.1", 7, None]}, {"ip": ["192.0.2.1"]}),
        ("/webserver/", {"c-ip": "192.0.2.1", "host": "x"}, {"ip": ["192.0.2.1"]}),
        ("//", {"hostname": "x", "src_ip": "192.0.2.1"}, {"host": ["x"], "ip": ["192.0.2.1"]}),
        ("linux//auditd", {"auid": 1000}, {"user": ["1000"]}),
        ("linux//auditd", {"auid": True, "acct": {"a": 1}}, {}),
    ],
)
def test_each_log_source_has_its_own_fields(
    logsource: str, fields: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    assert related(fields, [LogSource.parse(logsource)]) == expected


def test_an_event_of_no_log_source_is_looked_at_in_the_usual_places() -> None:
    assert related({"hostname": "x"}, []) == {"host": ["x"]}


def test_an_event_of_two_log_sources_is_looked_at_as_both() -> None:
    both = [LogSource("linux", "", "sshd"), LogSource("", "webserver", "")]

    assert related({"src_ip": "192.0.2.1", "c-ip": "192.0.2.2"}, both) == {
        "ip": ["192.0.2.1", "192.0.2.2"]
    }


def test_lists_are_bounded() -> None:
    addresses = [f"10.0.{number // 256}.{number % 256}" for number in range(1, 1000)]

    found = related({"sourceIPs": addresses, "node": "x" * 100_000}, [LogSource("kubernetes")])

    assert len(found["ip"]) == MAX_RELATED
    assert len(found["host"][0]) == 512


@pytest.mark.parametrize(
    ("logsource", "names", "expected"),
    [
        ("windows//security", {"user": ["bob"], "host": ["ws-1"]}, ("host", "ws-1")),
        (
            "linux//sshd",
            {"user": ["bob"], "host": ["lx"], "ip": ["192.0.2.1"]},
            ("ip", "192.0.2.1"),
        ),
        ("aws//cloudtrail", {"ip": ["192.0.2.1"], "user": ["bob"]}, ("user", "bob")),
        ("/webserver/", {"host": ["lx"], "ip": ["192.0.2.1"]}, ("ip", "192.0.2.1")),
        ("windows//security", {"hash": ["a" * 32]}, ("source", "gate")),
        ("//", {}, ("source", "gate")),
    ],
)
def test_an_alert_is_about_what_its_log_source_puts_first(
    logsource: str, names: dict[str, list[str]], expected: tuple[str, str]
) -> None:
    assert entity(names, [LogSource.parse(logsource)], "gate") == expected


def test_the_table_holds_only_what_is_read(request: pytest.FixtureRequest) -> None:
    table = yaml.safe_load(
        (request.config.rootpath / "collectors" / "fields.yml").read_text("utf-8")
    )

    for entry in (*table["logsources"], table["elsewhere"]):
        assert entry.keys() <= {"logsource", "entity", *KINDS}
        assert set(entry["entity"]) <= {"host", "user", "ip"}
