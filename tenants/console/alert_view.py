"""What the alert page shows, gathered from the queue, the rules and the events around it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from collectors.bus.contract import Overloaded
from detection.live import FACTS, GROUP
from detection.reason import Reasons
from tenants.access import Role
from tenants.clock import moment, stamp
from tenants.console import words
from tenants.console.events import EventView, view
from tenants.console.render import link
from tenants.console.unusual_view import hidden, unusual_of, unusual_values
from tenants.console.visit import Visit
from tenants.console.words import entity_of, verdict_name
from tenants.store.filter import Filter
from tenants.store.terms import SHORTCUTS, Equal
from tenants.triage.queue import Change, Item, ItemDetail, ItemState, Note

AROUND = timedelta(minutes=5)
AROUND_EVENTS = 30
RELATED_SHOWN = 8
RELATED_WORDS = {"host": "Computers", "user": "Accounts", "ip": "Addresses", "hash": "File hashes"}


class Step(NamedTuple):
    """One line of the history."""

    what: str
    who: str
    at: words.Moment
    text: str


class Typed(NamedTuple):
    """What a form held that comes back with a fault, so that nothing is typed twice."""

    verdict: str = ""
    reason: str = ""
    note: str = ""


class Faults(NamedTuple):
    """What is wrong with which field; empty where nothing is."""

    verdict: str = ""
    reason: str = ""
    note: str = ""


NOTHING_TYPED = Typed()
NO_FAULTS = Faults()


def alert_values(
    visit: Visit, detail: ItemDetail, *, typed: Typed = NOTHING_TYPED, faults: Faults = NO_FAULTS
) -> dict[str, Any]:
    """Everything that alert.html draws but the notice."""
    item = detail.item
    names = visit.names()
    tenant = visit.services.onboarding(visit.principal).tenant(item.tenant).name
    rule = visit.services.rule_text(item.rule)
    unusual = unusual_values(visit, detail)
    alert = {
        "id": item.id,
        "title": item.title,
        "level": item.level if item.level in words.LEVEL_WORDS else "informational",
        "priority": item.priority,
        "tenant": tenant,
        "entity": entity_of(item),
        "owner": names.get(item.owner or "", item.owner or ""),
        "state": item.state,
        "state_text": _state_text(visit, item, names),
        "sentence": _sentence(visit, item, tenant, unusual=unusual is not None),
        "marks": _marks(detail),
        "advice": rule.advice if rule else "",
        "description": rule.description if rule else "",
        "rule": _rule_facts(item, unusual=unusual is not None) + _made_of(detail),
        "evidence_note": "" if unusual else _evidence_note(detail),
        **_evidence(visit, detail),
        "about": _about(visit, detail),
        "entity_link": None if hidden(visit, item) else _entity_link(item),
        "hidden": hidden(visit, item),
        "history": _history(visit, detail, names),
        **_rights(visit, item),
    }
    return {
        "alert": alert,
        "around": _around(visit, detail),
        "unusual": unusual,
        "typed": typed,
        "faults": faults,
    }


def _rights(visit: Visit, item: Item) -> dict[str, bool]:
    """Which forms the page offers; Desk decides again when one is sent."""
    own = item.owner == visit.principal.user
    admin = visit.principal.role is Role.ADMIN
    closed = item.state is ItemState.CLOSED
    return {
        "can_claim": visit.staff and item.state in (ItemState.OPEN, ItemState.BELOW),
        "can_release": visit.staff and item.state is ItemState.CLAIMED and (own or admin),
        "can_judge": visit.staff and not closed and (item.owner is None or own or admin),
        "can_reopen": visit.staff and closed,
        "own": own,
    }


def _state_text(visit: Visit, item: Item, names: Mapping[str, str]) -> str:
    who = names.get(item.owner or "", item.owner or "")
    if item.state is ItemState.CLOSED:
        when = f", {visit.moment(item.closed).ago}" if item.closed else ""
        return f"Closed by {who}{when}: {verdict_name(item.verdict).lower()}"
    if item.state is ItemState.CLAIMED:
        when = f", {visit.moment(item.claimed).ago}" if item.claimed else ""
        return f"Claimed by {who}{when}"
    if item.state is ItemState.BELOW:
        return "Below the day's budget: nobody has it"
    return "Open: nobody has it"


def _sentence(visit: Visit, item: Item, tenant: str, *, unusual: bool) -> str:
    entity = entity_of(item)
    first, last = visit.moment(item.first), visit.moment(item.last)
    whom = f"the {entity.word} {entity.name} at {tenant}"
    if unusual:
        windows = words.count(item.count, "stretch of time", "stretches of time")
        about = f"What {whom} did was unusual in {windows}"
    else:
        events = words.count(item.count, "event", "events")
        about = f"“{item.title}” matched {events} about {whom}"
    if first.iso == last.iso:
        return f"{about}, at {first.clock} UTC on {first.day}."
    if first.day == last.day:
        return f"{about}, between {first.clock} and {last.clock} UTC on {first.day}."
    return f"{about}, between {first.full} and {last.full}."


def _marks(detail: ItemDetail) -> list[str]:
    marks = dict.fromkeys(mark for part in detail.alerts for mark in part.marks)
    return [words.MARK_WORDS.get(mark, mark.replace("_", " ")) for mark in marks]


def _rule_facts(item: Item, *, unusual: bool) -> list[tuple[str, str]]:
    kind = entity_of(item).word
    grouping = f"rule and {kind}: repeats join this alert while it is open"
    if unusual:
        grouping = f"{kind}: whatever else is unusual about it joins this alert while it is open"
    return [
        ("Rule", item.title),
        ("Rule id", item.rule),
        ("Severity", words.LEVEL_WORDS.get(item.level, item.level or "not given")),
        ("Judged by" if unusual else "Rule set version", item.ruleset),
        ("Grouped by", grouping),
    ]


def _made_of(detail: ItemDetail) -> list[tuple[str, str]]:
    """Of a correlation's alert, its group and the rules whose matches it put together."""
    facts = dict(detail.context.get(FACTS, {}))
    group = facts.pop(GROUP, "")
    alone = len(detail.alerts) == 1
    rules = [f"{title} ({count})" if alone else title for title, count in facts.items()]
    made_of = [("Group", group), ("Put together from", ", ".join(rules))]
    return [(name, value) for name, value in made_of if value]


