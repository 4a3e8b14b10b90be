"""An analyst and a partner do their work on the real pages, in a real browser."""

import re
from collections.abc import Mapping

from playwright.sync_api import expect

from tenants.access import OPERATOR
from tests.e2e.browsing import Desk, focused_row, rows, sign_in
from tests.isolation.city_kit import ALDER, BIRCH, NAMES, City, Things, alert

CityAndThings = tuple[City, Mapping[str, Things]]


def test_the_way_in_is_the_sign_in_page_and_leads_to_the_queue(desk: Desk) -> None:
    page = desk.window()

    sign_in(page, "maria", "not the password at all")
    refusal = page.get_by_role("alert").inner_text()
    page.get_by_label("Password").fill("a long enough passphrase")
    page.get_by_role("button", name="Sign in").click()

    assert "don't fit" in refusal
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()


def test_a_page_that_needs_a_sign_in_opens_after_it(desk: Desk, city: CityAndThings) -> None:
    page = desk.window()
    path = f"/alerts/{city[1][ALDER].alert}"

    page.goto(path)
    page.get_by_label("User name").fill("maria")
    page.get_by_label("Password").fill("a long enough passphrase")
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(re.compile(re.escape(path)))


def test_the_soc_sees_every_tenants_alerts_and_a_partner_its_own(
    desk: Desk, city: CityAndThings
) -> None:
    things = city[1]

    staff, partner = desk.signed_in("maria"), desk.signed_in("asha")

    assert set(rows(staff)) == {things[ALDER].alert, things[BIRCH].alert}
    assert rows(partner) == [things[ALDER].alert]
    expect(partner.get_by_text("hidden by your access")).to_be_visible()
    expect(partner.get_by_role("button", name="Claim")).to_have_count(0)


