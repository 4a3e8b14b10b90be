"""What no rule describes, from the door to the page: days of an office, and one odd quarter."""

import json
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from collectors.event import decode, timestamp
from tests.behaviour import PROGRAMS, QUARTER, START, days
from tests.e2e.installation import Installation, running, send, wait_for
from tests.e2e.test_pages_for_everyone import axe_faults

DAYS = 3
PLANTED = 96 * 2 + 40
HOST = "ws-03.council.example"


def send_days(city: Installation) -> None:
    """A day a request, as a partner who brings in old logs does."""
    city.citysoc("tenant", "add", "council", "--name", "Council")
    source = json.loads(city.citysoc("source", "add", "council", "windows", "--name", "dc"))
    quarters = list(days(DAYS, hosts=4, planted=[PLANTED]))
    for first in range(0, len(quarters), 96):
        lines = []
        for _, events in quarters[first : first + 96]:
            for event in events:
                fields, soc = decode(event)
                told = fields | {"Channel": "Security", "@timestamp": soc.time}
                lines.append(json.dumps(told).encode())
        # what closes the last windows: the next day begins
        if first + 96 >= len(quarters):
            later = timestamp(START + DAYS * timedelta(days=1) + QUARTER)
            told = {"Channel": "Security", "EventID": 4688, "Computer": "ws-00.council.example"}
            told |= {"NewProcessName": f"C:\\Apps\\{PROGRAMS[0]}", "@timestamp": later}
            lines.append(json.dumps(told).encode())
        send(source, lines, "application/x-ndjson")


def unusual(city: Installation) -> list[dict[str, object]]:
    """The items of the queue that no rule raised."""
    return [item for item in city.alerts("council") if item["rule"].startswith("unusual-")]


def test_an_odd_quarter_of_an_hour_stands_in_the_queue_and_says_why(
    browser: Browser, tmp_path: Path
) -> None:
    with running(tmp_path / "city") as city:
        send_days(city)

        [item] = wait_for(lambda: unusual(city))

        assert item["entity"] == {"kind": "host", "name": HOST}
        models = json.loads(city.citysoc("anomaly", "models", "--tenant", "council"))
        assert [each["in_force"] for each in models] == [True, False]
        _page_says_why(browser, city, str(item["id"]))


def _page_says_why(browser: Browser, city: Installation, item: str) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"http://127.0.0.1:{city.port}/")
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill(city.logins["admin"])
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"http://127.0.0.1:{city.port}/alerts/{item}")
    expect(page.get_by_role("heading", name="What is unusual")).to_be_visible()
    expect(page.get_by_role("img", name="1 unusual one")).to_be_visible()
    around = page.get_by_role("region", name="Around it")
    expect(around.get_by_text("Event 1102 in Security").first).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert axe_faults(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})
    _tenant_page_shows_the_rate(page, city)
    page.goto(f"http://127.0.0.1:{city.port}/alerts/{item}")
    page.get_by_role("link", name="Show the events behind it").click()
    expect(page.get_by_text("Event 1102 in Security").first).to_be_visible()
    page.close()


def _tenant_page_shows_the_rate(page: Page, city: Installation) -> None:
    page.goto(f"http://127.0.0.1:{city.port}/tenants")
    expect(page.get_by_text("0.1 unusual a day this week; the city's budget is 10")).to_be_visible()
    page.goto(f"http://127.0.0.1:{city.port}/tenants/council")
    page.get_by_role("link", name="0.1 unusual a day this week; budget 2").click()
    expect(page.get_by_role("row").filter(has_text=HOST)).to_be_visible()
