"""Pages of the queue: highest priority first, then newest, each item on one page only."""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from tenants import schema
from tenants.access import Invalid, Principal
from tenants.database import Database
from tenants.triage.queue import Counts, ItemState, QueueFilter, QueuePage
from tenants.triage.rows import item, visible

MAX_PAGE = 200
MAX_WORDS = 8
MAX_TEXT = 200
_Key = tuple[Annotated[int, msgspec.Meta(ge=-(1 << 31), lt=1 << 31)], str, str]


def page(
    database: Database,
    principal: Principal,
    asked: QueueFilter,
    cursor: str | None,
    limit: int,
    *,
    nameless: frozenset[str] = frozenset(),
) -> QueuePage:
    """See Desk.list. Items of `nameless` tenants are not found by any name."""
    limit = max(1, min(limit, MAX_PAGE))
    columns = schema.items.c
    query = (
        _chosen(principal, asked, nameless)
        .order_by(columns.priority.desc(), columns.opened.desc(), columns.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(_after(cursor))
    with database.read(principal.tenants) as connection:
        rows = connection.execute(query).all()
    items = [item(row) for row in rows[:limit]]
    more = len(rows) > limit
    return QueuePage(
        items=items,
        cursor=_cursor(items[-1].priority, items[-1].opened, items[-1].id) if more else None,
    )


def counts(database: Database, principal: Principal) -> Counts:
    """See Desk.counts."""
    columns = schema.items.c
    total = func.count().label("total")
    states = {ItemState.OPEN: 0, ItemState.CLAIMED: 0}
    query = (
        select(columns.state, columns.level, columns.tenant_id, columns.owner, total)
        .where(visible(principal), columns.state.in_(states))
        .group_by(columns.state, columns.level, columns.tenant_id, columns.owner)
    )
    by_level: dict[str, int] = {}
    by_tenant: dict[str, int] = {}
    mine = 0
    with database.read(principal.tenants) as connection:
        for row in connection.execute(query):
            states[ItemState(row.state)] += row.total
            by_level[row.level] = by_level.get(row.level, 0) + row.total
            by_tenant[row.tenant_id] = by_tenant.get(row.tenant_id, 0) + row.total
            mine += row.total if row.owner == principal.user else 0
    return Counts(
        open=states[ItemState.OPEN],
        claimed=states[ItemState.CLAIMED],
        mine=mine,
        by_level=by_level,
        by_tenant=by_tenant,
    )


def _chosen(principal: Principal, asked: QueueFilter, nameless: frozenset[str]) -> Select[Any]:
    columns = schema.items.c
    named = columns.tenant_id.not_in(sorted(nameless)) if nameless else true()
    query = select(schema.items).where(visible(principal))
    if asked.states:
        query = query.where(columns.state.in_(sorted(asked.states)))
        if ItemState.CLOSED not in asked.states:
            query = query.where(schema.WAITING)
    if asked.levels:
        query = query.where(columns.level.in_(sorted(asked.levels)))
    if asked.tenants:
        query = query.where(columns.tenant_id.in_(sorted(asked.tenants)))
    if asked.mine:
        query = query.where(columns.owner == principal.user)
    if asked.rule:
        query = query.where(columns.rule == asked.rule)
    if asked.entity is not None:
        query = query.where(
            named,
            columns.entity_kind == asked.entity.kind,
            columns.entity_name == asked.entity.name,
        )
    for word in asked.text[:MAX_TEXT].lower().split()[:MAX_WORDS]:
        of_rule = func.lower(columns.title + " " + columns.rule).contains(word, autoescape=True)
        by_words = and_(named, columns.words.contains(word, autoescape=True))
        query = query.where(or_(by_words, of_rule) if nameless else by_words)
    return query


def _cursor(priority: int, opened: str, item_id: str) -> str:
    key = msgspec.json.encode((priority, opened, item_id))
    return base64.urlsafe_b64encode(key).decode()


def _after(cursor: str) -> ColumnElement[bool]:
    """The items that stand after the one that a page ended with."""
    try:
        key = base64.b64decode(cursor[:400].encode(), altchars=b"-_", validate=True)
        priority, opened, item_id = msgspec.json.decode(key, type=_Key)
    except (binascii.Error, UnicodeEncodeError, msgspec.DecodeError) as error:
        raise Invalid(f"cursor {cursor[:40]!r}", "the cursor of an earlier page") from error
    columns = schema.items.c
    return or_(
        columns.priority < priority,
        and_(columns.priority == priority, columns.opened < opened),
        and_(columns.priority == priority, columns.opened == opened, columns.id < item_id),
    )
