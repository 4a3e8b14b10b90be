"""Windows events, nested as Windows nests them, come out flat under Sigma's names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collectors import codec
from collectors.formats import parse
from collectors.formats.windows import flatten

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM = {
    "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "5770385F"}},
    "EventID": {"#attributes": {"Qualifiers": "16384"}, "#text": "1"},
    "Level": "4",
    "TimeCreated": {"#attributes": {"SystemTime": "2026-01-01T00:00:00.1234567Z"}},
    "EventRecordID": 7,
    "Correlation": None,
    "Execution": {"#attributes": {"ProcessID": 11, "ThreadID": 12}},
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Computer": "ws-1.example.org",
    "Security": {"#attributes": {"UserID": "S-1-5-18"}},
}
XML = (
    '<?xml version="1.0"?><Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">'
    '<System><Provider Name="Microsoft-Windows-Sysmon" Guid="5770385F"/>'
    '<EventID Qualifiers="16384">1</EventID><Level>4</Level>'
    '<TimeCreated SystemTime="2026-01-01T00:00:00.1234567Z"/><EventRecordID>7</EventRecordID>'
    '<Execution ProcessID="11" ThreadID="12"/>'
    "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>ws-1.example.org</Computer>"
    '<Security UserID="S-1-5-18"/></System><EventData><Data Name="Image">C:\\a &amp; b.exe</Data>'
    '<Data Name="Empty"></Data></EventData>{extra}</Event>'
)


def test_system_fields_get_flat_names_and_numbers() -> None:
    assert flatten({"System": SYSTEM, "EventData": {"Image": "a.exe"}}) == {
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "Provider_Guid": "5770385F",
        "EventID": 1,
        "Qualifiers": 16384,
        "Level": 4,
        "TimeCreated": "2026-01-01T00:00:00.1234567Z",
        "EventRecordID": 7,
        "Execution_ProcessID": 11,
        "Execution_ThreadID": 12,
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Computer": "ws-1.example.org",
        "UserID": "S-1-5-18",
        "Image": "a.exe",
    }


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"EventData": {"Data": {"#text": ["a", None, "b"]}}}, {"Data": "a\n\nb"}),
        (
            {"EventData": {"Data": {"#text": "only"}, "Binary": "00"}},
            {"Data": "only", "Binary": "00"},
        ),
        ({"EventData": {"Data": ["a", "b"]}}, {"Data": "a\nb"}),
        ({"EventData": None}, {}),
        ({"EventData": {"Threat Name": "x"}}, {"ThreatName": "x", "Threat_Name": "x"}),
        (
            {"UserData": {"LogFileCleared": {"#attributes": {"xmlns": "x"}, "Who": "bob"}}},
            {"Who": "bob"},
        ),
        (
            {"UserData": {"Key": {"Certificate": {"#attributes": {"subjectName": "ca"}}}}},
            {"subjectName": "ca"},
        ),
        (
            {"EventData": {"#attributes": {"Name": "PLUGIN_FAILED"}, "Path": "x.dll"}},
            {"EventData_Name": "PLUGIN_FAILED", "Path": "x.dll"},
        ),
        ({"RenderingInfo": {"Message": "A log was cleared."}}, {"Message": "A log was cleared."}),
    ],
)
def test_data_comes_to_the_top_under_its_own_names(
    data: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert flatten({"System": {}, **data}) == fields


def test_a_name_that_system_and_data_both_use_holds_both_values() -> None:
    event = {
        "System": {"Channel": "System"},
        "UserData": {"LogFileCleared": {"Channel": "Security"}},
    }

    assert flatten(event)["Channel"] == ["System", "Security"]


def test_json_that_wraps_an_event_is_flattened_and_its_other_fields_kept() -> None:
    line = codec.dumps({"Event": {"System": SYSTEM, "EventData": {"Image": "a"}}, "tag": "x"})

    parsed = parse(line, received=RECEIVED)

    assert parsed.fields["Image"] == "a"
    assert parsed.fields["tag"] == "x"
    assert parsed.time == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    assert not parsed.verbatim


def test_xml_flattens_to_the_same_fields_as_json() -> None:
    nested = {"System": SYSTEM, "EventData": {"Image": "C:\\a & b.exe", "Empty": None}}
    numbers_as_text = {"Execution_ProcessID": "11", "Execution_ThreadID": "12"}

    parsed = parse(XML.replace("{extra}", "").encode(), received=RECEIVED)

    assert parsed.fields == flatten(nested) | numbers_as_text
    assert parsed.format == "windows_xml"
    assert parsed.time == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)


def test_xml_data_without_names_is_joined() -> None:
    extra = "<EventData><Data>one</Data><Data>two</Data></EventData>"

    parsed = parse(XML.replace("{extra}", extra).encode(), received=RECEIVED)

    assert parsed.fields["Data"] == "one\ntwo"


@pytest.mark.parametrize(
    "xml",
    [
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Event>&a;</Event>',
        "<Event><System><EventID>1</EventID></System>",
        "<Event></Event>",
        '<?xml version="1.0"?><html/>',
        '<?xml version="1.0" encoding="utf-99"?><Event/>',
        "<Event>" + "<a>" * 30_000,
    ],
)
def test_other_xml_is_kept_as_text(xml: str) -> None:
    parsed = parse(xml.encode(), received=RECEIVED)

    assert parsed.fields == {"message": xml}
    assert parsed.marks == ("parse_failed",)
