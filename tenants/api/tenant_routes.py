"""Tenants, and what belongs to one: sources, assets, rule states, events, audit."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query, Response

from enrichment.register import Asset
from tenants.api.answers import SHAPES, Answer
from tenants.api.bodies import (
    AssetBody,
    ExceptionsBody,
    ListsBody,
    SourceBody,
    SourceChange,
    StatesBody,
    TenantBody,
)
from tenants.api.caller import GUARDED, Caller, Provided
from tenants.audit import AuditPage
from tenants.onboarding import Source, SourceCreated, Tenant
from tenants.own_rules import OwnRules
from tenants.policies import TenantPolicy
from tenants.source_kinds import source_kinds

routes = APIRouter(dependencies=GUARDED)

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="`cursor` of the page before this one.")
]


CSV_EXAMPLE = "kind,name,owner,criticality\nhost,ws-014,Finance,high\n"


class TenantList(msgspec.Struct, frozen=True):
    """Tenants by name."""

    tenants: Sequence[Tenant]


class SourceList(msgspec.Struct, frozen=True):
    """Sources by name."""

    sources: Sequence[Source]


class KindInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of source."""

    kind: str
    title: str
    transport: str
    logsources: Sequence[str]
    schema: str


class KindList(msgspec.Struct, frozen=True):
    """What may be onboarded."""

    kinds: Sequence[KindInfo]


class AssetList(msgspec.Struct, frozen=True):
    """A register of assets."""

    assets: Sequence[Asset]


class EventPage(msgspec.Struct, frozen=True):
    """Events newest first, each with its own fields and `soc`; `after` asks for the next page."""

    events: Sequence[dict[str, Any]]
    after: str | None


@routes.get("/tenants", tags=["tenants"], responses=SHAPES.answer(TenantList))
def list_tenants(caller: Caller, services: Provided) -> Response:
    """The tenants that the caller sees."""
    return Answer(TenantList(services.onboarding(caller).tenants()))


@routes.post("/tenants", tags=["tenants"], status_code=201, responses=SHAPES.answer(Tenant, 201))
def add_tenant(body: TenantBody, caller: Caller, services: Provided) -> Response:
    """Take in an organisation. For administrators."""
    return Answer(services.onboarding(caller).add_tenant(body.id, body.name, body.kind), 201)


@routes.get("/tenants/{tenant}", tags=["tenants"], responses=SHAPES.answer(Tenant))
def get_tenant(tenant: str, caller: Caller, services: Provided) -> Response:
    """One tenant."""
    return Answer(services.onboarding(caller).tenant(tenant))


@routes.get("/source-kinds", tags=["sources"], responses=SHAPES.answer(KindList))
def list_kinds(_caller: Caller) -> Response:
    """What a source may be."""
    kinds = [
        KindInfo(
            kind=name,
            title=kind.title,
            transport=kind.transport,
            logsources=kind.logsources,
            schema=kind.schema,
        )
        for name, kind in source_kinds().items()
    ]
    return Answer(KindList(kinds))


@routes.get("/tenants/{tenant}/sources", tags=["sources"], responses=SHAPES.answer(SourceList))
def list_sources(tenant: str, caller: Caller, services: Provided) -> Response:
    """A tenant's sources."""
    return Answer(SourceList(services.onboarding(caller).sources(tenant)))


@routes.post(
    "/tenants/{tenant}/sources",
    tags=["sources"],
    status_code=201,
    responses=SHAPES.answer(SourceCreated, 201),
)
def add_source(tenant: str, body: SourceBody, caller: Caller, services: Provided) -> Response:
    """Take in a source; its token is shown this once, with a configuration to paste."""
    created = services.onboarding(caller).add_source(
        tenant, body.kind, body.name, senders=body.senders, schema=body.schema_
    )
    return Answer(created, 201)


@routes.get("/tenants/{tenant}/sources/{source}", tags=["sources"], responses=SHAPES.answer(Source))
def get_source(tenant: str, source: str, caller: Caller, services: Provided) -> Response:
    """One source."""
    return Answer(services.onboarding(caller).source(tenant, source))


@routes.patch(
    "/tenants/{tenant}/sources/{source}", tags=["sources"], responses=SHAPES.answer(Source)
)
def change_source(
    tenant: str, source: str, body: SourceChange, caller: Caller, services: Provided
) -> Response:
    """Open or close a source's doors, or replace the senders that its syslog port admits."""
    onboarding = services.onboarding(caller)
    if body.senders is not None:
        onboarding.set_senders(tenant, source, body.senders)
    if body.enabled is not None:
        onboarding.enable_source(tenant, source, enabled=body.enabled)
    return Answer(onboarding.source(tenant, source))


@routes.post(
    "/tenants/{tenant}/sources/{source}/token",
    tags=["sources"],
    responses=SHAPES.answer(SourceCreated),
)
def rotate_token(tenant: str, source: str, caller: Caller, services: Provided) -> Response:
    """Give a source a new token, shown this once; the old one stops working at once."""
    return Answer(services.onboarding(caller).rotate_token(tenant, source))


