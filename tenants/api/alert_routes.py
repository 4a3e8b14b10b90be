"""The queue: what the console's pages do, for programs."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from tenants.api.answers import SHAPES, Answer
from tenants.api.bodies import NoteBody, VerdictBody
from tenants.api.caller import GUARDED, Caller, Provided
from tenants.policies import RuleText
from tenants.triage.queue import (
    Change,
    Counts,
    Item,
    ItemDetail,
    ItemState,
    Note,
    QueueFilter,
    QueuePage,
)

routes = APIRouter(prefix="/alerts", tags=["alerts"], dependencies=GUARDED)


class AlertDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of the queue with its evidence, and what its rule says to people."""

    alert: ItemDetail
    rule: RuleText | None
    """Null for a rule that is no longer loaded."""


class NoteList(msgspec.Struct, frozen=True):
    """Notes, oldest first."""

    notes: Sequence[Note]


class History(msgspec.Struct, frozen=True):
    """Changes, oldest first."""

    history: Sequence[Change]


@routes.get("", responses=SHAPES.answer(QueuePage))
def list_alerts(
    caller: Caller,
    services: Provided,
    state: Annotated[
        list[ItemState], Query(description="May be repeated; open and claimed if left out.")
    ] = [],  # noqa: B006 - FastAPI copies it
    level: Annotated[list[str], Query(max_length=10, description="May be repeated.")] = [],  # noqa: B006
    tenant: Annotated[list[str], Query(max_length=200, description="May be repeated.")] = [],  # noqa: B006
    mine: Annotated[bool, Query(description="Only what the caller has claimed.")] = False,
    text: Annotated[str, Query(max_length=200, description="Words that all occur.")] = "",
    rule: Annotated[str, Query(max_length=200, description="A rule's id.")] = "",
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Highest priority first, then newest."""
    asked = QueueFilter(
        states=frozenset(state) or QueueFilter().states,
        levels=frozenset(level),
        tenants=frozenset(tenant),
        mine=mine,
        text=text,
        rule=rule,
    )
    return Answer(services.desk(caller).list(asked, cursor=cursor, limit=limit))


@routes.get("/counts", responses=SHAPES.answer(Counts))
def count_alerts(caller: Caller, services: Provided) -> Response:
    """How much open work there is."""
    return Answer(services.desk(caller).counts())


@routes.get("/{alert}", responses=SHAPES.answer(AlertDetail))
def get_alert(alert: str, caller: Caller, services: Provided) -> Response:
    """An alert with its events, notes and history. A look by SOC staff is audited."""
    detail = services.desk(caller).get(alert)
    return Answer(AlertDetail(alert=detail, rule=services.rule_text(detail.item.rule)))


@routes.post("/{alert}/claim", responses=SHAPES.answer(Item))
def claim_alert(alert: str, caller: Caller, services: Provided) -> Response:
    """Take it. 409, with who and when, where another was faster."""
    return Answer(services.desk(caller).claim(alert))


@routes.post("/{alert}/release", responses=SHAPES.answer(Item))
def release_alert(alert: str, caller: Caller, services: Provided) -> Response:
    """Put it back."""
    return Answer(services.desk(caller).release(alert))


@routes.post("/{alert}/verdict", responses=SHAPES.answer(Item))
def close_alert(alert: str, body: VerdictBody, caller: Caller, services: Provided) -> Response:
    """Say what it was, and close it."""
    return Answer(services.desk(caller).verdict(alert, body.verdict, body.reason))


@routes.post("/{alert}/reopen", responses=SHAPES.answer(Item))
def reopen_alert(alert: str, caller: Caller, services: Provided) -> Response:
    """Take the verdict back; it stays in the history."""
    return Answer(services.desk(caller).reopen(alert))


@routes.get("/{alert}/notes", responses=SHAPES.answer(NoteList))
def list_notes(alert: str, caller: Caller, services: Provided) -> Response:
    """What people wrote on it."""
    return Answer(NoteList(services.desk(caller).notes(alert)))


@routes.post("/{alert}/notes", status_code=201, responses=SHAPES.answer(Note, 201))
def add_note(alert: str, body: NoteBody, caller: Caller, services: Provided) -> Response:
    """Write on it; whoever sees the alert reads it."""
    return Answer(services.desk(caller).note(alert, body.text), 201)


@routes.get("/{alert}/history", responses=SHAPES.answer(History))
def alert_history(alert: str, caller: Caller, services: Provided) -> Response:
    """What happened to it: who, when, what."""
    return Answer(History(services.desk(caller).history(alert)))
