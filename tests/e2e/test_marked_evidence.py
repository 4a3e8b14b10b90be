"""The alert page marks what made the rule match, for eyes and for screen readers."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import expect

from detection.reasoning import Reasoner
from detection.rule_sets import Files
from tests.e2e.browsing import Desk
from tests.e2e.test_pages_for_everyone import axe_faults
from tests.isolation.city_kit import ALDER, RULE, City, Things

CityAndThings = tuple[City, Mapping[str, Things]]
TEXT = f"""\
title: Memory of LSASS read
id: {RULE}
level: critical
logsource: {{product: windows, category: process_access}}
detection:
    selection: {{TargetImage|endswith: '\\lsass.exe'}}
    condition: selection
"""


@pytest.fixture
def rule(city: CityAndThings, tmp_path: Path) -> Path:
    path = tmp_path / "lsass.yml"
    path.write_text(TEXT)
    reasoner = Reasoner(lambda _: Files((), ()))
    reasoner.learn({RULE: str(path)})
    city[0].services.reasons = reasoner
    return path


def test_the_fields_that_made_the_rule_match_are_marked_and_first(
    rule: Path, desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    page.goto(f"/alerts/{city[1][ALDER].alert}")

    evidence = page.get_by_role("region", name="Evidence")
    marks = evidence.locator("mark")

    expect(marks).to_have_count(1)
    expect(marks).to_have_text("Made the rule match: C:\\Windows\\System32\\lsass.exe")
    expect(evidence.locator("dt").first).to_have_text("TargetImage")
    expect(evidence).to_contain_text("Marked fields made the rule match, as the rule is now.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_are_fit_for_everyone_and_narrow_screens(
    scheme: str, rule: Path, desk: Desk, city: CityAndThings
) -> None:
    page = desk.signed_in("maria")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(f"/alerts/{city[1][ALDER].alert}")

    expect(page.locator("mark")).to_be_visible()
    assert axe_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_rule_that_was_changed_or_removed_marks_nothing_and_says_so(
    rule: Path, desk: Desk, city: CityAndThings
) -> None:
    rule.write_text(TEXT.replace("lsass.exe", "winlogon.exe"))
    page = desk.signed_in("maria")
    address = f"/alerts/{city[1][ALDER].alert}"

    page.goto(address)
    expect(page.get_by_text("the rule has changed since")).to_be_visible()
    expect(page.locator("mark")).to_have_count(0)

    reasoner = Reasoner(lambda _: Files((), ()))
    reasoner.learn({})
    city[0].services.reasons = reasoner
    page.goto(address)
    expect(page.get_by_text("the rule is no longer among those in use")).to_be_visible()
