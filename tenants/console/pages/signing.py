"""Signing in and out, and the way in."""

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Cookie, Form, Request
from starlette.responses import RedirectResponse, Response

from tenants.api.caller import clear_cookie, services_of, set_cookie
from tenants.api.problems import Forged
from tenants.console import render
from tenants.console.visit import Sent, current
from tenants.console.words import span
from tenants.signin import SigninRefused, csrf_token

router = APIRouter()

KNOCK_COOKIE = "citysoc_knock"
"""Binds a sign-in form to the browser that asked for it, before there is a session."""


@router.get("/")
def way_in(request: Request) -> Response:
    """To the queue, or to the sign-in page."""
    return RedirectResponse("/queue" if current(request) else "/sign-in", status_code=303)


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/queue") -> Response:  # noqa: A002 - the parameter's name in the address
    """The form; whoever is signed in goes on at once."""
    if current(request) is not None:
        return RedirectResponse(own_path(next), status_code=303)
    return _form(request, next_page=own_path(next))


@router.post("/sign-in")
def sign_in(
    request: Request,
    user: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    csrf: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/queue",  # noqa: A002
    knock: Annotated[str, Cookie(alias=KNOCK_COOKIE, max_length=200)] = "",
) -> Response:
    """Open a session; a wrong name and a wrong password look the same."""
    if not knock or not hmac.compare_digest(csrf_token(knock).encode(), csrf.encode()):
        raise Forged
    address = request.client.host if request.client else ""
    try:
        session = services_of(request).signin.sign_in(user, password, address)
    except SigninRefused as refused:
        return _form(request, next_page=own_path(next), user=user, refused=refused)
    response = RedirectResponse(own_path(next), status_code=303)
    set_cookie(response, session, secure=services_of(request).secure)
    response.delete_cookie(KNOCK_COOKIE)
    return response


@router.post("/sign-out")
def sign_out(request: Request, visit: Sent) -> Response:
    """End the session here and on the server."""
    services_of(request).signin.sign_out(visit.session.secret)
    response = RedirectResponse("/sign-in", status_code=303)
    clear_cookie(response, secure=visit.services.secure)
    response.headers["clear-site-data"] = '"cache"'
    return response


def own_path(path: str) -> str:
    """A path of these pages, for a redirect; anything else leads to the queue."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside and path.isascii() and "\\" not in path else "/queue"


def _form(
    request: Request, *, next_page: str, user: str = "", refused: SigninRefused | None = None
) -> Response:
    knock = request.cookies.get(KNOCK_COOKIE) or secrets.token_urlsafe(32)
    fault = None
    if refused is not None:
        later = f"Wait {span(int(refused.wait) + 1)}, then" if refused.wait else "Check both and"
        fault = {
            "tone": "bad",
            "title": "This user name and password don't fit",
            "text": f"{later} try again. Nobody at the SOC will ever ask you for your password.",
        }
    values = {"fault": fault, "user": user, "next": next_page, "csrf": csrf_token(knock)}
    status = 200 if refused is None else 429 if refused.wait else 422
    response = render.bare_page("sign_in.html", values, status=status)
    if refused is not None and refused.wait:
        response.headers["retry-after"] = str(int(refused.wait) + 1)
    secure = services_of(request).secure
    response.set_cookie(KNOCK_COOKIE, knock, httponly=True, samesite="lax", secure=secure)
    return response
