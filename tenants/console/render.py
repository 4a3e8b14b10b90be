"""Templates, the few static files, and the headers that every page carries."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenants.console import words

HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC = {path.name: path.read_bytes() for path in sorted((HERE / "static").iterdir())}
VERSION = hashlib.sha256(b"\0".join(_STATIC.values())).hexdigest()[:12]
"""Part of every static address, so that browsers may keep the files for ever."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def _static_link(name: str) -> str:
    if name not in _STATIC:
        raise KeyError(f"no static file called {name!r}; known: {', '.join(_STATIC)}")
    return f"/static/{VERSION}/{name}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        static=_static_link,
        level_words=words.LEVEL_WORDS,
        verdict_words=words.VERDICT_WORDS,
    )
    return environment


_ENVIRONMENT = _environment()


def html(template: str, values: Mapping[str, Any]) -> str:
    """A page as text; everything in `values` is escaped."""
    return _ENVIRONMENT.get_template(template).render(values)


def page(template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
    """A page as a response that no cache keeps; half a surrogate pair shows as its escape."""
    body = html(template, values).encode("utf-8", "backslashreplace")
    return HTMLResponse(body, status, headers={"cache-control": "no-store"})


def bare_page(template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
    """A page for nobody in particular: sign-in, and faults that strike before it."""
    return page(template, {"person": None, "shortcuts": False, **values}, status=status)


def link(path: str, **asked: str | None) -> str:
    """A path with the parameters that say something."""
    said = {name: value for name, value in asked.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def static(version: str, name: str) -> Response | None:
    """A static file, kept by browsers for ever under its version; None if there is none."""
    if version != VERSION or name not in _STATIC:
        return None
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(_STATIC[name], media_type=_TYPES[Path(name).suffix], headers=kept)


class SafeHeaders:
    """Adds HEADERS to every response of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = list(message["headers"])
                kept += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": kept}
            await send(message)

        await self._app(scope, receive, send_safely if scope["type"] == "http" else send)
