"""Forms have a bound: what is larger, or does not say how large it is, is not read."""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tenants.console.faults import TOO_LARGE, fault_page

MAX_FORM = 64_000


class SmallBodies:
    """Answers 413 before the body of a form is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD") or _fits(scope):
            await self._app(scope, receive, send)
            return
        page = await run_in_threadpool(fault_page, Request(scope), TOO_LARGE)
        await page(scope, receive, send)


def _fits(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    counted = "transfer-encoding" not in headers and length.isascii() and length.isdigit()
    return counted and int(length[:9]) <= MAX_FORM
