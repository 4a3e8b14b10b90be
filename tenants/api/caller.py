"""Who is asking: a browser with a session cookie, or a program with a bearer token."""

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.responses import Response

from tenants.access import Principal
from tenants.api.problems import Forged, Unauthorized
from tenants.services import Services
from tenants.signin import LONGEST, Session, csrf_fits

COOKIE = "citysoc_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

in_header = HTTPBearer(auto_error=False, description="An API token (POST /api/v1/tokens).")
in_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description="A session; changes need X-CSRF-Token too."
)


def services_of(request: Request) -> Services:
    """What the application was put together with."""
    return cast("Services", request.app.state.services)


def session_of(request: Request) -> Session | None:
    """The session of the request's cookie, None for nobody."""
    return services_of(request).signin.session(request.cookies.get(COOKIE, ""))


def own_session(request: Request) -> Session:
    """The session, for what only a browser has. Raises Unauthorized, Forged."""
    session = session_of(request)
    if session is None:
        raise Unauthorized
    given = request.headers.get("X-CSRF-Token", "")
    if request.method not in _SAFE and not csrf_fits(session, given):
        raise Forged
    return session


def caller(request: Request) -> Principal:
    """Whoever asks. Raises Unauthorized, Forged. A bearer token is never mixed with a cookie."""
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        return own_session(request).principal
    scheme, _, token = authorization.partition(" ")
    principal = None
    if scheme.lower() == "bearer":
        principal = services_of(request).signin.token_principal(token.strip())
    if principal is None:
        raise Unauthorized
    return principal


def set_cookie(response: Response, session: Session, *, secure: bool) -> None:
    """Give the browser its session: out of reach of scripts, and of other sites' forms."""
    response.set_cookie(
        COOKIE,
        session.secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def clear_cookie(response: Response, *, secure: bool) -> None:
    """Take it away."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=secure)


Provided = Annotated[Services, Depends(services_of)]
Caller = Annotated[Principal, Depends(caller)]
OwnSession = Annotated[Session, Depends(own_session)]
GUARDED = [Depends(in_header), Depends(in_cookie)]
"""For routers: shows in the OpenAPI document how to sign in; `Caller` does the checking."""