@routes.get("/tenants/{tenant}/assets", tags=["assets"], responses=SHAPES.answer(AssetList))
def list_assets(tenant: str, caller: Caller, services: Provided) -> Response:
    """A tenant's register of assets."""
    return Answer(AssetList(services.assets(caller).assets(tenant)))


@routes.put("/tenants/{tenant}/assets", tags=["assets"], responses=SHAPES.answer(AssetList))
def replace_assets(
    tenant: str, body: list[AssetBody], caller: Caller, services: Provided
) -> Response:
    """Put a whole new register in force, or nothing of it where a row can't be used."""
    book = services.assets(caller)
    book.replace(tenant, [Asset(**row.model_dump()) for row in body])
    return Answer(AssetList(book.assets(tenant)))


@routes.put("/tenants/{tenant}/assets.csv", tags=["assets"], responses=SHAPES.answer(AssetList))
def replace_assets_csv(
    tenant: str,
    body: Annotated[bytes, Body(media_type="text/csv", examples=[CSV_EXAMPLE])],
    caller: Caller,
    services: Provided,
) -> Response:
    """The same from CSV with a header line; faults name their lines."""
    book = services.assets(caller)
    book.replace_csv(tenant, body)
    return Answer(AssetList(book.assets(tenant)))


@routes.get("/tenants/{tenant}/rules", tags=["rules"], responses=SHAPES.answer(TenantPolicy))
def list_rules(tenant: str, caller: Caller, services: Provided) -> Response:
    """What every rule may do in a tenant, and the version of the policy that says so."""
    return Answer(services.policies(caller).policy(tenant))


@routes.put("/tenants/{tenant}/rules", tags=["rules"], responses=SHAPES.answer(TenantPolicy))
def set_rules(tenant: str, body: StatesBody, caller: Caller, services: Provided) -> Response:
    """Set the states of some rules; the others keep theirs. For SOC staff."""
    return Answer(services.policies(caller).set_states(tenant, body.states))


@routes.get("/tenants/{tenant}/own-rules", tags=["rules"], responses=SHAPES.answer(OwnRules))
def list_own_rules(tenant: str, caller: Caller, services: Provided) -> Response:
    """A tenant's lists for placeholders, and its exceptions from rules."""
    return Answer(services.own_rules(caller).own(tenant))


@routes.put("/tenants/{tenant}/lists", tags=["rules"], responses=SHAPES.answer(OwnRules))
def set_lists(tenant: str, body: ListsBody, caller: Caller, services: Provided) -> Response:
    """Set some lists; the others stay as they are."""
    return Answer(services.own_rules(caller).set_lists(tenant, body.lists))


@routes.put("/tenants/{tenant}/exceptions", tags=["rules"], responses=SHAPES.answer(OwnRules))
def set_exceptions(
    tenant: str, body: ExceptionsBody, caller: Caller, services: Provided
) -> Response:
    """Set some exceptions; the others stay as they are. Faults name their lines."""
    return Answer(services.own_rules(caller).set_exceptions(tenant, body.exceptions))


@routes.get("/tenants/{tenant}/events", tags=["events"], responses=SHAPES.answer(EventPage))
def search_events(
    tenant: str,
    caller: Caller,
    services: Provided,
    q: Annotated[str, Query(max_length=4000, description="A filter; all events if empty.")] = "",
    since: Annotated[str, Query(max_length=40, description="From this event time on.")] = "",
    until: Annotated[str, Query(max_length=40, description="Before this event time.")] = "",
    after: Annotated[str | None, Query(max_length=400, description="The page after this.")] = None,
    limit: Limit = 50,
) -> Response:
    """Search a tenant's events, newest first. SOC staff's searches are audited."""
    page = services.hunt(caller).search(
        tenant, q, since=since, until=until, after=after, limit=limit
    )
    return Answer(EventPage(page.events, page.after))


@routes.get(
    "/tenants/{tenant}/events/{event}",
    tags=["events"],
    responses=SHAPES.answer(dict[str, Any]),
)
def get_event(tenant: str, event: str, caller: Caller, services: Provided) -> Response:
    """One event."""
    return Answer(services.hunt(caller).event(tenant, event))


@routes.get("/tenants/{tenant}/audit", tags=["audit"], responses=SHAPES.answer(AuditPage))
def tenant_audit(
    tenant: str, caller: Caller, services: Provided, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Who did what to a tenant's data, and who looked at it."""
    return Answer(services.audit(caller).of_tenant(tenant, cursor=cursor, limit=limit))


@routes.get("/audit", tags=["audit"], responses=SHAPES.answer(AuditPage))
def whole_audit(
    caller: Caller, services: Provided, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """All acts, sign-ins too. For administrators."""
    return Answer(services.audit(caller).of_everything(cursor=cursor, limit=limit))
