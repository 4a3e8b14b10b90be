"""The HTTP application of the `serve` stage: the API, /healthz and /metrics, and the pages."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from collectors.health import health_body
from tenants.api import alert_routes, people_routes, problems, tenant_routes
from tenants.api.answers import SHAPES
from tenants.api.body_limit import BodyLimit
from tenants.api.caller import services_of
from tenants.services import Services

PREFIX = "/api/v1"
MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request, enough for a register of 100,000 assets."""


def create_app(services: Services, *, pages: ASGIApp | None = None) -> FastAPI:
    """Put the application together; `pages` answers for every path that is not listed here."""
    app = FastAPI(
        title="citysoc",
        version="1",
        description="One SOC for a whole city: what its console does, for programs.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # they load scripts from other people's servers
        redoc_url=None,
    )
    app.state.services = services
    app.add_middleware(BodyLimit, limit=MAX_BODY)
    problems.install(app)
    for routes in (
        people_routes.open_routes,
        people_routes.routes,
        tenant_routes.routes,
        alert_routes.routes,
    ):
        app.include_router(routes, prefix=PREFIX)
    app.include_router(_watched)
    _describe(app)
    if pages is not None:
        app.mount("/", pages)
    return app


_watched = APIRouter(include_in_schema=False)


@_watched.get("/healthz")
def healthz(request: Request) -> Response:
    """How the stage is doing: 200 while it runs, 503 while it waits for something."""
    status, body = health_body(services_of(request).status())
    return Response(body, status, media_type="application/json")


@_watched.get("/metrics")
def metrics() -> Response:
    """Prometheus metrics; no label names a tenant."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _describe(app: FastAPI) -> None:
    """Add the schemas of the answers to the OpenAPI document."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in SHAPES.components().items():
            schemas.setdefault(name, schema)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
