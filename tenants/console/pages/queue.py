"""The queue: what is waiting, whose it is, and what is new."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from detection.unusual import RULE as UNUSUAL
from tenants.console.render import link
from tenants.console.visit import Signed, Visit
from tenants.console.words import (
    LEVEL_WORDS,
    Entity,
    Moment,
    count,
    entity_of,
    verdict_name,
    window,
)
from tenants.onboarding import Tenant
from tenants.triage.queue import Counts, Item, ItemState, QueueFilter

router = APIRouter()

PAGE = 50


class View(NamedTuple):
    """One of the ready-made questions above the list."""

    name: str
    noun: str
    states: frozenset[ItemState]
    mine: bool = False


WORKING = frozenset({ItemState.OPEN, ItemState.CLAIMED})
VIEWS: Mapping[str, View] = {
    "open": View("Open", "open alerts", WORKING),
    "waiting": View("Unclaimed", "unclaimed alerts", frozenset({ItemState.OPEN})),
    "mine": View("Mine", "alerts of yours", WORKING, mine=True),
    "below": View("Below budget", "alerts below the budget", frozenset({ItemState.BELOW})),
    "closed": View("Closed", "closed alerts", frozenset({ItemState.CLOSED})),
    "all": View("All", "alerts", frozenset(ItemState)),
}


class Asked(NamedTuple):
    """The question as the address has it; what is not known counts as not asked."""

    view: str
    text: str
    severity: str
    tenant: str

    @property
    def filtered(self) -> bool:
        """Whether it narrows the view."""
        return bool(self.text or self.severity or self.tenant)

    def path(self, page: str = "/queue", **more: str | None) -> str:
        """The address that asks this."""
        view = None if self.view == "open" else self.view
        named = {"text": self.text, "severity": self.severity, "tenant": self.tenant}
        return link(page, view=view, **named, **more)

    def filter(self) -> QueueFilter:
        """For Desk.list."""
        view = VIEWS[self.view]
        return QueueFilter(
            states=view.states,
            levels=frozenset({self.severity} - {""}),
            tenants=frozenset({self.tenant} - {""}),
            mine=view.mine,
            text=self.text,
        )


class Row(NamedTuple):
    """One alert of the list."""

    id: str
    level: str
    priority: int
    title: str
    tenant: str
    entity: Entity
    asset: str
    events: str
    window: str
    last: Moment
    opened: Moment
    state: str
    owner: str
    verdict: str


Text = Annotated[str, Query(max_length=200)]


@router.get("/queue")
def queue(
    visit: Signed,
    view: Text = "open",
    text: Text = "",
    severity: Text = "",
    tenant: Text = "",
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """The list, highest priority first."""
    asked = _asked(view, text, severity, tenant)
    tenants = visit.tenants()
    page = visit.desk.list(asked.filter(), cursor=cursor, limit=PAGE)
    counts = visit.desk.counts()
    names = visit.names()
    values = {
        "asked": asked,
        "views": _views(visit, asked, counts),
        "tenants": list(tenants.values()),
        "scope": " and ".join(one.name for one in tenants.values()) or "no organisation",
        "rows": [_row(visit, item, tenants, names) for item in page.items],
        "tally": _tally(asked, len(page.items), more=page.cursor is not None, paged=bool(cursor)),
        "news": None if cursor else asked.path("/queue/news"),
        "fresh": asked.path(),
        "more": page.cursor is not None,
        "empty": _empty(visit, asked, tenants),
        "turn": {
            "first": asked.path() if cursor else None,
            "next": asked.path(cursor=page.cursor) if page.cursor else None,
        },
    }
    return visit.page("queue.html", here="queue", values=values)


@router.get("/queue/news")
def news(
    visit: Signed, view: Text = "open", text: Text = "", severity: Text = "", tenant: Text = ""
) -> Response:
    """The ids that the first page would list now; the page's script counts those it lacks."""
    asked = _asked(view, text, severity, tenant)
    items = visit.desk.list(asked.filter(), limit=PAGE).items
    return JSONResponse(
        {"alerts": [item.id for item in items]}, headers={"cache-control": "no-store"}
    )


def _asked(view: str, text: str, severity: str, tenant: str) -> Asked:
    return Asked(
        view=view if view in VIEWS else "open",
        text=" ".join(text.split()),
        severity=severity if severity in LEVEL_WORDS else "",
        tenant=tenant,
    )


def _views(visit: Visit, asked: Asked, counts: Counts) -> list[dict[str, Any]]:
    numbers = {
        "open": counts.open + counts.claimed,
        "waiting": counts.open,
        "mine": counts.mine,
    }
    return [
        {
            "name": view.name,
            "link": asked._replace(view=key).path(),
            "current": key == asked.view,
            "count": numbers.get(key),
        }
        for key, view in VIEWS.items()
        if visit.staff or not view.mine
    ]


def _row(visit: Visit, item: Item, tenants: Mapping[str, Tenant], names: Mapping[str, str]) -> Row:
    first, last = visit.moment(item.first), visit.moment(item.last)
    tenant = tenants.get(item.tenant)
    return Row(
        id=item.id,
        level=item.level if item.level in LEVEL_WORDS else "informational",
        priority=item.priority,
        title=item.title,
        tenant=tenant.name if tenant else item.tenant,
        entity=entity_of(item),
        asset=f"{item.criticality} asset" if item.criticality else "",
        events=_events(item),
        window=window(first, last, visit.moment(visit.now)),
        last=last,
        opened=visit.moment(item.opened),
        state=item.state,
        owner=names.get(item.owner or "", item.owner or ""),
        verdict=verdict_name(item.verdict),
    )


def _events(item: Item) -> str:
    if item.rule.startswith(UNUSUAL):
        return count(item.count, "window", "windows")
    return count(item.count, "event", "events")


def _tally(asked: Asked, shown: int, *, more: bool, paged: bool) -> str:
    noun = VIEWS[asked.view].noun
    fitting = " that fit the filter" if asked.filtered else ""
    if not shown:
        return f"No {noun}{fitting}"
    if more or paged:
        return f"{shown} {noun}{fitting} on this page, highest priority first"
    return f"{count(shown, 'alert', 'alerts')}{fitting}, highest priority first"


def _empty(visit: Visit, asked: Asked, tenants: Mapping[str, Tenant]) -> dict[str, str]:
    if asked.filtered:
        return {
            "title": "Nothing fits this filter",
            "text": "Take a part of it away, or look in another view: closed alerts have one.",
            "link": asked._replace(text="", severity="", tenant="").path(),
            "link_text": "Clear the filter",
        }
    if not tenants:
        return {
            "title": "No organisation is connected to your account yet",
            "text": "Ask the SOC's administrator which organisations you should see.",
            "link": "",
            "link_text": "",
        }
    if asked.view in ("open", "waiting"):
        whose = "in any tenant" if visit.staff else "for your organisation"
        return {
            "title": "Nothing is waiting",
            "text": (
                f"There is no such alert {whose}. New ones are announced above the list; "
                "meanwhile you can see whether all sources are sending."
            ),
            "link": "/tenants",
            "link_text": "Look at the sources",
        }
    return {
        "title": "Nothing here yet",
        "text": "Alerts that you claim, and those that are closed, come to these views.",
        "link": "/queue",
        "link_text": "Go to the open alerts",
    }
