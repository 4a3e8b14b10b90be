"""What a person does with the queue: list, look, claim, note and say what it was."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, insert, select, update

from tenants import audit, schema
from tenants.access import Conflict, Invalid, Principal, Role
from tenants.clock import Clock, moment, stamp, utc_now
from tenants.database import Database
from tenants.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from tenants.triage import listing, rows
from tenants.triage.chains import entity_key, refresh
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
from tenants.triage.verdicts import Verdict, quiet_hours

MAX_NOTE = 10_000
MAX_REASON = 2_000
VIEW_AGAIN = timedelta(hours=1)
"""A page that is looked at again within this time is the same view."""


class Desk:
    """Bound to one person. What is not theirs to see is NotFound, as if it did not exist.

    SOC staff work on items; partners read those of their own tenants and may add notes.
    """

    def __init__(
        self,
        database: Database,
        principal: Principal,
        *,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._pseudonyms = pseudonyms
        self._clock = clock

    def list(
        self, asked: QueueFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> QueuePage:
        """Highest priority first, then newest, up to 200 a page. Raises Invalid for a cursor."""
        page = listing.page(
            self._database,
            self._principal,
            asked or QueueFilter(),
            cursor,
            limit,
            nameless=self._pseudonyms.hidden_from(self._principal),
        )
        return msgspec.structs.replace(page, items=list(map(self._shown, page.items)))

    def counts(self) -> Counts:
        """How much open work there is."""
        return listing.counts(self._database, self._principal)

    def get(self, item_id: str) -> ItemDetail:
        """An item with its evidence. A look by SOC staff is written to the tenant's audit."""
        with self._database.read(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            detail = rows.detail(connection, found)
            seen = self._principal.tenants is not None or self._seen_lately(connection, item_id)
        if not seen:
            with self._database.write(self._principal.tenants) as connection:
                self._audit(connection, found, "alert viewed", item_id)
        return self._pseudonyms.detail(self._principal, detail)

    def claim(self, item_id: str) -> Item:
        """Take an item that nobody has; taking one's own again is fine.

        Raises Conflict, with who and when, where another has it or it is closed.
        """
        self._principal.require(Role.ANALYST, Role.ADMIN)
        with self._database.write(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            if found.state is ItemState.CLAIMED and found.owner == self._principal.user:
                return self._shown(found)
            now = stamp(self._clock())
            taken = {"state": ItemState.CLAIMED, "owner": self._principal.user, "claimed": now}
            free = ItemState.BELOW if found.state is ItemState.BELOW else ItemState.OPEN
            if not self._move(connection, found, free, taken):
                raise self._taken(connection, item_id)
            self._record(connection, found, "claimed", after=self._principal.user)
            return self._shown(self._find(connection, item_id))

    def release(self, item_id: str) -> Item:
        """Put a claimed item back. Raises Conflict unless it is one's own (or one is admin)."""
        self._principal.require(Role.ANALYST, Role.ADMIN)
        with self._database.write(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            self._require_own(found)
            free = {"state": ItemState.OPEN, "owner": None, "claimed": None}
            if not self._move(connection, found, ItemState.CLAIMED, free):
                raise Conflict("nobody has this item", "claim it or leave it")
            self._record(connection, found, "released", before=found.owner or "")
            return self._shown(self._find(connection, item_id))

    def verdict(self, item_id: str, verdict: Verdict, reason: str) -> Item:
        """Say what it was and close it. A reason is required; an item of another is Conflict.

        tenants.triage.verdicts has what this does to the next repeat.
        """
        self._principal.require(Role.ANALYST, Role.ADMIN)
        reason = _checked(reason, "the reason for the verdict", MAX_REASON)
        with self._database.write(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            self._require_own(found)
            now = self._clock()
            quiet_from = max(now, moment(found.last))
            quiet = quiet_from + timedelta(hours=quiet_hours(verdict, found.level))
            closing = {
                "state": ItemState.CLOSED,
                "owner": self._principal.user,
                "verdict": verdict,
                "reason": reason,
                "closed": stamp(now),
                "quiet_until": stamp(quiet),
            }
            if not self._move(connection, found, found.state, closing):
                raise self._taken(connection, item_id)
            self._record(connection, found, "closed", before=found.state, after=verdict)
            return self._shown(self._find(connection, item_id))

    def reopen(self, item_id: str) -> Item:
        """Take a verdict back; it stays in the history. Raises Conflict if it is not closed."""
        self._principal.require(Role.ANALYST, Role.ADMIN)
        with self._database.write(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            if not self._move(connection, found, ItemState.CLOSED, REOPENED):
                raise Conflict("this item is not closed", "nothing; go on with it")
            self._record(connection, found, "reopened", before=found.verdict)
            return self._shown(self._find(connection, item_id))

    def note(self, item_id: str, text: str) -> Note:
        """Write on an item; whoever sees the item reads it. Raises Invalid."""
        text = _checked(text, "a note", MAX_NOTE)
        with self._database.write(self._principal.tenants) as connection:
            found = self._find(connection, item_id)
            now = stamp(self._clock())
            number = connection.execute(
                insert(schema.notes)
                .values(
                    tenant_id=found.tenant,
                    item_id=found.id,
                    time=now,
                    author=self._principal.user,
                    text=text,
                )
                .returning(schema.notes.c.id)
            ).scalar_one()
            self._record(connection, found, "noted")
        return Note(id=number, time=now, author=self._principal.user, text=text)

    def notes(self, item_id: str) -> Sequence[Note]:
        """An item's notes, oldest first."""
        with self._database.read(self._principal.tenants) as connection:
            return rows.notes(connection, self._find(connection, item_id))

    def history(self, item_id: str) -> Sequence[Change]:
        """An item's life, oldest first."""
        with self._database.read(self._principal.tenants) as connection:
            return rows.history(connection, self._find(connection, item_id))

    def _shown(self, item: Item) -> Item:
        return self._pseudonyms.item(self._principal, item)

    def _find(self, connection: Connection, item_id: str) -> Item:
        return rows.find(connection, self._principal, item_id)

    def _move(
        self, connection: Connection, found: Item, state: ItemState, values: Mapping[str, object]
    ) -> bool:
        """Change the item if it still is as it was seen; the database decides who was first."""
        columns = schema.items.c
        moved = connection.execute(
            update(schema.items)
            .where(
                columns.tenant_id == found.tenant,
                columns.id == found.id,
                columns.state == state,
                columns.owner.is_not_distinct_from(found.owner),
            )
            .values(**values)
        ).rowcount
        if moved:
            refresh(connection, [entity_key(found.tenant, found.entity)])
        return bool(moved)

    def _require_own(self, found: Item) -> None:
        other = found.owner not in {None, self._principal.user}
        if found.state is ItemState.CLOSED or (other and self._principal.role is not Role.ADMIN):
            raise _conflict(found)

    def _taken(self, connection: Connection, item_id: str) -> Conflict:
        return _conflict(self._find(connection, item_id))

    def _record(
        self, connection: Connection, found: Item, what: str, *, before: str = "", after: str = ""
    ) -> None:
        connection.execute(
            insert(schema.history).values(
                tenant_id=found.tenant,
                item_id=found.id,
                time=stamp(self._clock()),
                who=self._principal.user,
                what=what,
                before=before,
                after=after,
            )
        )
        self._audit(connection, found, f"alert {what}", found.id)

    def _audit(self, connection: Connection, found: Item, what: str, detail: str) -> None:
        audit.record(
            connection,
            time=stamp(self._clock()),
            who=self._principal.user,
            what=what,
            tenant=found.tenant,
            detail=detail,
        )

    def _seen_lately(self, connection: Connection, item_id: str) -> bool:
        columns = schema.audit.c
        query = select(columns.id).where(
            columns.who == self._principal.user,
            columns.what == "alert viewed",
            columns.detail == item_id,
            columns.time > stamp(self._clock() - VIEW_AGAIN),
        )
        return connection.scalar(query.limit(1)) is not None


REOPENED: Mapping[str, object] = {
    "state": ItemState.OPEN,
    "owner": None,
    "claimed": None,
    "verdict": "",
    "reason": "",
    "closed": None,
    "quiet_until": None,
}
"""What an item is set to when its verdict no longer holds."""


def _conflict(found: Item) -> Conflict:
    who = found.owner or ""
    if found.state is ItemState.CLOSED:
        when = found.closed or ""
        return Conflict(f"{who} closed it at {when}", "reopen it first", who=who, when=when)
    when = found.claimed or ""
    return Conflict(f"{who} claimed it at {when}", "ask them to release it", who=who, when=when)


def _checked(text: str, expected: str, limit: int) -> str:
    """Text of several lines, without what no database keeps. Raises Invalid."""
    text = text.strip().encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if not 1 <= len(text) <= limit:
        raise Invalid(f"a text of {len(text)} characters", f"{expected}, 1 to {limit} characters")
    return text
