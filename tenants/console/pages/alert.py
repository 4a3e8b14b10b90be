"""One alert: everything known about it, and what a person does with it."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from tenants.access import Conflict, Invalid
from tenants.console.alert_view import NO_FAULTS, NOTHING_TYPED, Faults, Typed, alert_values
from tenants.console.visit import Sent, Signed, Visit
from tenants.triage.verdicts import Verdict

router = APIRouter()


class Notice(NamedTuple):
    """A line above the page."""

    tone: str
    title: str
    text: str = ""


DONE = {
    "claimed": Notice("good", "It is yours", "Others see that you are working on it."),
    "released": Notice("good", "Released", "It waits in the queue for whoever takes it next."),
    "closed": Notice("good", "Closed", "Your verdict and reason stand in the history."),
    "reopened": Notice("good", "Reopened", "It is in the queue again."),
    "noted": Notice("good", "Note added"),
}
"""What the page says after a form; the address names one of these, never the words."""


@router.get("/alerts/{alert}")
def alert_page(visit: Signed, alert: str, done: str = "") -> Response:
    """The alert with its evidence."""
    return _page(visit, alert, notice=DONE.get(done))


@router.post("/alerts/{alert}/claim")
def claim(visit: Sent, alert: str) -> Response:
    """Take it. Where somebody was faster the page says who and when, with status 409."""
    try:
        visit.desk.claim(alert)
    except Conflict as conflict:
        return _page(visit, alert, notice=_faster(visit, conflict), status=409)
    return _done(alert, "claimed")


@router.post("/alerts/{alert}/release")
def release(visit: Sent, alert: str) -> Response:
    """Put it back."""
    try:
        visit.desk.release(alert)
    except Conflict as conflict:
        return _page(visit, alert, notice=_changed(visit, conflict), status=409)
    return _done(alert, "released")


@router.post("/alerts/{alert}/verdict")
def verdict(
    visit: Sent,
    alert: str,
    verdict: Annotated[str, Form(max_length=40)] = "",
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Say what it was, and why; closes it."""
    typed = Typed(verdict=verdict, reason=reason)
    said = verdict if verdict in list(Verdict) else None
    faults = Faults(
        verdict="" if said else "Choose what it turned out to be.",
        reason="" if reason.strip() else "Say what convinced you: a verdict needs a reason.",
    )
    if said is None or any(faults):
        return _page(visit, alert, typed=typed, faults=faults, status=422)
    try:
        visit.desk.verdict(alert, Verdict(said), reason)
    except Invalid as invalid:
        faults = Faults(reason=f"Expected {invalid.expected}.")
        return _page(visit, alert, typed=typed, faults=faults, status=422)
    except Conflict as conflict:
        return _page(visit, alert, notice=_changed(visit, conflict), typed=typed, status=409)
    return _done(alert, "closed")


@router.post("/alerts/{alert}/reopen")
def reopen(visit: Sent, alert: str) -> Response:
    """Take the verdict back."""
    try:
        visit.desk.reopen(alert)
    except Conflict as conflict:
        return _page(visit, alert, notice=_changed(visit, conflict), status=409)
    return _done(alert, "reopened")


@router.post("/alerts/{alert}/note")
def note(visit: Sent, alert: str, text: Annotated[str, Form(max_length=10_000)] = "") -> Response:
    """Write something for whoever reads it next."""
    try:
        visit.desk.note(alert, text)
    except Invalid as invalid:
        faults = Faults(note=f"Expected {invalid.expected}.")
        return _page(visit, alert, typed=Typed(note=text), faults=faults, status=422)
    return _done(alert, "noted")


def _page(
    visit: Visit,
    alert: str,
    *,
    notice: Notice | None = None,
    typed: Typed = NOTHING_TYPED,
    faults: Faults = NO_FAULTS,
    status: int = 200,
) -> Response:
    detail = visit.desk.get(alert)
    values: dict[str, Any] = alert_values(visit, detail, typed=typed, faults=faults)
    values["notice"] = notice
    return visit.page("alert.html", here="queue", values=values, status=status)


def _done(alert: str, what: str) -> Response:
    return RedirectResponse(f"/alerts/{alert}?done={what}", status_code=303)


def _faster(visit: Visit, conflict: Conflict) -> Notice:
    if not conflict.who:
        return _changed(visit, conflict)
    who = visit.names().get(conflict.who, conflict.who)
    when = visit.moment(conflict.when)
    return Notice(
        "warn",
        f"{who} was faster",
        f"{who} took this alert at {when.clock} UTC, {when.ago}. You can still add a note, "
        "or take the next one from the queue.",
    )


def _changed(visit: Visit, conflict: Conflict) -> Notice:
    if not conflict.who:
        return Notice("warn", "It has changed meanwhile", f"{conflict}.")
    who = visit.names().get(conflict.who, conflict.who)
    when = visit.moment(conflict.when)
    return Notice(
        "warn",
        "It has changed meanwhile",
        f"{who} has had this alert since {when.clock} UTC, {when.ago}. Nothing was changed: "
        f"{conflict.advice}.",
    )
