"""What the pages call things, in plain British English."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from detection.reason import Known
from tenants.triage.queue import Item

LEVELS = ("critical", "high", "medium", "low", "informational")
LEVEL_WORDS = {level: level.capitalize() for level in LEVELS} | {"informational": "Info"}

ROLE_WORDS = {"admin": "administrator", "analyst": "analyst", "partner": "partner"}


class VerdictWord(NamedTuple):
    """How the verdict form puts one verdict."""

    name: str
    meaning: str


VERDICT_WORDS = {
    "true_positive": VerdictWord("True positive", "It happened, and it was harmful."),
    "benign_true_positive": VerdictWord(
        "Benign true positive", "It happened as the rule says, and was allowed."
    ),
    "false_positive": VerdictWord(
        "False positive", "The rule was wrong: this is not what it seeks."
    ),
    "undetermined": VerdictWord("Undetermined", "There is not enough to tell either way."),
}

ENTITY_WORDS = {
    "host": "computer",
    "user": "account",
    "ip": "address",
    "hash": "file hash",
    "source": "log source",
    "group": "group",
    "tenant": "organisation",
}

CHANGE_WORDS = {
    "opened": "Opened",
    "claimed": "Claimed",
    "released": "Released",
    "closed": "Closed",
    "reopened": "Reopened",
    "noted": "Note added",
    "made way": "Set below the day's budget: others were more unusual",
    "got a place": "Came above the day's budget",
}

KEPT_BACK = "This organisation keeps names and events to its own people: ask them about the alert."
MARKED = "Marked fields made the rule match, as the rule is now."
SOME_MARKED = dict.fromkeys(Known, "") | {
    Known.CHANGED: "It has changed since and does not match the events without marks any more.",
    Known.LARGE: "Very large events are not looked through.",
}
"""What is added where some events have marks."""
NONE_MARKED = {
    Known.ALL: "Nothing is marked: the rule matches because of what these events do not have.",
    Known.STARTING: "Nothing is marked yet: the rules are still being read. Load the page again.",
    Known.GONE: "Nothing is marked: the rule is no longer among those in use.",
    Known.CHANGED: "Nothing is marked: the rule has changed since, and does not match these now.",
    Known.COUNTED: "Nothing is marked: a correlation puts matches of other rules together.",
    Known.LARGE: "Nothing is marked: these events are too large to look through here.",
}

MARK_WORDS = {
    "unproven_sender": "the sender's address is not proven, it could be forged",
    "parse_failed": "a line did not parse and is kept as text",
    "cut": "a line was too long and was cut",
    "original_dropped": "the original line was too long to keep beside its fields",
    "clock_ahead": "the sender's clock is ahead; the time is that of arrival",
    "late": "it arrived late, long after it happened",
    "withdrawn": "it was raised too early; what arrived later shows that it was not true",
    "renamed_soc": "the sender's own soc field was renamed",
}


class Entity(NamedTuple):
    """Whom or what an alert is about, with the word for it."""

    kind: str
    name: str
    word: str


class Moment(NamedTuple):
    """A time as a page shows it; every page names the zone, UTC."""

    iso: str
    """`2026-11-24T13:47:03Z`, for `<time datetime>`."""
    day: str
    """`24 Nov 2026`"""
    clock: str
    """`13:47:03`"""
    ago: str
    """`12 min ago`"""
    at: datetime

    @property
    def short_day(self) -> str:
        """`24 Nov`."""
        return self.day.rpartition(" ")[0]

    @property
    def full(self) -> str:
        """`24 Nov 2026, 13:47:03 UTC`."""
        return f"{self.day}, {self.clock} UTC"


def entity_of(item: Item) -> Entity:
    """The entity of an item as pages name it."""
    kind = item.entity.kind
    return Entity(kind, item.entity.name, ENTITY_WORDS.get(kind, kind))


def verdict_name(verdict: str) -> str:
    """A verdict's name for people."""
    return VERDICT_WORDS[verdict].name if verdict in VERDICT_WORDS else verdict


def moment(when: datetime | str, now: datetime) -> Moment:
    """A time for people; text is ISO 8601 with its zone, a time without one counts as UTC."""
    at = datetime.fromisoformat(when) if isinstance(when, str) else when
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Moment(
        iso=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        day=f"{at.day} {at:%b %Y}",
        clock=f"{at:%H:%M:%S}",
        ago=_ago(now - at),
        at=at,
    )


def _ago(passed: timedelta) -> str:
    seconds = int(passed.total_seconds())
    if seconds < 0:
        return f"in {span(-seconds)}"
    return "just now" if seconds < 5 else f"{span(seconds)} ago"


def span(seconds: int) -> str:
    """A length of time in one unit: `45 s`, `12 min`, `3 h`, `2 days`."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} days"


def window(first: Moment, last: Moment, today: Moment) -> str:
    """When something went on, without what is plain: `13:47:03 – 14:02:11`, `23 Nov, 09:00:00`."""
    start = first.clock if first.day == today.day else f"{first.short_day}, {first.clock}"
    if first.iso == last.iso:
        return start
    end = last.clock if last.day == first.day else f"{last.short_day}, {last.clock}"
    return f"{start} – {end}"


def count(number: int, one: str, many: str) -> str:
    """`1 event`, `1,204 events`."""
    return f"{number:,} {one if number == 1 else many}"


def readable(text: str) -> str:
    """A message with a capital at its start and no full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")
