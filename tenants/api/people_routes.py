"""Sessions, tokens, and users."""

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from tenants.access import Role
from tenants.api.answers import SHAPES, Answer
from tenants.api.bodies import PasswordBody, SignInBody, TokenBody, UserBody, UserChange
from tenants.api.caller import (
    GUARDED,
    Caller,
    OwnSession,
    Provided,
    clear_cookie,
    session_of,
    set_cookie,
)
from tenants.people import User, UserCreated
from tenants.signin import Session, TokenCreated, TokenInfo

open_routes = APIRouter(tags=["people"])
routes = APIRouter(tags=["people"], dependencies=GUARDED)


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking. `tenants` is null for SOC staff, who serve every tenant."""

    user: str
    name: str
    role: Role
    tenants: Sequence[str] | None
    csrf: str
    """For X-CSRF-Token; empty where the caller came with a bearer token."""


class UserList(msgspec.Struct, frozen=True):
    """Users."""

    users: Sequence[User]


class TokenList(msgspec.Struct, frozen=True):
    """API tokens, without what is secret of them."""

    tokens: Sequence[TokenInfo]


@open_routes.post("/session", responses=SHAPES.answer(Me))
def sign_in(body: SignInBody, request: Request, services: Provided) -> Response:
    """Sign in: sets the session cookie. Wrong tries make the next ones wait (429)."""
    address = request.client.host if request.client else ""
    session = services.signin.sign_in(body.user, body.password, address)
    answer = Answer(_me(session))
    set_cookie(answer, session, secure=services.secure)
    return answer


@routes.delete("/session", status_code=204)
def sign_out(session: OwnSession, services: Provided) -> Response:
    """Sign out."""
    services.signin.sign_out(session.secret)
    answer = Response(status_code=204)
    clear_cookie(answer, secure=services.secure)
    return answer


@routes.get("/me", responses=SHAPES.answer(Me))
def me(caller: Caller, request: Request) -> Response:
    """Who am I?"""
    session = None if "Authorization" in request.headers else session_of(request)
    if session is not None:
        return Answer(_me(session))
    tenants = None if caller.tenants is None else sorted(caller.tenants)
    return Answer(
        Me(user=caller.user, name=caller.name, role=caller.role, tenants=tenants, csrf="")
    )


@routes.put("/me/password", status_code=204)
def change_password(body: PasswordBody, caller: Caller, services: Provided) -> Response:
    """Change one's own password. Every session of the user ends."""
    services.signin.change_password(caller, body.old, body.new)
    return Response(status_code=204)


@routes.get("/tokens", responses=SHAPES.answer(TokenList))
def list_tokens(caller: Caller, services: Provided) -> Response:
    """One's own API tokens."""
    return Answer(TokenList(services.signin.tokens(caller)))


@routes.post("/tokens", status_code=201, responses=SHAPES.answer(TokenCreated, 201))
def create_token(body: TokenBody, caller: Caller, services: Provided) -> Response:
    """Make an API token; it is shown this once."""
    return Answer(services.signin.create_token(caller, body.name), 201)


@routes.delete("/tokens/{token}", status_code=204)
def delete_token(token: str, caller: Caller, services: Provided) -> Response:
    """Make one of one's own API tokens worthless, by its id."""
    services.signin.delete_token(caller, token)
    return Response(status_code=204)


@routes.get("/users", responses=SHAPES.answer(UserList))
def list_users(caller: Caller, services: Provided) -> Response:
    """SOC staff see all users, partners those of their own tenants."""
    return Answer(UserList(services.people(caller).users()))


@routes.post("/users", status_code=201, responses=SHAPES.answer(UserCreated, 201))
def add_user(body: UserBody, caller: Caller, services: Provided) -> Response:
    """Let somebody in; the random password is shown this once. For administrators."""
    people = services.people(caller)
    return Answer(people.add_user(body.id, body.name, body.role, body.tenants), 201)


@routes.patch("/users/{user}", responses=SHAPES.answer(User))
def change_user(user: str, body: UserChange, caller: Caller, services: Provided) -> Response:
    """Shut somebody out at once, or let them in again. For administrators."""
    return Answer(services.people(caller).enable_user(user, enabled=body.enabled))


@routes.post("/users/{user}/password", responses=SHAPES.answer(UserCreated))
def reset_password(user: str, caller: Caller, services: Provided) -> Response:
    """Give somebody a new random password, shown this once. For administrators."""
    return Answer(services.people(caller).reset_password(user))


def _me(session: Session) -> Me:
    who = session.principal
    tenants = None if who.tenants is None else sorted(who.tenants)
    return Me(user=who.user, name=who.name, role=who.role, tenants=tenants, csrf=session.csrf)
