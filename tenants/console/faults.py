"""Error pages: what is wrong, and what to do about it."""

from typing import NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from collectors.bus.contract import Overloaded
from tenants.access import Conflict, Denied, Invalid, NotFound
from tenants.api.problems import Forged
from tenants.console import render
from tenants.console.visit import SignInFirst, current
from tenants.console.words import readable


class Fault(NamedTuple):
    """What an error page says."""

    status: int
    title: str
    text: str
    advice: str
    link: str = "/queue"
    link_text: str = "Go to the queue"


NOTHING_HERE = Fault(
    404,
    "There is nothing here",
    "The address may be mistyped, or what it names is gone, or it is not yours to see.",
    "Check the address, or go on from the queue.",
)
NOT_YOURS = Fault(
    403,
    "You may not do this",
    "Your account is not allowed to do what you asked for.",
    "Go back and carry on without it, or ask the SOC's administrator for the role that it needs.",
)
FORGED = Fault(
    403,
    "This form can't be accepted",
    "It was not sent from a page of your present session: perhaps you signed in again meanwhile.",
    "Open the page again and repeat what you did. Nothing was changed.",
)
UNUSABLE = Fault(
    422,
    "That can't be used",
    "Something that was sent is missing, too long or of the wrong kind.",
    "Go back, correct it and send it again. Nothing was changed.",
)
TOO_LARGE = Fault(
    413,
    "That is too much at once",
    "A form may hold up to 64 KB of text, and has to say how long it is.",
    "Go back, shorten it and send it again. Nothing was changed.",
)
BUSY = Fault(
    503,
    "Not just now",
    "The database can't answer at this moment. Nothing was lost and nothing was changed.",
    "Wait a few seconds and load the page again. If it goes on, tell whoever runs the SOC.",
)
BROKEN = Fault(
    500,
    "Something is wrong on our side",
    "The page could not be made. The fault is in the SOC's log.",
    "Load the page again. If it fails again, tell whoever runs the SOC what you did and when.",
)
NOT_SO = Fault(
    405,
    "This can't be opened like that",
    "The address takes a form, not a link.",
    "Go back to the page with the form and use its button.",
)


def fault_page(request: Request, fault: Fault) -> Response:
    """The error page, framed for whoever is signed in."""
    visit = None if fault is BUSY or fault is BROKEN else current(request)
    values = {"fault": fault}
    if visit is not None:
        return visit.page("fault.html", here="", values=values, status=fault.status)
    return render.bare_page("fault.html", values, status=fault.status)


def sign_in_first(_request: Request, error: Exception) -> Response:
    """To the sign-in page, and back afterwards."""
    following = error.next_page if isinstance(error, SignInFirst) else "/queue"
    return RedirectResponse(render.link("/sign-in", next=following), status_code=303)


def known_fault(error: Exception) -> Fault:
    """What the page says about an error that a person can cause."""
    match error:
        case NotFound():
            return NOTHING_HERE
        case Forged():
            return FORGED
        case Denied():
            return NOT_YOURS._replace(text=f"{readable(str(error))}.")
        case Conflict():
            return Fault(409, "It has changed meanwhile", readable(error.found), error.advice)
        case Invalid():
            return UNUSABLE._replace(text=f"{readable(str(error))}.")
        case Overloaded():
            return BUSY
        case HTTPException(status_code=404):
            return NOTHING_HERE
        case HTTPException(status_code=405):
            return NOT_SO
        case RequestValidationError() | HTTPException():
            return UNUSABLE
    return BROKEN


def show_fault(request: Request, error: Exception) -> Response:
    """Handler for all of these; plain functions run beside the event loop, as pages do."""
    return fault_page(request, known_fault(error))


KNOWN = (NotFound, Denied, Forged, Conflict, Invalid, Overloaded, RequestValidationError)
"""What show_fault is registered for, beside HTTPException and Exception."""
