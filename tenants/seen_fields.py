"""Which fields each tenant's log sources really have: gathered as events are indexed, and kept."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec
from sqlalchemy import insert, select

from collectors import codec
from collectors.bus.contract import Overloaded
from collectors.event import Soc
from collectors.logsource import LogSource
from detection.coverage import EVERYTHING, Seen, names_of
from detection.schema_view import view
from tenants import schema
from tenants.access import Principal
from tenants.database import Database
from tenants.onboarding import visible_tenant

MAX_SHAPES = 20_000
"""Kinds of events that are remembered; beyond, all are looked at anew."""
FIRST = 8
"""Events of one shape that are looked into, where values lie within values; then one in EVERY."""
EVERY = 64
MAX_NAMES = 5_000
"""Names that are kept of one log source; beyond, any is taken for seen."""
MAX_SOURCES = 300
"""Log sources that are kept of one tenant."""
MAX_TENANT_NAMES = 50_000
MAX_TEXT = 200
"""Characters of a name that is kept."""

Found = dict[str, dict[str, set[str]]]
"""Names by tenant and log source."""
Shape = tuple[str, tuple[str, ...], str, tuple[str, ...]]

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class FieldsSeen:
    """Looks at what is indexed, most of it at its outermost names only. Not for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shapes: dict[Shape, int] = {}
        self._kept: Found = {}
        self._new: Found = {}

    def look(self, tenant: str, soc: Soc, line: bytes) -> None:
        """Take note of the names of one event; cheap where its like was seen before."""
        if not soc.logsources:
            return
        try:
            members = _members.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            members = None
        if members is not None and self._known(tenant, soc, members):
            return
        kept = self._kept.setdefault(tenant, {})
        for source, new in _additions(kept, dict.fromkeys(soc.logsources, _names(line, soc))):
            self._new.setdefault(tenant, {}).setdefault(source, set()).update(new)

    def flush(self) -> None:
        """Keep what is new; where the database is busy, the next time."""
        for tenant, sources in list(self._new.items()):
            try:
                self._write(tenant, sources)
            except Overloaded:
                return
            del self._new[tenant]

    def _known(self, tenant: str, soc: Soc, members: Mapping[str, msgspec.Raw]) -> bool:
        shape = (tenant, soc.logsources, soc.schema, tuple(members))
        count = self._shapes.get(shape)
        if count is None:
            if len(self._shapes) == MAX_SHAPES:
                self._shapes.clear()
                self._kept.clear()
            nested = any(bytes(raw)[:1] in b"{[" for name, raw in members.items() if name != "soc")
            self._shapes[shape] = 1 if nested else -1
            return False
        if count < 0:
            return True
        self._shapes[shape] = count + 1
        return count >= FIRST and count % EVERY != 0

    def _write(self, tenant: str, sources: Mapping[str, AbstractSet[str]]) -> None:
        columns = schema.seen_fields.c
        there = select(schema.tenants.c.id).where(schema.tenants.c.id == tenant)
        with self._database.write([tenant]) as connection:
            if connection.scalar(there) is None:
                return  # it has left, and its last events are still on the bus
            held: dict[str, set[str]] = {}
            for row in connection.execute(
                select(columns.logsource, columns.field).where(columns.tenant_id == tenant)
            ):
                held.setdefault(row.logsource, set()).add(row.field)
            rows = [
                {"tenant_id": tenant, "logsource": source, "field": name}
                for source, names in _additions(held, sources)
                for name in sorted(names)
            ]
            if rows:
                connection.execute(insert(schema.seen_fields), rows)


def _names(line: bytes, soc: Soc) -> set[str]:
    """The names of an event's fields as rules see them; none of what can't be read."""
    try:
        fields = codec.loads(line)
        fields.pop("soc", None)
        sources = tuple(map(LogSource.parse, soc.logsources))
    except ValueError:
        return set()
    shown = view(soc.schema)
    names = names_of(fields if shown is None else shown(fields, sources))
    return {name for name in names if len(name) <= MAX_TEXT and name.isprintable()}


def _additions(
    held: dict[str, set[str]], found: Mapping[str, AbstractSet[str]]
) -> Iterator[tuple[str, AbstractSet[str]]]:
    """What is new in `found`, within the bounds of one tenant; it is added to `held`."""
    for source, names in found.items():
        known = held.get(source)
        if known is None:
            if len(held) >= MAX_SOURCES or len(source) > MAX_TEXT or source.count("/") != 2:
                continue
            known = held[source] = set()
        new = names - known
        if len(known) + len(new) > MAX_NAMES or sum(map(len, held.values())) > MAX_TENANT_NAMES:
            new = {EVERYTHING} - known
        known |= new
        if new:
            yield source, new


class SeenBook:
    """What was seen, for one person."""

    def __init__(self, database: Database, principal: Principal) -> None:
        self._database = database
        self._principal = principal

    def of(self, tenant: str) -> Seen:
        """The names of fields by log source. Raises NotFound for a tenant not theirs to see."""
        columns = schema.seen_fields.c
        seen: dict[LogSource, set[str]] = {}
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            rows = connection.execute(
                select(columns.logsource, columns.field).where(columns.tenant_id == tenant)
            )
            for row in rows:
                seen.setdefault(LogSource.parse(row.logsource), set()).add(row.field)
        return seen
