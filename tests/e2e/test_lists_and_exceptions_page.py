"""A partner sets a list and an exception on the console's page, and is told what is wrong."""

from collections.abc import Mapping

from playwright.sync_api import expect

from tests.e2e.browsing import Desk
from tests.isolation.city_kit import ALDER, City, Things

CityAndThings = tuple[City, Mapping[str, Things]]
WRONG = "title: x\nlogsource: {product: a}\nfilter: {rules: any, a: {U: b}, condition: nobody}"


def test_a_partner_sets_and_removes_a_list_and_an_exception(
    desk: Desk, city: CityAndThings
) -> None:
    tenant = city[1][ALDER].tenant
    page = desk.signed_in(city[1][ALDER].user)
    page.goto(f"/tenants/{tenant}/own-rules")

    page.get_by_label("Name, as rules write it").fill("admins")
    page.get_by_label("Values", exact=True).fill("root\nadm_*")
    page.get_by_role("button", name="Add the list").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.get_by_label("Name", exact=True).fill("backup")
    page.get_by_role("button", name="Add the exception").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    page.get_by_text("admins (2 values)").click()
    page.get_by_label("Values of admins").fill("")
    page.get_by_role("button", name="Save admins").click()
    expect(page.get_by_text("admins (")).to_have_count(0)

    own = city[0].services.own_rules(city[0].principal("maria")).own(tenant)
    assert set(own.lists) == {"owners"}
    assert set(own.exceptions) == {"owned", "backup"}


def test_what_is_wrong_stands_by_the_field_with_what_was_typed(
    desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    page.goto(f"/tenants/{city[1][ALDER].tenant}/own-rules")

    page.get_by_label("Name", exact=True).fill("broken")
    page.get_by_label("Sigma filter", exact=True).fill(WRONG)
    with page.expect_response("**/own-rules/exception") as answered:
        page.get_by_role("button", name="Add the exception").click()

    assert answered.value.status == 422
    field = page.get_by_label("Sigma filter", exact=True)
    expect(field).to_have_value(WRONG)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".fault")).to_contain_text("line 3")
