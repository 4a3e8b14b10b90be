"""What an organisation adds to the rules: its lists and its exceptions."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from tenants.access import Conflict, Invalid
from tenants.console.visit import Sent, Signed, Visit
from tenants.console.words import count, readable
from tenants.own_rules import MAX_TEXT

router = APIRouter()

MAX_VALUES_TEXT = 60_000
EXAMPLE = """title: The backup account may read everything
logsource: {product: windows}
filter:
  rules: any
  selection:
    User: svc_backup
  condition: not selection
"""
SAVED = {
    "list": ("good", "Saved", "Rules see the list from the next events on."),
    "exception": ("good", "Saved", "It holds for the next events; alerts that are there stay."),
}
"""What the page says after a form; the address names one of these, never the words."""


class Typed(NamedTuple):
    """What somebody typed, so that a fault does not lose it."""

    form: str = ""
    name: str = ""
    text: str = ""
    fault: str = ""


@router.get("/tenants/{tenant}/own-rules")
def own_rules_page(visit: Signed, tenant: str, saved: str = "") -> Response:
    """All lists and exceptions, each in a form of its own."""
    return _page(visit, tenant, saved=saved)


@router.post("/tenants/{tenant}/own-rules/list")
def set_list(
    visit: Sent,
    tenant: str,
    name: Annotated[str, Form(max_length=100)] = "",
    values: Annotated[str, Form(max_length=MAX_VALUES_TEXT)] = "",
) -> Response:
    """Set a list, one value a line; none removes it."""
    lines = [line for line in values.splitlines() if line.strip()]
    typed = Typed("list", name, values)
    try:
        visit.services.own_rules(visit.principal).set_lists(tenant, {name.strip(): lines or None})
    except (Invalid, Conflict) as error:
        return _page(visit, tenant, typed=typed._replace(fault=f"{readable(str(error))}."))
    return RedirectResponse(f"/tenants/{tenant}/own-rules?saved=list", status_code=303)


@router.post("/tenants/{tenant}/own-rules/exception")
def set_exception(
    visit: Sent,
    tenant: str,
    name: Annotated[str, Form(max_length=100)] = "",
    text: Annotated[str, Form(max_length=MAX_TEXT)] = "",
) -> Response:
    """Set an exception; without a text it is removed."""
    typed = Typed("exception", name, text)
    try:
        visit.services.own_rules(visit.principal).set_exceptions(tenant, {name.strip(): text})
    except (Invalid, Conflict) as error:
        return _page(visit, tenant, typed=typed._replace(fault=f"{readable(str(error))}."))
    return RedirectResponse(f"/tenants/{tenant}/own-rules?saved=exception", status_code=303)


def _page(visit: Visit, tenant: str, *, typed: Typed = Typed(), saved: str = "") -> Response:  # noqa: B008 - frozen
    own = visit.services.own_rules(visit.principal).own(tenant)
    values: dict[str, Any] = {
        "tenant": visit.services.onboarding(visit.principal).tenant(tenant),
        "lists": [
            {"name": name, "text": "\n".join(found), "tally": count(len(found), "value", "values")}
            for name, found in sorted(own.lists.items())
        ],
        "exceptions": [
            {"name": name, "text": text} for name, text in sorted(own.exceptions.items())
        ],
        "typed": typed,
        "example": EXAMPLE,
    }
    if saved in SAVED:
        tone, title, text = SAVED[saved]
        values["notice"] = {"tone": tone, "title": title, "text": text}
    status = 422 if typed.fault else 200
    return visit.page("own_rules.html", here="tenants", values=values, status=status)
