"""Every page in light and dark, wide and narrow, for people with and without a mouse."""

from collections.abc import Callable, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.browsing import Desk
from tests.isolation.city_kit import ALDER, City, Things, alert

CityAndThings = tuple[City, Mapping[str, Things]]

NARROW = {"width": 320, "height": 640}
"""As 1280 pixels are at 400 %."""
SMALLEST_TARGET = 24
LONG = "averyveryverylongname" * 9


def go(path: str) -> Callable[[Page, Things], None]:
    return lambda page, things: (page.goto(path.format(things=things)), None)[1]


def claim_too_late(page: Page, things: Things) -> None:
    page.goto(f"/alerts/{things.alert}")
    elsewhere = f"/alerts/{things.closed}/claim"
    page.evaluate("to => document.querySelector('[data-claim]').form.action = to", elsewhere)
    page.get_by_role("button", name="Claim this alert").click()
    page.get_by_text("It has changed meanwhile").or_(page.get_by_text("was faster")).wait_for()


def verdict_without_reason(page: Page, things: Things) -> None:
    page.goto(f"/alerts/{things.alert}")
    page.get_by_role("button", name="Close with this verdict").click()
    page.get_by_text("a verdict needs a reason").wait_for()


def open_events(page: Page, things: Things) -> None:
    page.goto(f"/search?tenant={things.tenant}&q=EventID:10")
    page.locator(".event > summary").first.click()
    page.locator(".raw > summary").first.click()


PAGES: Mapping[str, Callable[[Page, Things], None]] = {
    "queue": go("/queue"),
    "queue, closed": go("/queue?view=closed"),
    "queue, nothing found": go("/queue?text=nothing+has+this"),
    "queue, nothing of mine": go("/queue?view=mine"),
    "alert": go("/alerts/{things.alert}"),
    "alert, closed": go("/alerts/{things.closed}"),
    "alert, claimed by another": claim_too_late,
    "alert, verdict without reason": verdict_without_reason,
    "search": open_events,
    "search, nothing found": go("/search?q=nothinghasthis"),
    "search, not understood": go("/search?q=host:("),
    "tenants": go("/tenants"),
    "tenant": go("/tenants/{things.tenant}"),
    "sources": go("/tenants/{things.tenant}/sources"),
    "coverage": go("/tenants/{things.tenant}/coverage"),
    "lists and exceptions": go("/tenants/{things.tenant}/own-rules"),
    "help": go("/help"),
    "nothing here": go("/nowhere"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_on_any_page(scheme: str, desk: Desk, city: CityAndThings) -> None:
    visit_with_long_names(city)
    page = desk.signed_in("maria", color_scheme=scheme)
    signed_out = desk.window(color_scheme=scheme)
    signed_out.goto("/sign-in")

    faults = {"sign-in": axe_faults(signed_out)}
    for name, opening in PAGES.items():
        opening(page, city[1][ALDER])
        faults[name] = axe_faults(page)

    assert {name: found for name, found in faults.items() if found} == {}


def test_no_page_scrolls_sideways_at_320_pixels(desk: Desk, city: CityAndThings) -> None:
    visit_with_long_names(city)
    page = desk.signed_in("maria", viewport=NARROW)
    signed_out = desk.window(viewport=NARROW)
    signed_out.goto("/sign-in")

    widths = {"sign-in": too_wide(signed_out)}
    for name, opening in PAGES.items():
        opening(page, city[1][ALDER])
        widths[name] = too_wide(page)

    assert {name: found for name, found in widths.items() if found} == {}


def test_everything_to_press_is_large_enough(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")

    small = {}
    for name, opening in PAGES.items():
        opening(page, city[1][ALDER])
        small[name] = too_small(page)

    assert {name: found for name, found in small.items() if found} == {}


def test_keyboard_focus_is_always_visible(desk: Desk, city: CityAndThings) -> None:
    page = desk.signed_in("maria")

    unseen = []
    for name in ("queue", "alert", "search", "help"):
        PAGES[name](page, city[1][ALDER])
        for _ in range(
            page.locator("a, button, input:not([type=hidden]), select, textarea").count()
        ):
            page.keyboard.press("Tab")
            unseen += [f"{name}: {one}" for one in page.evaluate(FOCUS_UNSEEN)]

    assert unseen == []


def test_the_first_stop_of_the_keyboard_skips_to_the_content(desk: Desk) -> None:
    page = desk.signed_in("maria")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def test_motion_is_only_for_those_who_want_it(desk: Desk) -> None:
    page = desk.signed_in("maria", reduced_motion="reduce")

    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(one => parseFloat("
        "getComputedStyle(one).transitionDuration) > 0).map(one => one.outerHTML.slice(0, 80))"
    )

    assert moving == []


FOCUS_UNSEEN = """
() => {
  const at = document.activeElement;
  if (at === null || at === document.body) return [];
  const style = getComputedStyle(at);
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return seen ? [] : [at.outerHTML.slice(0, 120)];
}
"""

TOO_SMALL = """
(smallest) => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
  .filter((one) => one.type !== "hidden" && one.checkVisibility() && !one.matches(".skip"))
  .filter((one) => !one.closest("p, li.inline, dd, td") || one.matches("button"))
  .filter((one) => {
    const box = (one.closest("label") ?? one).getBoundingClientRect();
    return box.height < smallest - 0.5 || box.width < smallest - 0.5;
  })
  .map((one) => one.outerHTML.slice(0, 120))
"""
"""What stands in a sentence may be as small as its text (WCAG 2.5.8, exception inline)."""


def axe_faults(page: Page) -> list[tuple[str, list[str]]]:
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def too_wide(page: Page) -> int:
    return int(page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)"))


def too_small(page: Page) -> list[str]:
    return list(page.evaluate(TOO_SMALL, SMALLEST_TARGET))


def visit_with_long_names(city: CityAndThings) -> None:
    """Names as awkward as senders make them."""
    made = alert(ALDER, 8, title=LONG, level="", related={"host": [LONG], "user": [LONG, "x"]})
    city[0].take(made, alert(ALDER, 9, level="informational", marks=("late", "unproven_sender")))
