"""Searching the events of one tenant."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import Response

from tenants.access import Denied, Invalid, NotFound
from tenants.console import events
from tenants.console.render import link
from tenants.console.visit import Signed, Visit
from tenants.console.words import count, readable
from tenants.store.contract import Page

router = APIRouter()

PAGE = 50
EXAMPLES = (
    ("host:ws-0147", "Events about one computer; user:, ip: and hash: find the others alike."),
    ("EventID:4625 and not user:svc-backup", "One field, and not another; or and ( ) work too."),
    (r"Image:*\\powershell.exe", "* stands for anything, ? for one character, \\\\ for \\."),
    ('"shadow copy"', "These words side by side, anywhere in the event."),
    ("sc-status >= 500", "Numbers compare with < <= > >=."),
    ("user in (asmith, bjones)", "Any of these."),
    ("source:edge-firewall since:24h", "One log source, in the last 24 hours."),
)
"""How to ask; every one of them is a filter that parses."""


class Asked(NamedTuple):
    """The question as the form has it."""

    tenant: str
    q: str
    since: str
    until: str

    def path(self, after: str | None = None) -> str:
        """The address that asks this."""
        return link("/search", **self._asdict(), after=after)


Text = Annotated[str, Query(max_length=2000)]


@router.get("/search")
def search(
    visit: Signed,
    tenant: Text = "",
    q: Text = "",
    since: Text = "",
    until: Text = "",
    after: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """The newest events that fit, one tenant at a time."""
    tenants = visit.tenants()
    if tenant and tenant not in tenants:
        raise NotFound(f"no tenant called {tenant!r}")
    asked = Asked(tenant or next(iter(tenants), ""), q, since, until)
    fault, found = _find(visit, asked, after)
    values = {
        "asked": asked,
        "tenants": list(tenants.values()),
        "fault": fault,
        "open_help": fault is not None,
        "examples": EXAMPLES,
        "tally": "Not searched" if fault else _tally(found, paged=bool(after)),
        "events": [events.view(event, visit.moment, opened=False) for event in found.events],
        "empty": _empty(asked, fault),
        "turn": {
            "first": asked.path() if after else None,
            "next": asked.path(found.after) if found.after else None,
        },
    }
    return visit.page("search.html", here="search", values=values, status=422 if fault else 200)


def _find(visit: Visit, asked: Asked, after: str | None) -> tuple[str | None, Page]:
    """What was wrong with the question, and what was found."""
    nothing = Page(events=(), after=None)
    if not asked.tenant:
        return None, nothing
    hunt = visit.services.hunt(visit.principal)
    times = {"since": asked.since, "until": asked.until}
    try:
        return None, hunt.search(asked.tenant, asked.q, **times, after=after, limit=PAGE)
    except Invalid as invalid:
        return f"{readable(invalid.found)}.", nothing
    except Denied as denied:
        return f"{readable(str(denied))}.", nothing


def _tally(found: Page, *, paged: bool) -> str:
    number = count(len(found.events), "event", "events")
    if found.after or paged:
        return f"{number} on this page, newest first"
    return f"{number}, newest first" if found.events else "No events"


def _empty(asked: Asked, fault: str | None) -> dict[str, str]:
    if fault:
        text = "Correct the question above; How to ask has examples."
        return {"title": "That could not be understood", "text": text}
    if not asked.tenant:
        text = "Ask the SOC's administrator which organisations your account should see."
        return {"title": "There is nothing to search", "text": text}
    text = "Widen the times, take a part of the question away, or look whether the source sends."
    return {"title": "Nothing found", "text": text}
