"""One request of a signed-in person: who they are, what they see, and the forms they may send."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Form, Request
from starlette.responses import Response

from tenants.access import Principal, Role
from tenants.api.caller import services_of, session_of
from tenants.api.problems import Forged
from tenants.console import render
from tenants.console.words import ROLE_WORDS, Moment, moment
from tenants.onboarding import Tenant
from tenants.services import Services
from tenants.signin import Session, csrf_fits
from tenants.triage.desk import Desk

SHORTCUTS_COOKIE = "citysoc_shortcuts"


class SignInFirst(Exception):
    """Nobody is signed in; `next` is where to go on afterwards."""

    def __init__(self, next_page: str) -> None:
        super().__init__("sign in first")
        self.next_page = next_page


class Person(NamedTuple):
    """How the pages speak of whoever is signed in."""

    user: str
    name: str
    role: str
    staff: bool


class Visit:
    """Bound to one person: everything that a page asks goes through here."""

    def __init__(self, services: Services, session: Session, *, shortcuts: bool) -> None:
        self.services = services
        self.session = session
        self.shortcuts = shortcuts
        self.now = services.clock()
        """One moment for the whole page."""

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.session.principal

    @property
    def staff(self) -> bool:
        """Whether the person works for the SOC."""
        return self.principal.role is not Role.PARTNER

    @property
    def desk(self) -> Desk:
        """The queue as this person may work it."""
        return self.services.desk(self.principal)

    def tenants(self) -> Mapping[str, Tenant]:
        """The tenants that the person sees, by id, in the order of their names."""
        onboarding = self.services.onboarding(self.principal)
        return {tenant.id: tenant for tenant in onboarding.tenants()}

    def names(self) -> Mapping[str, str]:
        """Names of people by user id; an id that is not in it is shown as it is."""
        return {user.id: user.name for user in self.services.people(self.principal).users()}

    def moment(self, when: str | datetime) -> Moment:
        """A time for people, as of this page."""
        return moment(when, self.now)

    def page(
        self, template: str, *, here: str, values: Mapping[str, Any], status: int = 200
    ) -> Response:
        """A page with its frame; `here` marks where it stands in the navigation."""
        frame = {
            "person": Person(
                self.principal.user,
                self.principal.name,
                ROLE_WORDS[self.principal.role],
                self.staff,
            ),
            "csrf": self.session.csrf,
            "shortcuts": self.shortcuts,
            "made": self.moment(self.now),
            "here": here,
            "notice": None,
        }
        return render.page(template, {**frame, **values}, status=status)


def current(request: Request) -> Visit | None:
    """The visit of whoever is signed in, None for nobody."""
    session = session_of(request)
    if session is None:
        return None
    shortcuts = request.cookies.get(SHORTCUTS_COOKIE) != "off"
    return Visit(services_of(request), session, shortcuts=shortcuts)


def signed_in(request: Request) -> Visit:
    """The visit, for pages. Raises SignInFirst."""
    visit = current(request)
    if visit is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInFirst(f"{request.url.path}{query}" if request.method == "GET" else "/queue")
    return visit


def own_form(
    visit: Annotated[Visit, Depends(signed_in)], csrf: Annotated[str, Form(max_length=200)] = ""
) -> Visit:
    """The visit, for forms that change something. Raises SignInFirst, Forged."""
    if not csrf_fits(visit.session, csrf):
        raise Forged
    return visit


Signed = Annotated[Visit, Depends(signed_in)]
Sent = Annotated[Visit, Depends(own_form)]
