"""The organisations of the city: their sources, assets, and who looked at their data."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from tenants.audit import Entry
from tenants.console.render import link
from tenants.console.visit import Signed, Visit
from tenants.console.words import Moment, count, readable
from tenants.onboarding import Source
from tenants.source_kinds import source_kinds

router = APIRouter()

ASSETS = 100
UNUSUAL = "unusual"
AUDIT = 50
TOKEN_PLACE = "YOUR-TOKEN"  # noqa: S105 - what stands where the token goes
QUIET_AFTER_SECONDS = 24 * 3600


class AuditLine(NamedTuple):
    """One act, as the tenant reads it."""

    at: Moment
    who: str
    what: str
    link: str | None


@router.get("/tenants")
def tenants_page(visit: Signed) -> Response:
    """Every organisation that the person sees; straight on where it is only one."""
    tenants = list(visit.tenants().values())
    if not visit.staff and len(tenants) == 1:
        return RedirectResponse(f"/tenants/{tenants[0].id}", status_code=303)
    who = "share this SOC" if visit.staff else "are yours to see"
    values = {
        "tenants": tenants,
        "tally": f"{count(len(tenants), 'organisation', 'organisations')} {who}",
        "unusual": _city(visit),
    }
    return visit.page("tenants.html", here="tenants", values=values)


@router.get("/tenants/{tenant}")
def tenant_page(
    visit: Signed, tenant: str, cursor: Annotated[str | None, Query(max_length=20)] = None
) -> Response:
    """One organisation's home."""
    services, principal = visit.services, visit.principal
    found = services.onboarding(principal).tenant(tenant)
    sources = services.onboarding(principal).sources(tenant)
    assets = services.assets(principal).assets(tenant)
    audit = services.audit(principal).of_tenant(tenant, cursor=cursor, limit=AUDIT)
    names = visit.names()
    open_items = visit.desk.counts().by_tenant.get(tenant, 0)
    more = len(assets) - ASSETS
    values = {
        "tenant": found,
        "figures": [
            {
                "number": open_items,
                "name": "open alert" if open_items == 1 else "open alerts",
                "link": link("/queue", tenant=tenant),
            },
            {
                "number": len(sources),
                "name": "log source" if len(sources) == 1 else "log sources",
                "link": f"/tenants/{tenant}/sources",
            },
            {"number": len(assets), "name": "registered assets", "link": "#assets"},
            *_own_rules(visit, tenant),
            *_unusual(visit, tenant),
        ],
        "assets": assets[:ASSETS],
        "assets_more": f"And {more:,} more." if more > 0 else "",
        "audit": [
            _audit_line(visit, entry, names.get(entry.who, entry.who)) for entry in audit.entries
        ],
        "audit_next": link(f"/tenants/{tenant}", cursor=audit.cursor) if audit.cursor else None,
    }
    return visit.page("tenant.html", here="tenants", values=values)


def _own_rules(visit: Visit, tenant: str) -> list[dict[str, Any]]:
    """Lists and exceptions, for whoever may see the names in them."""
    if visit.services.pseudonyms.hides(visit.principal, tenant):
        return []
    own = visit.services.own_rules(visit.principal).own(tenant)
    return [
        {
            "number": len(own.lists) + len(own.exceptions),
            "name": "lists and exceptions",
            "link": f"/tenants/{tenant}/own-rules",
        }
    ]


def _city(visit: Visit) -> str:
    """The same over all organisations, for those who serve them."""
    if visit.services.budget is None or not visit.staff:
        return ""
    rate, budget = visit.services.unusual_a_day(visit.principal), visit.services.city_budget
    return f"{rate:.1f} unusual a day this week; the city's budget is {budget:g}"


def _unusual(visit: Visit, tenant: str) -> list[dict[str, Any]]:
    """What no rule describes: the rate that there really is, beside the budget."""
    if visit.services.budget is None:
        return []
    rate = visit.services.unusual_a_day(visit.principal, tenant)
    budget = visit.services.budget(tenant)
    return [
        {
            "number": f"{rate:.1f}",
            "name": f"unusual a day this week; budget {budget:g}",
            "link": link("/queue", tenant=tenant, text=UNUSUAL),
        }
    ]


@router.get("/tenants/{tenant}/sources")
def sources_page(visit: Signed, tenant: str) -> Response:
    """What an organisation sends, whether it arrives, and how to connect it."""
    onboarding = visit.services.onboarding(visit.principal)
    found = onboarding.tenant(tenant)
    sources = onboarding.sources(tenant)
    values = {
        "tenant": found,
        "tally": count(len(sources), "source", "sources"),
        "sources": [_source(visit, source) for source in sources],
        "empty": (
            f"On the server, citysoc source add {tenant} KIND --name NAME connects the first one "
            "and prints what to paste at the sending end. "
            f"The kinds are {', '.join(source_kinds())}."
        ),
    }
    return visit.page("sources.html", here="tenants", values=values)


def _source(visit: Visit, source: Source) -> dict[str, Any]:
    facts = [("Comes in by", "syslog (TCP or UDP), or HTTP" if source.syslog else "HTTP")]
    facts += [("Syslog address", source.syslog)] if source.syslog else []
    facts += [("Admitted senders", ", ".join(source.senders))] if source.senders else []
    facts += [
        ("HTTP address", source.url),
        ("Format", "recognised line by line" if source.format == "auto" else source.format),
        ("Declared log sources", ", ".join(map(_spaced, source.logsources)) or "none"),
        ("Field names", source.schema.upper() or "Sigma's own"),
        ("Connected", visit.moment(source.created).full),
    ]
    last = _last(visit, source)
    return {
        "name": source.name,
        "kind": source.title,
        "health": _health(visit, source, last),
        "last": last,
        "facts": facts,
        "configuration": [{"name": "How to connect it", "body": _configuration(visit, source)}],
    }


def _spaced(logsource: str) -> str:
    """`windows//sysmon` as `windows sysmon`."""
    return " ".join(part for part in logsource.split("/") if part)


def _last(visit: Visit, source: Source) -> Moment | None:
    """When the newest event of a source happened."""
    found = visit.services.hunt(visit.principal).newest(source.tenant, source.name)
    return visit.moment(found) if found else None


def _health(visit: Visit, source: Source, last: Moment | None) -> dict[str, str]:
    if not source.enabled:
        return {"icon": "lock", "word": "Closed", "text": "its doors are closed"}
    if last is None:
        text = "nothing has arrived yet; check token, address and firewall at the sending end"
        return {"icon": "warn", "word": "Waiting", "text": text}
    quiet = visit.moment(visit.now).at - last.at
    if quiet.total_seconds() > QUIET_AFTER_SECONDS:
        return {"icon": "warn", "word": "Silent", "text": "newest event"}
    return {"icon": "good", "word": "Arriving", "text": "newest event"}


def _configuration(visit: Visit, source: Source) -> str:
    """What to paste, without the token: that was shown once, when it was made."""
    slot = None
    if source.syslog:
        slot = int(source.syslog.rpartition(":")[2]) - visit.services.endpoints.syslog_port
    kind = source_kinds()[source.kind]
    return kind.fill(visit.services.endpoints, source.name, TOKEN_PLACE, slot)


def _audit_line(visit: Visit, entry: Entry, who: str) -> AuditLine:
    about_alert = entry.what.startswith("alert ") and entry.detail
    detail = "" if about_alert or not entry.detail else f": {entry.detail}"
    return AuditLine(
        at=visit.moment(entry.time),
        who=who,
        what=f"{readable(entry.what)}{detail}",
        link=f"/alerts/{entry.detail}" if about_alert else None,
    )
