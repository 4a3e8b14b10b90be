"""Decides what an alert becomes in the queue: counted, new work, or work come back."""

from collections.abc import Iterable, Mapping

import msgspec

from detection.alert import Alert
from detection.signal import Entity
from tenants.triage.chains import entity_key, subject_key
from tenants.triage.city import UNBOUNDED, City, day_of, place_of, wants_a_place
from tenants.triage.queue import ItemState
from tenants.triage.verdicts import AFTER, Effect, Verdict

MAX_WORDS = 2000
"""Characters of an item that a search by text looks at."""


class Work(msgspec.Struct, kw_only=True):
    """An item while a batch changes it."""

    tenant: str
    id: str
    subject: str
    entity_key: str
    sequence: int
    """Counts the items of one subject, so that the latest is known."""
    rule: str
    title: str
    level: str
    ruleset: str
    entity: Entity
    criticality: str
    matches: int
    first: str
    last: str
    opened: str
    state: ItemState
    verdict: str
    quiet_until: str | None
    words: str
    fresh: bool = False
    reopened: bool = False
    moved: bool = False
    """Between what is waiting and what stands below the budget."""
    was: str = ""
    """The verdict that a reopened item had."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the database has of an alert."""

    revision: int
    matches: int
    item_id: str
    carried: int
    """How many of its events are stored."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """An alert to be stored, with the item that it belongs to."""

    alert: Alert
    item_id: str
    before: Known | None
    """What is stored of it already."""


class Tray:
    """What one batch of alerts does. Pure: it takes what is there and says what shall be."""

    def __init__(
        self, items: Iterable[Work], known: Mapping[str, Known], city: City | None = None
    ) -> None:
        """`items`: the latest of every subject in the batch, those of known alerts, and those that
        may have to make way in the `city`'s days."""
        self._known = dict(known)
        self._city = city or City(UNBOUNDED, {})
        self._items: dict[str, Work] = {}
        self._latest: dict[str, Work] = {}
        self.taken: list[Taken] = []
        self.touched: dict[str, Work] = {}
        for item in items:
            self._keep(item)

    def take(self, alert: Alert) -> None:
        """Count an alert on the item that it belongs to; a revision seen before does nothing."""
        known = self._known.get(alert.id)
        if known is not None and known.revision >= alert.revision:
            return
        item = self._item_for(alert, known)
        self._count(item, alert, known)
        self.touched[item.id] = item
        self.taken.append(Taken(alert=alert, item_id=item.id, before=known))
        self._known[alert.id] = Known(
            revision=alert.revision,
            matches=alert.count,
            item_id=item.id,
            carried=max(len(alert.events), known.carried if known else 0),
        )

    def _item_for(self, alert: Alert, known: Known | None) -> Work:
        """An alert belongs to one item for ever; a new one goes to the latest of its subject."""
        subject = subject_key(alert.tenant, alert.rule, alert.entity)
        latest = self._latest.get(subject)
        item = latest if known is None else self._items[known.item_id]
        if item is None:
            return self._open(alert, subject, 0)
        if item.state is ItemState.BELOW:
            self._rise(item, alert)
            return item
        if item.state is not ItemState.CLOSED or alert.last <= (item.quiet_until or ""):
            return item
        if known is None and AFTER[Verdict(item.verdict)].effect is Effect.NEW_ITEM:
            return self._open(alert, subject, item.sequence + 1)
        if latest is item or latest is None or latest.state is ItemState.CLOSED:
            _reopen(item)
        return item

    def _open(self, alert: Alert, subject: str, sequence: int) -> Work:
        item = Work(
            tenant=alert.tenant,
            id=alert.id,
            subject=subject,
            entity_key=entity_key(alert.tenant, alert.entity),
            sequence=sequence,
            rule=alert.rule,
            title=alert.title,
            level=alert.level,
            ruleset=alert.ruleset,
            entity=alert.entity,
            criticality="",
            matches=0,
            first=alert.first,
            last=alert.last,
            opened=alert.received,
            state=ItemState.OPEN,
            verdict="",
            quiet_until=None,
            words="",
            fresh=True,
        )
        if alert.unusual is not None:
            item.state = ItemState.BELOW
            self._rise(item, alert)
        self._keep(item)
        return item

    def _rise(self, item: Work, alert: Alert) -> None:
        """Give an item a place in the queue where its day has one, or another makes way."""
        if not wants_a_place(alert):
            return
        admitted, makes_way = self._city.enter(day_of(alert), place_of(alert, item.id))
        if admitted:
            item.state, item.moved = ItemState.OPEN, True
        if makes_way is not None:
            other = self._items[makes_way]
            other.state, other.moved = ItemState.BELOW, True
            self.touched[other.id] = other

    def _count(self, item: Work, alert: Alert, known: Known | None) -> None:
        item.matches += alert.count - (known.matches if known else 0)
        item.first = min(item.first, alert.first)
        item.last = max(item.last, alert.last)
        item.criticality = criticality(alert) or item.criticality
        item.words = _words(item.words, alert)
        if item.state is not ItemState.CLOSED:
            item.title, item.level, item.ruleset = alert.title, alert.level, alert.ruleset

    def _keep(self, item: Work) -> None:
        self._items[item.id] = item
        latest = self._latest.get(item.subject)
        if latest is None or latest.sequence < item.sequence:
            self._latest[item.subject] = item


def criticality(alert: Alert) -> str:
    """What the tenant's register says of the asset, whichever enricher carried it; else empty."""
    for facts in alert.context.values():
        if "criticality" in facts:
            return facts["criticality"]
    return ""


def _reopen(item: Work) -> None:
    item.was, item.verdict = item.verdict, ""
    item.state, item.quiet_until, item.reopened = ItemState.OPEN, None, True


def _words(words: str, alert: Alert) -> str:
    """What a search by text looks at, in lower case, each word once."""
    names = [name for names in alert.related.values() for name in names]
    texts = [alert.title, alert.rule, alert.entity.name, *names, *alert.sources]
    have = dict.fromkeys(words.split())
    have.update(dict.fromkeys(" ".join(texts).lower().split()))
    return " ".join(have)[:MAX_WORDS]
