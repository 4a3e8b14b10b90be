"""Every route there is, and how a test calls it; one that nobody said how to call fails."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tenants.api.app import create_app
from tenants.console.app import create_pages
from tenants.console.render import VERSION
from tenants.services import Services
from tenants.signin import Session, csrf_token
from tests.isolation.city_kit import ADMIN, PASSWORD, RULE, City, Things

KNOCK = "knock-of-this-test"


class Route(NamedTuple):
    """One method of one path, with parameters in braces."""

    method: str
    path: str

    @property
    def is_page(self) -> bool:
        """Whether it is a page of the console, which takes forms and sends redirects."""
        return not self.path.startswith(("/api/", "/healthz", "/metrics"))

    @property
    def parameters(self) -> frozenset[str]:
        """Names in braces."""
        return frozenset(re.findall(r"{(\w+)}", self.path))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def every_route() -> list[Route]:
    """All of the OpenAPI document, all pages, and what the document leaves out."""
    nobody = cast("Services", None)
    document = create_app(nobody).openapi()
    api = [
        Route(method.upper(), path) for path, item in document["paths"].items() for method in item
    ]
    pages = [
        Route(method, route.path)
        for route in _api_routes(create_pages(nobody).routes)
        for method in sorted(route.methods)
    ]
    return [*api, *pages, Route("GET", "/healthz"), Route("GET", "/metrics")]


def _api_routes(routes: Any) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _api_routes(getattr(getattr(route, "original_router", None), "routes", ()))


def bodies(things: Things) -> Mapping[str, Any]:
    """What to send, where a route takes more than its path and the token of its form."""
    verdict = {"verdict": "undetermined", "reason": "There is too little to go by."}
    note = {"text": "Called the owner."}
    return {
        "POST /api/v1/session": {"user": things.user, "password": things.password},
        "PUT /api/v1/me/password": {"old": things.password, "new": f"{PASSWORD} too"},
        "POST /api/v1/tokens": {"name": "second"},
        "POST /api/v1/users": {
            "id": "newcomer",
            "name": "New Comer",
            "role": "partner",
            "tenants": [things.tenant],
        },
        "PATCH /api/v1/users/{user}": {"enabled": True},
        "POST /api/v1/tenants": {"id": "cedar", "name": "Cedar School", "kind": "school"},
        "POST /api/v1/tenants/{tenant}/sources": {"kind": "windows", "name": "second"},
        "PATCH /api/v1/tenants/{tenant}/sources/{source}": {"enabled": False},
        "PUT /api/v1/tenants/{tenant}/assets": [{"kind": "host", "name": "ws-2"}],
        "PUT /api/v1/tenants/{tenant}/assets.csv": b"kind,name\nhost,ws-3\n",
        "PUT /api/v1/tenants/{tenant}/rules": {"states": {RULE: "signal"}},
        "PUT /api/v1/tenants/{tenant}/lists": {"lists": {"admins": ["root"]}},
        "PUT /api/v1/tenants/{tenant}/exceptions": {"exceptions": {"backup": EXCEPTION}},
        "POST /tenants/{tenant}/own-rules/list": {"name": "admins", "values": "root"},
        "POST /tenants/{tenant}/own-rules/exception": {"name": "backup", "text": EXCEPTION},
        "POST /api/v1/alerts/{alert}/verdict": verdict,
        "POST /api/v1/alerts/{alert}/notes": note,
        "POST /sign-in": {
            "user": things.user,
            "password": things.password,
            "csrf": csrf_token(KNOCK),
        },
        "POST /alerts/{alert}/verdict": verdict,
        "POST /alerts/{alert}/note": note,
        "POST /shortcuts": {"shortcuts": "off"},
    }


def queries(things: Things) -> Mapping[str, Any]:
    """What to ask, so that the answer is about the organisation."""
    return {
        "GET /api/v1/alerts": {"tenant": things.tenant},
        "GET /api/v1/tenants/{tenant}/events": {"q": "EventID:10"},
        "GET /queue": {"tenant": things.tenant},
        "GET /queue/news": {"tenant": things.tenant},
        "GET /search": {"tenant": things.tenant, "q": "EventID:10"},
    }


EXCEPTION = """title: Backups may
logsource: {product: windows}
filter: {rules: any, account: {User: backup}, condition: not account}
"""
NO_BODY = frozenset(
    {
        "POST /api/v1/users/{user}/password",
        "POST /api/v1/tenants/{tenant}/sources/{source}/token",
        "POST /api/v1/alerts/{alert}/claim",
        "POST /api/v1/alerts/{alert}/release",
        "POST /api/v1/alerts/{alert}/reopen",
        "POST /sign-out",
        "POST /alerts/{alert}/claim",
        "POST /alerts/{alert}/release",
        "POST /alerts/{alert}/reopen",
    }
)
ONLY_STAFF = frozenset({"claim", "release", "verdict", "reopen"})


class Caller:
    """One person's client: a browser's session, or nobody's."""

    def __init__(self, app: FastAPI, session: Session | None) -> None:
        self._app = app
        self._session = session
        self._cookies = {"citysoc_knock": KNOCK}
        self._headers = {}
        if session is not None:
            self._cookies["citysoc_session"] = session.secret
            self._headers["X-CSRF-Token"] = session.csrf

    def call(self, route: Route, things: Things) -> httpx.Response:
        """The route, about these things. Fails for one that nobody said how to call."""
        arguments: dict[str, Any] = {"params": queries(things).get(str(route), {})}
        body = bodies(things).get(str(route))
        if route.method in ("POST", "PUT", "PATCH") and not body and str(route) not in NO_BODY:
            raise AssertionError(f"nothing says what to send to {route}: add it to bodies()")
        if route.is_page and route.method == "POST":
            csrf = self._session.csrf if self._session else "none"
            arguments["data"] = {"csrf": csrf, **(body or {})}
        elif isinstance(body, bytes):
            arguments["content"] = body
        elif body:
            arguments["json"] = body
        return self.request(route.method, fill(route, things), **arguments)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Any request at all."""
        # In a thread of its own: a browser of another test may have a loop running in this one.
        with ThreadPoolExecutor(1) as apart:
            return apart.submit(asyncio.run, self._request(method, path, **arguments)).result()

    async def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        headers = {**self._headers, **arguments.pop("headers", {})}
        cookies = {**self._cookies, **arguments.pop("cookies", {})}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8600", cookies=cookies, headers=headers
        ) as client:
            return await client.request(method, path, **arguments)


def fill(route: Route, things: Things) -> str:
    """The path about these things."""
    known = {
        "tenant": things.tenant,
        "source": things.source,
        "user": things.user,
        "event": things.event,
        "token": things.token,
        "alert": things.closed if route.path.endswith("/reopen") else things.alert,
        "version": VERSION,
        "name": "console.css",
    }
    missing = route.parameters - known.keys()
    if missing:
        raise AssertionError(f"nothing says what {sorted(missing)} of {route} may be")
    return route.path.format_map(known)


def prepare(city: City, route: Route, things: Things) -> None:
    """Bring things to where the route makes sense."""
    if route.path.endswith("/release"):
        city.services.desk(city.principal("maria")).claim(things.alert)


def owners(route: Route, things: Things) -> list[str]:
    """Who may call it, the nearest first."""
    worked_on = route.path.rpartition("/")[2] in ONLY_STAFF and "{alert}" in route.path
    if worked_on or route.path == "/tenants":
        return ["maria"]
    return [things.user, "maria", ADMIN]
