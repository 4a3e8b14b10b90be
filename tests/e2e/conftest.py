"""The city of tests/isolation, on a real port and in a real browser."""

from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browsing import CHROMIUM, FLAGS, Desk
from tests.e2e.serving import serving
from tests.isolation.city_fixtures import city, city_template
from tests.isolation.city_kit import City, Things

__all__ = ["browser", "city", "city_template", "desk"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, one for all tests of a worker."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def desk(browser: Browser, city: tuple[City, Mapping[str, Things]]) -> Iterator[Desk]:
    """Windows on the console of the test's own city; a complaint of the browser fails the test."""
    with serving(city[0].app()) as base:
        opened = Desk(browser, base)
        yield opened
        opened.close()
        assert opened.complaints == []
