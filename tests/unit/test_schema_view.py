"""What an event of another schema is to rules."""

import time

import pytest

from collectors.logsource import LogSource
from detection.schema_view import View, view
from detection.sigma.values import text_of

PROCESS = LogSource("windows", "process_creation", "sysmon")


@pytest.fixture
def ecs() -> View:
    found = view("ecs")
    assert found is not None
    return found


def test_the_native_schema_and_unknown_ones_have_no_view() -> None:
    assert view("") is None
    assert view("of-a-later-version") is None


def test_fields_stand_under_both_names(ecs: View) -> None:
    event = {"process": {"executable": "C:\\a.exe", "pid": 7}, "message": "text"}

    seen = ecs(event, [PROCESS])

    assert seen["Image"] == "C:\\a.exe"
    assert seen["ProcessId"] == 7
    assert seen["process"] == event["process"]
    assert seen["message"] == "text"
    assert "Image" not in event


def test_a_dotted_key_is_found_as_a_path_is(ecs: View) -> None:
    assert ecs({"process.executable": "a.exe"}, [PROCESS])["Image"] == "a.exe"
    assert ecs({"winlog.event_data": {"Foo": 1}}, [PROCESS])["Foo"] == 1


def test_what_differs_between_two_places_stays_apart_so_that_neither_hides(ecs: View) -> None:
    event = {"process": {"executable": "a.exe"}, "winlog": {"event_data": {"Image": "b.exe"}}}

    assert sorted(ecs(event, [PROCESS])["Image"]) == ["a.exe", "b.exe"]
    assert sorted(ecs({**event, "Image": ["c.exe", "a.exe"]}, [PROCESS])["Image"]) == [
        "a.exe",
        "b.exe",
        "c.exe",
    ]


def test_the_same_value_in_two_places_is_one(ecs: View) -> None:
    event = {"event": {"code": "1"}, "winlog": {"event_id": 1}, "EventID": 1}

    assert text_of(ecs(event, [PROCESS])["EventID"]) == "1"


def test_an_object_under_the_name_of_a_field_is_kept(ecs: View) -> None:
    seen = ecs({"process": {"executable": "a.exe"}, "Image": {"deep": 1}}, [PROCESS])

    assert seen["Image"] == [{"deep": 1}, "a.exe"]


def test_the_log_source_decides_what_a_name_stands_for(ecs: View) -> None:
    event = {"dll": {"path": "x.dll"}, "process": {"pe": {"product": "Shell"}}}

    assert ecs(event, [LogSource("windows", "image_load", "")])["ImageLoaded"] == "x.dll"
    assert "ImageLoaded" not in ecs(event, [PROCESS])
    assert ecs(event, [PROCESS])["Product"] == "Shell"


def test_words_of_the_schema_become_those_of_the_rules(ecs: View) -> None:
    asked = [LogSource("windows", "network_connection", "sysmon")]

    assert ecs({"network": {"direction": "Egress"}}, asked)["Initiated"] == "true"
    assert ecs({"network": {"direction": "ingress"}}, asked)["Initiated"] == "false"
    assert ecs({"network": {"direction": "sideways"}}, asked)["Initiated"] == "sideways"


def test_it_says_where_a_name_comes_from(ecs: View) -> None:
    assert ecs.paths("Image", [PROCESS]) == {
        "Image",
        "process.executable",
        "winlog.event_data.Image",
    }


def test_long_lists_cost_time_in_proportion(ecs: View) -> None:
    event = {"process": {"executable": [str(each) for each in range(8_000)]}}

    began = time.process_time()
    seen = ecs(event, [PROCESS])

    assert len(seen["Image"]) == 8_000
    assert time.process_time() - began < 1


def test_ocsf_is_shown_too() -> None:
    ocsf = view("ocsf")
    assert ocsf is not None
    event = {"process": {"cmd_line": "whoami", "file": {"path": "C:\\whoami.exe"}}}

    seen = ocsf(event, [LogSource("windows", "process_creation", "")])

    assert (seen["Image"], seen["CommandLine"]) == ("C:\\whoami.exe", "whoami")