def test_a_row_says_severity_priority_tenant_entity_count_and_owner(
    desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    item = city[0].services.desk(OPERATOR).get(city[1][ALDER].alert).item

    told = page.locator(f'[data-row="{item.id}"]').inner_text()

    for said in ("Critical", str(item.priority), "Alder Council", "ws-0147", "3 events", "Claim"):
        assert said in told


def test_filters_narrow_the_queue_and_an_empty_answer_says_how_to_go_on(
    desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")

    page.get_by_label("Tenant").select_option(BIRCH)
    page.get_by_role("button", name="Filter").click()
    narrowed = rows(page)
    page.get_by_label("Title, rule or entity").fill("no such thing")
    page.get_by_role("button", name="Filter").click()

    assert narrowed == [city[1][BIRCH].alert]
    expect(page.get_by_role("heading", name="Nothing fits this filter")).to_be_visible()
    page.get_by_role("link", name="Clear the filter").click()
    assert len(rows(page)) == 2


def test_the_keyboard_walks_opens_and_claims(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")
    first, second = rows(page)

    page.keyboard.press("j")
    at_first = focused_row(page)
    page.keyboard.press("j")
    at_second = focused_row(page)
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/alerts/{first}"))
    page.keyboard.press("c")

    expect(page.get_by_text("It is yours")).to_be_visible()
    assert (at_first, at_second) == (first, second)
    assert city[0].services.desk(OPERATOR).get(first).item.owner == "maria"


def test_c_on_a_row_of_the_queue_claims_that_alert(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")
    second = rows(page)[1]

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("c")

    expect(page).to_have_url(re.compile(f"/alerts/{second}"))
    assert city[0].services.desk(OPERATOR).get(second).item.owner == "maria"


def test_single_key_shortcuts_can_be_turned_off(desk: Desk) -> None:
    page = desk.signed_in("maria")

    page.keyboard.press("?")
    page.get_by_role("button", name="Turn them off").click()
    expect(page.get_by_text("Single-key shortcuts are off", exact=True)).to_be_visible()
    page.goto("/queue")
    page.keyboard.press("j")
    page.keyboard.press("?")

    assert focused_row(page) is None
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()


def test_letters_typed_into_a_field_are_no_shortcuts(desk: Desk) -> None:
    page = desk.signed_in("maria")

    page.keyboard.press("/")
    page.keyboard.type("jack?q")

    expect(page.get_by_label("Title, rule or entity")).to_have_value("jack?q")
    expect(page).to_have_url(re.compile("/queue$"))


def test_the_slower_of_two_is_told_who_was_faster_and_when(desk: Desk, city: CityAndThings) -> None:
    path = f"/alerts/{city[1][ALDER].alert}"
    maria, tom = desk.signed_in("maria"), desk.signed_in("tom")
    maria.goto(path)
    tom.goto(path)

    tom.get_by_role("button", name="Claim this alert").click()
    expect(tom.get_by_text("It is yours")).to_be_visible()
    with maria.expect_response(lambda response: response.url.endswith("/claim")) as answered:
        maria.get_by_role("button", name="Claim this alert").click()

    assert answered.value.status == 409
    expect(maria.get_by_text("Tom Okafor was faster")).to_be_visible()
    expect(maria.get_by_text("took this alert at 14:00:00 UTC")).to_be_visible()
    expect(maria.get_by_role("button", name="Close with this verdict")).to_have_count(0)


def test_a_verdict_needs_a_reason_and_keeps_what_was_chosen(
    desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    page.goto(f"/alerts/{city[1][ALDER].alert}")

    page.get_by_label("Benign true positive").check()
    page.get_by_role("button", name="Close with this verdict").click()
    expect(page.get_by_text("a verdict needs a reason")).to_be_visible()
    expect(page.get_by_label("Benign true positive")).to_be_checked()
    page.get_by_label("Reason").fill("Planned test of the red team.")
    page.get_by_role("button", name="Close with this verdict").click()

    expect(
        page.get_by_text("Closed by Maria Jones, just now: benign true positive")
    ).to_be_visible()
    expect(page.locator(".line")).to_contain_text("Planned test of the red team.")
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_text("Open: nobody has it")).to_be_visible()


def test_what_the_soc_notes_its_partner_reads(desk: Desk, city: CityAndThings) -> None:
    path = f"/alerts/{city[1][ALDER].alert}"
    maria, asha = desk.signed_in("maria"), desk.signed_in("asha")
    maria.goto(path)
    maria.get_by_label("Note").fill("Rang Finance:\nthe machine is <b>off</b>.")
    maria.get_by_role("button", name="Add note").click()

    asha.goto(path)

    expect(asha.locator(".line")).to_contain_text("the machine is <b>off</b>.")


def test_the_alert_page_explains_itself(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")

    page.goto(f"/alerts/{city[1][ALDER].alert}")

    told = page.locator("main").inner_text()
    for said in (
        "matched 3 events about the computer ws-0147 at Alder Council",
        "Isolate the computer, then reset those passwords.",
        "Whoever reads this memory has the passwords",
        "3f9c2a71d0e4",
        "rundll32.exe reached into lsass.exe",
        "1 of 3 matching events",
        "Finance",
        NAMES[ALDER].note,
    ):
        assert said in told


def test_events_around_an_alert_lead_on_to_a_search(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")
    page.goto(f"/alerts/{city[1][ALDER].alert}")

    page.get_by_role("link", name="Search on from here").click()

    expect(page.get_by_label("Find")).to_have_value("host:ws-0147")
    expect(page.locator(".event")).to_have_count(1)


def test_a_search_that_is_wrong_says_where(desk: Desk) -> None:
    page = desk.signed_in("asha")

    page.goto("/search")
    page.get_by_label("Find").fill("host:(")
    page.get_by_role("button", name="Search").click()

    expect(page.locator("#q-fault")).to_contain_text("expected a value", ignore_case=True)
    expect(page.get_by_label("Find")).to_have_attribute("aria-invalid", "true")


def test_new_alerts_are_announced_and_nothing_moves_until_asked(
    desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    page.keyboard.press("j")
    before = rows(page)
    place = page.locator("[data-row]").first.bounding_box()

    city[0].take(alert(ALDER, 7, level="critical"))
    announced = page.get_by_role("status").get_by_role("link", name="1 new alert – show")
    expect(announced).to_be_visible(timeout=20_000)

    assert rows(page) == before
    assert page.locator("[data-row]").first.bounding_box() == place
    assert focused_row(page) == before[0]
    announced.click()
    expect(page.locator("[data-row]")).to_have_count(3)


def test_everything_works_without_a_script(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria", java_script_enabled=False)

    page.get_by_role("button", name="Claim: Memory of LSASS read, ws-0147").click()
    page.get_by_label("False positive").check()
    page.get_by_label("Reason").fill("The tool of the desktop team.")
    page.get_by_role("button", name="Close with this verdict").click()
    expect(page.get_by_text("Your verdict and reason stand in the history.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    closed = city[0].services.desk(OPERATOR).get(city[1][ALDER].alert).item
    assert (closed.verdict, closed.reason) == ("false_positive", "The tool of the desktop team.")


def test_after_signing_out_back_shows_nothing(desk: Desk) -> None:
    page = desk.signed_in("maria")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_long_queue_has_pages_that_hold_each_alert_once(desk: Desk, city: CityAndThings) -> None:
    city[0].take(*(alert(ALDER, number) for number in range(10, 70)))
    page = desk.signed_in("asha")

    first = rows(page)
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    second = rows(page)

    assert len(first) == 50
    assert len(set(first + second)) == len(first + second) == 61


def test_a_source_shows_that_it_arrives_and_how_to_connect_it(desk: Desk) -> None:
    page = desk.signed_in("asha")

    page.get_by_role("link", name="Our organisation").click()
    page.get_by_role("link", name="1 log source").click()
    page.get_by_text("How to connect it").click()

    expect(page.get_by_text("Arriving")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("8610")
