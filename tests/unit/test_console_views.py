"""What pages make of events, times and questions, whatever senders put into them."""

from datetime import UTC, datetime, timedelta

import pytest

from tenants.console.events import MAX_FACTS, MAX_GIST, MAX_VALUE, EventView, view
from tenants.console.pages.search import EXAMPLES
from tenants.console.pages.signing import own_path
from tenants.console.render import html, link
from tenants.console.words import Moment, count, moment, span, window
from tenants.store.filter import Filter

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
SOC = {"time": "2026-11-24T13:47:03.123456Z", "source": "laptops", "id": "ab" * 16}


def shown(**fields: object) -> EventView:
    return view({**fields, "soc": SOC}, lambda text: moment(text, NOW), opened=False)


@pytest.mark.parametrize(
    ("fields", "gist"),
    [
        (
            {"Image": "C:\\a\\rundll32.exe", "TargetImage": "C:\\b\\lsass.exe"},
            "rundll32.exe reached into lsass.exe",
        ),
        ({"CommandLine": "whoami  /all", "Image": "C:\\whoami.exe"}, "whoami /all"),
        ({"cs-method": "GET", "cs-uri-stem": "/x", "sc-status": 500}, "GET /x, answered 500"),
        (
            {"userIdentity": {"userName": "kim"}, "eventName": "Get", "eventSource": "s3"},
            "Get at s3",
        ),
        ({"alert": {"signature": "ET SCAN"}}, "ET SCAN"),
        ({"a": 1, "b": [2, 3]}, "a 1, b [2, 3]"),
        ({}, "An event without fields"),
    ],
)
def test_an_event_has_a_line_that_says_what_it_is(fields: dict[str, object], gist: str) -> None:
    assert shown(**fields).gist == gist


def test_telling_fields_come_first_and_empty_ones_not_at_all() -> None:
    made = shown(Zebra="z", CommandLine="cmd", Empty="", Nothing=None, EventID=1)

    assert made.facts == [("EventID", "1"), ("CommandLine", "cmd"), ("Zebra", "z")]


def test_a_huge_event_is_cut_in_the_facts_and_whole_in_the_raw_text() -> None:
    made = shown(CommandLine="x" * 50_000, **{f"field{number}": number for number in range(200)})

    assert len(made.gist) == MAX_GIST
    assert len(made.facts) == MAX_FACTS
    assert max(len(value) for _, value in made.facts) == MAX_VALUE
    assert "x" * 50_000 in made.raw


def test_an_events_markup_is_text_on_the_page() -> None:
    made = shown(message="<script>alert(1)</script>")

    page = html("fault.html", {"person": None, "shortcuts": False, "fault": _fault(made.gist)})

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_braces_of_a_value_are_no_format() -> None:
    assert shown(CommandLine="awk '{print $1}' {0} {}").gist == "awk '{print $1}' {0} {}"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (172800, "2 days")],
)
def test_a_length_of_time_is_said_in_one_unit(seconds: int, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("when", "ago"),
    [
        (NOW, "just now"),
        (NOW - timedelta(minutes=12), "12 min ago"),
        (NOW + timedelta(minutes=3), "in 3 min"),
        ("2026-11-24T13:00:00", "1 h ago"),
        ("2026-11-24T15:00:00+02:00", "1 h ago"),
    ],
)
def test_a_time_is_shown_from_now_in_utc(when: str | datetime, ago: str) -> None:
    assert moment(when, NOW).ago == ago


def test_a_window_says_only_what_is_not_plain() -> None:
    def at(**before: int) -> Moment:
        return moment(NOW - timedelta(**before), NOW)

    today = at()

    assert window(at(minutes=9), at(minutes=9), today) == "13:51:00"
    assert window(at(minutes=9), at(minutes=1), today) == "13:51:00 – 13:59:00"
    assert window(at(days=1), at(minutes=1), today) == "23 Nov, 14:00:00 – 24 Nov, 13:59:00"


def test_counts_agree_with_their_nouns() -> None:
    assert [count(number, "event", "events") for number in (0, 1, 1402)] == [
        "0 events",
        "1 event",
        "1,402 events",
    ]


@pytest.mark.parametrize(("example", "meaning"), EXAMPLES)
def test_every_example_of_the_search_page_is_a_filter(example: str, meaning: str) -> None:
    assert str(Filter.parse(example, now=NOW))
    assert meaning.endswith(".")


@pytest.mark.parametrize("path", ["/queue", "/alerts/ab?done=claimed", "/search?q=a%20b&tenant=x"])
def test_a_path_of_the_console_is_gone_on_to(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize("path", ["", "queue", "//x", "/\\x", "http://x", "/a\nb", "/ä", "/\u202e"])
def test_anything_else_leads_to_the_queue(path: str) -> None:
    assert own_path(path) == "/queue"


def test_an_address_escapes_what_it_asks() -> None:
    assert link("/search", q='host:"a&b"', since="", after=None) == "/search?q=host%3A%22a%26b%22"


def _fault(text: str) -> dict[str, object]:
    return {
        "status": 404,
        "title": "t",
        "text": text,
        "advice": "a",
        "link": "/queue",
        "link_text": "l",
    }
