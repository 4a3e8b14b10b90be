"""A real browser on the real application."""

import dataclasses
import re
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.isolation.city_kit import PASSWORD

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclasses.dataclass
class Desk:
    """Opens windows on the console, and notes what browsers complain about."""

    browser: Browser
    base: str
    complaints: list[str] = dataclasses.field(default_factory=list)
    contexts: list[BrowserContext] = dataclasses.field(default_factory=list)

    def window(self, **settings: Any) -> Page:
        """A new browser of its own, with nobody signed in."""
        settings.setdefault("viewport", {"width": 1280, "height": 800})
        context = self.browser.new_context(base_url=self.base, **settings)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)
        return page

    def signed_in(self, user: str, **settings: Any) -> Page:
        """The same after signing in by the form."""
        page = self.window(**settings)
        sign_in(page, user)
        page.wait_for_url("**/queue", wait_until="load")
        return page

    def close(self) -> None:
        """Close every window."""
        for context in self.contexts:
            context.close()

    def _listen(self, message: Any) -> None:
        answered = re.search(r"status of 4\d\d", message.text)
        if message.type in ("error", "warning") and not answered:
            self.complaints.append(message.text)


def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """By the form, as a person does."""
    page.goto("/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def rows(page: Page) -> list[str]:
    """The ids of the alerts on the page, in their order."""
    found = page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")
    return [str(one) for one in found]


def focused_row(page: Page) -> str | None:
    """The id of the alert that the keyboard is on."""
    found = page.evaluate("document.activeElement.closest('[data-row]')?.dataset.row ?? null")
    return None if found is None else str(found)
