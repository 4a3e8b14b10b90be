"""The console as one application, to be mounted behind the API (tenants.api.app.create_app)."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from tenants.console import render
from tenants.console.bounds import SmallBodies
from tenants.console.faults import KNOWN, NOTHING_HERE, fault_page, show_fault, sign_in_first
from tenants.console.pages import (
    alert,
    coverage,
    guide,
    organisations,
    own_rules,
    queue,
    search,
    signing,
)
from tenants.console.visit import SignInFirst
from tenants.services import Services

PAGES = (signing, queue, alert, search, organisations, coverage, own_rules, guide)


def create_console(services: Services) -> ASGIApp:
    """The pages as browsers should get them; even a fault of ours carries the safe headers."""
    return render.SafeHeaders(create_pages(services))


def create_pages(services: Services) -> FastAPI:
    """Every page; faults and unknown addresses are pages too."""
    console = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    console.state.services = services
    for module in PAGES:
        console.include_router(module.router)
    console.add_api_route("/static/{version}/{name}", static_file, methods=["GET"])
    for kind in (*KNOWN, HTTPException, Exception):
        console.add_exception_handler(kind, show_fault)
    console.add_exception_handler(SignInFirst, sign_in_first)
    console.add_middleware(SmallBodies)
    return console


def static_file(request: Request, version: str, name: str) -> Response:
    """Style, script and icon."""
    return render.static(version, name) or fault_page(request, NOTHING_HERE)