def _evidence_note(detail: ItemDetail) -> str:
    carried = sum(1 for one in detail.evidence if one.body is not None)
    of = f" of {detail.item.count:,}" if carried < detail.item.count else ""
    return f"{carried}{of} matching {'event' if carried == 1 and not of else 'events'}"


def _evidence(visit: Visit, detail: ItemDetail) -> dict[str, Any]:
    """The events, with what made the rule match marked, and a sentence on the marks."""
    bodies = [one.body for one in detail.evidence if isinstance(one.body, dict)]
    explain = visit.services.reasons
    item = detail.item
    reasons = explain(item.rule, item.ruleset, bodies) if explain and bodies else None
    marked = reasons.fields if reasons else [frozenset[str]()] * len(bodies)
    events: list[EventView] = [
        view(body, visit.moment, opened=at == 0, marked=fields)
        for at, (body, fields) in enumerate(zip(bodies, marked, strict=True))
    ]
    return {"events": events, "marks_note": _marks_note(reasons)}


def _marks_note(reasons: Reasons | None) -> str:
    if reasons is None:
        return ""
    if any(reasons.fields):
        return f"{words.MARKED} {words.SOME_MARKED[reasons.known]}".strip()
    return words.NONE_MARKED[reasons.known]


def _about(visit: Visit, detail: ItemDetail) -> list[tuple[str, str]]:
    item, pseudonyms = detail.item, visit.services.pseudonyms
    facts = [("Name", item.entity.name)]
    if pseudonyms.from_others(item.tenant) and not hidden(visit, item):
        other = pseudonyms.of(item.tenant, item.entity.kind, item.entity.name)
        facts.append(("Others see", other))
    for key, known in detail.context.items():
        if key == FACTS:
            continue
        facts += [(words.readable(name.replace("_", " ")), value) for name, value in known.items()]
    if item.criticality and not any(name == "Criticality" for name, _ in facts):
        facts.append(("Criticality", item.criticality))
    for kind, word in RELATED_WORDS.items():
        others = [name for name in detail.related.get(kind, ()) if name != item.entity.name]
        if others:
            more = len(others) - RELATED_SHOWN
            listed = ", ".join(others[:RELATED_SHOWN])
            facts.append((f"{word} seen", f"{listed} and {more} more" if more > 0 else listed))
    return facts


