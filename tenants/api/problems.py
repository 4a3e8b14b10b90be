"""What the API says when it can't: always {error, expected, do}, never a stack trace."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from collectors.bus.contract import Overloaded
from tenants.access import Conflict, Denied, Invalid, NotFound
from tenants.api.answers import Answer
from tenants.signin import SigninRefused

RETRY = {"Retry-After": "2"}
MAX_FAULTS = 10


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error for people and programs."""

    error: str
    """What came or what is so."""
    expected: str
    do: str
    who: str = ""
    """Who was faster, and when, where that is the reason."""
    when: str = ""


class Unauthorized(Exception):
    """Nobody is signed in."""


class Forged(Exception):
    """A change that came by cookie without the session's own CSRF token."""


_KNOWN: tuple[type[Exception], ...] = (
    Denied,
    NotFound,
    Conflict,
    Invalid,
    Unauthorized,
    Forged,
    SigninRefused,
    Overloaded,
    RequestValidationError,
    HTTPException,
    Exception,
)


def install(app: FastAPI) -> None:
    """Turn every error that a caller can cause into a Problem, and hide all others."""
    for kind in _KNOWN:
        app.add_exception_handler(kind, _answer)


def problem(error: Exception) -> tuple[int, Problem]:
    """Status and words for an error."""
    match error:
        case Unauthorized():
            return 401, Problem(
                error="nobody is signed in",
                expected="a session cookie or `Authorization: Bearer TOKEN`",
                do="POST /api/v1/session, or make a token with POST /api/v1/tokens",
            )
        case SigninRefused():
            status = 429 if error.wait else 401
            return status, Problem(
                error=str(error), expected="a user's name and password", do="check both, try again"
            )
        case Forged():
            return 403, Problem(
                error="a change by cookie without this session's CSRF token",
                expected="the header X-CSRF-Token as GET /api/v1/me gives it",
                do="send the header, or use a bearer token",
            )
        case Denied():
            return 403, Problem(
                error=str(error), expected="somebody who may do this", do="ask an administrator"
            )
        case NotFound():
            return 404, Problem(
                error=str(error),
                expected="something that exists and that you may see",
                do="list what there is with GET on the path above",
            )
        case Conflict():
            return 409, Problem(
                error=error.found,
                expected="it as it was before",
                do=error.advice,
                who=error.who,
                when=error.when,
            )
        case Invalid():
            return 422, Problem(error=error.found, expected=error.expected, do="correct it")
        case RequestValidationError():
            return 422, Problem(
                error="; ".join(_faults(error)),
                expected="what /api/v1/openapi.json describes",
                do="correct the request",
            )
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            return error.status_code, Problem(
                error=phrase.lower(),
                expected="a path, method and body that /api/v1/openapi.json describes",
                do="correct the request",
            )
        case Overloaded():
            return 503, Problem(
                error=str(error), expected="the database to have time and space", do="try again"
            )
    return 500, Problem(
        error="a fault of ours; it is in the log",
        expected="an answer",
        do="try again, and report it if it stays",
    )


def _answer(_request: Request, error: Exception) -> Response:
    status, body = problem(error)
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException) and error.headers:
        headers |= _plain(error.headers)
    if isinstance(error, Overloaded):
        headers |= RETRY
    if isinstance(error, SigninRefused) and error.wait:
        headers["Retry-After"] = str(int(error.wait) + 1)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(body, status, headers)


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """`Allow` and the like, without what belongs to the body that is replaced."""
    return {name: value for name, value in headers.items() if name.lower() != "content-length"}


def _faults(error: RequestValidationError) -> list[str]:
    """Where and what, without repeating what was sent."""
    return [
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()[:MAX_FAULTS]
    ]
