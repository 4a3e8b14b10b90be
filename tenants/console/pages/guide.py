"""Help, and the switch for single-key shortcuts."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from tenants.console.pages.search import EXAMPLES
from tenants.console.visit import SHORTCUTS_COOKIE, Sent, Signed

router = APIRouter()

KEYS = (
    ("j", "Next alert"),
    ("k", "Previous alert"),
    ("Enter", "Open the alert"),
    ("c", "Claim the alert that you are on"),
    ("/", "Go to the search field"),
    ("q", "Go to the queue"),
    ("?", "Show this page"),
)
YEAR = 365 * 86400


@router.get("/help")
def help_page(visit: Signed, done: str = "") -> Response:
    """Keys, severities, verdicts, and how to ask for events."""
    notice = None
    if done == "shortcuts":
        state = "on" if visit.shortcuts else "off"
        notice = {"tone": "good", "title": f"Single-key shortcuts are {state}", "text": ""}
    values = {"keys": KEYS, "examples": EXAMPLES, "notice": notice}
    return visit.page("help.html", here="help", values=values)


@router.post("/shortcuts")
def set_shortcuts(visit: Sent, shortcuts: Annotated[str, Form(max_length=10)] = "on") -> Response:
    """Turn them on or off in this browser."""
    response = RedirectResponse("/help?done=shortcuts", status_code=303)
    response.set_cookie(
        SHORTCUTS_COOKIE,
        "off" if shortcuts == "off" else "on",
        max_age=YEAR,
        httponly=True,
        samesite="lax",
        secure=visit.services.secure,
    )
    return response
