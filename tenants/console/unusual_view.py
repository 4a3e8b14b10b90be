"""What an alert page says of unusual behaviour: a sentence a view, a picture, its events."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from detection.unusual import Stretch, Unusual
from tenants.clock import moment
from tenants.console import words
from tenants.console.render import link
from tenants.console.visit import Visit
from tenants.console.words import entity_of
from tenants.store.terms import SHORTCUTS, Equal
from tenants.triage.queue import Item, ItemDetail

WIDTH, HEIGHT, BASE = 480, 72, 70
"""Of the picture, in its own units."""
LEAST = 2.0
"""Height of a bar that stands for one event."""
WIDEST = 14.0

VIEW_WORDS = {
    "novelty": "New here",
    "population": "Rare among others",
    "identity": "Unlike itself",
    "volume": "Amount and hour",
    "forest": "Combination",
}
PROFILE_WORDS = {
    "alerts": "alerts of rules",
    "aws_cloudtrail": "AWS CloudTrail",
    "entra_signins": "Entra sign-ins",
    "firewall": "firewall log",
    "fortigate_traffic": "FortiGate traffic log",
    "linux_auditd": "Linux audit log",
    "linux_auth": "Linux sign-in log",
    "m365_audit": "Microsoft 365 audit log",
    "web_access": "web server log",
    "windows_security": "Windows Security log",
    "windows_sysmon": "Sysmon",
    "zeek_conn": "Zeek connections",
    "zeek_dns": "Zeek DNS",
    "zeek_http": "Zeek HTTP",
}


class Bar(NamedTuple):
    """One window in the picture."""

    x: float
    y: float
    width: float
    height: float
    unusual: bool


def unusual_of(detail: ItemDetail) -> Unusual | None:
    """Why the newest alert was raised; None where a rule raised it."""
    return next((part.unusual for part in detail.alerts if part.unusual is not None), None)


def unusual_values(visit: Visit, detail: ItemDetail) -> dict[str, Any] | None:
    """What the template draws, of the newest alert; None where a rule raised it."""
    found = unusual_of(detail)
    if found is None:
        return None
    start, end = visit.moment(found.start), visit.moment(found.end)
    return {
        "aspects": [
            (VIEW_WORDS.get(each.view, each.view), each.sentence) for each in found.aspects
        ],
        "window": f"{start.day}, {start.clock} to {end.clock} UTC",
        "profile": PROFILE_WORDS.get(found.profile, found.profile.replace("_", " ")),
        "model": found.model,
        "chance": chance(found.p, found.windows),
        "learning": found.learning,
        "bars": bars(found.history),
        "picture": _in_words(visit, found.history),
        "events": None if hidden(visit, detail.item) else _events_link(detail.item, found),
        "width": WIDTH,
        "height": HEIGHT,
        "base": BASE,
    }


def hidden(visit: Visit, item: Item) -> bool:
    """Whether the person sees a pseudonym in place of the item's entity."""
    return visit.services.pseudonyms.hides(visit.principal, item.tenant)


def bars(history: Sequence[Stretch]) -> list[Bar]:
    """A bar a window from left to right; height by the square root, so that a quiet hour shows."""
    if not history:
        return []
    step = min(WIDEST, WIDTH / len(history))
    most = max(1.0, *(each.events for each in history)) ** 0.5
    left = WIDTH - step * len(history)
    return [
        Bar(
            x=round(left + step * number, 1),
            y=round(BASE - max(LEAST, each.events**0.5 / most * (BASE - 4)), 1),
            width=round(step * 0.76, 1),
            height=round(max(LEAST, each.events**0.5 / most * (BASE - 4)), 1),
            unusual=each.unusual,
        )
        for number, each in enumerate(history)
    ]


def _in_words(visit: Visit, history: Sequence[Stretch]) -> str:
    """The picture for whoever can't see it."""
    if not history:
        return ""
    odd = sum(each.unusual for each in history)
    since = visit.moment(history[0].start)
    most = int(max(each.events for each in history))
    return (
        f"{words.count(len(history), 'window', 'windows')} since {since.short_day}, "
        f"{since.clock[:5]} UTC, {words.count(odd, 'unusual one', 'unusual ones')}; "
        f"at most {words.count(most, 'event', 'events')} in one."
    )


def chance(p: float, windows: int) -> str:
    """How rare, in words: nothing is rarer than what it was compared with can show."""
    one_in = round(1 / max(p, 1e-6))
    if windows and one_in >= windows:
        return f"More unusual than any of {windows:,} ordinary windows"
    return f"As unusual as 1 in {one_in:,} ordinary windows"


def _events_link(item: Item, found: Unusual) -> str | None:
    field = SHORTCUTS.get(entity_of(item).kind)
    if field is None:
        return None
    until = moment(found.end) + timedelta(seconds=1)
    term = Equal(field, item.entity.name)
    return link(
        "/search", tenant=item.tenant, q=str(term), since=found.start[:19], until=f"{until:%FT%T}"
    )