def _history(visit: Visit, detail: ItemDetail, names: Mapping[str, str]) -> Sequence[Step]:
    """Newest first; a note stands with its text instead of the bare fact that there is one."""
    changes = [
        (change.time, _change(visit, change, names, detail.item))
        for change in detail.history
        if change.what != "noted"
    ]
    notes = [(note.time, _note(visit, note, names)) for note in detail.notes]
    oldest_first = sorted(changes + notes, key=lambda one: one[0])
    return [step for _, step in reversed(oldest_first)]


def _change(visit: Visit, change: Change, names: Mapping[str, str], item: Item) -> Step:
    what = words.CHANGE_WORDS.get(change.what, words.readable(change.what))
    text = ""
    if change.what == "closed":
        what = f"Closed: {verdict_name(change.after).lower()}"
        text = item.reason if change.time == item.closed else ""
    return Step(what, names.get(change.who, change.who), visit.moment(change.time), text)


def _note(visit: Visit, note: Note, names: Mapping[str, str]) -> Step:
    author = names.get(note.author, note.author)
    return Step("Note", author, visit.moment(note.time), note.text)


def _term(item: Item) -> Equal | None:
    field = SHORTCUTS.get(item.entity.kind)
    return None if field is None else Equal(field, item.entity.name)


def _entity_link(item: Item) -> str | None:
    term = _term(item)
    if term is None:
        return None
    since = moment(item.last) - timedelta(hours=24)
    return link("/search", tenant=item.tenant, q=str(term), since=_field_time(stamp(since)))


def _around(visit: Visit, detail: ItemDetail) -> dict[str, Any]:
    """Other events of the same entity, a few minutes either side of the first match.

    Of what is unusual the window that was judged, and a few minutes more.
    """
    item = detail.item
    term = _term(item)
    word = entity_of(item).word
    if term is None:
        return {"note": "", "events": [], "empty": f"A {word} can't be searched for.", "link": None}
    if hidden(visit, item):
        return {"note": "", "events": [], "empty": words.KEPT_BACK, "link": None}
    told = unusual_of(detail)
    begin, end = (told.start, told.end) if told else (item.first, item.first)
    since, until = stamp(moment(begin) - AROUND), stamp(moment(end) + AROUND)
    side = "the window" if told else "the first match"
    asked = Filter.of(term, since=since, until=until)
    shown = {one.event for one in detail.evidence}
    try:
        limit = AROUND_EVENTS + len(shown)
        hunt = visit.services.hunt(visit.principal)
        found = hunt.find(item.tenant, asked, limit=limit).events
    except Overloaded:
        empty = "The event store can't answer just now: load the page again in a moment."
        return {"note": "", "events": [], "empty": empty, "link": None}
    others = [event for event in found if event.get("soc", {}).get("id") not in shown]
    return {
        "note": f"what else this {word} did, 5 minutes either side of {side}",
        "events": [view(event, visit.moment, opened=False) for event in others[:AROUND_EVENTS]],
        "empty": f"Nothing else of this {word} came in within 5 minutes either side.",
        "link": link(
            "/search",
            tenant=item.tenant,
            q=str(term),
            since=_field_time(since),
            until=_field_time(until),
        ),
    }


def _field_time(text: str) -> str:
    """As a date field of a form has it: `2026-11-24T13:47:03`."""
    return text[:19]
