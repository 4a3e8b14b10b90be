"""What the stages need to know of the tenants: routes, policies, assets, topics."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select, update

from collectors.bus.contract import Bus, Retention
from collectors.logsource import LogSource
from collectors.route import Route
from detection.policy import Policy, State
from enrichment.register import Asset
from tenants import schema
from tenants.access import EVERY_TENANT
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database

DAY = 86400.0
REREAD = 14 * DAY
"""How long signals and alerts are kept at least: correlation reads 8 days again when it starts."""

Topics = Mapping[str, tuple[int, Retention]]
"""Per kind of topic its partitions and retention."""


def topic_plan(*, partitions: int = 4, retention: Retention | None = None) -> Topics:
    """The topics of every tenant; `events` has these partitions, all at least this retention."""
    events = retention or Retention()
    seconds = None if events.seconds is None else max(events.seconds, REREAD)
    small = Retention(seconds=seconds, bytes=events.bytes)
    return {
        "events": (partitions, events),
        "signals": (1, small),
        "alerts": (1, small),
        "dead": (1, small),
    }


class Registry:
    """Reads the slices of every tenant; for stages, not for people (see tenants.onboarding)."""

    def __init__(
        self, database: Database, *, topics: Topics | None = None, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._topics = topics or topic_plan()
        self._clock = clock

    def version(self) -> int:
        """Grows with every change; cheap enough to ask every second."""
        with self._database.read() as connection:
            return connection.scalar(select(schema.registry_version.c.version)) or 0

    def tenants(self) -> Sequence[str]:
        """Every tenant's id, sorted."""
        with self._database.read(EVERY_TENANT) as connection:
            return list(connection.scalars(select(schema.tenants.c.id).order_by("id")))

    def routes(self) -> list[Route]:
        """Every enabled source, as the doors need it."""
        query = select(schema.sources).where(schema.sources.c.enabled).order_by("tenant_id", "name")
        with self._database.read(EVERY_TENANT) as connection:
            return [
                Route(
                    tenant=row.tenant_id,
                    source=row.name,
                    kind=row.kind,
                    format=row.format,
                    logsources=tuple(map(LogSource.parse, msgspec.json.decode(row.logsources))),
                    schema=row.schema,
                    token_hash=row.token_hash,
                    syslog_slot=row.syslog_slot,
                    senders=tuple(msgspec.json.decode(row.senders)),
                )
                for row in connection.execute(query)
            ]

    def policy(self, tenant: str, version: int | None = None) -> Policy:
        """One version of a tenant's policy, the latest if None; version 0 is all defaults.

        Raises KeyError for a version that never was.
        """
        with self._database.read([tenant]) as connection:
            return policy(connection, tenant, version)

    def assets(self, tenant: str) -> list[Asset]:
        """A tenant's register."""
        columns = schema.assets.c
        query = select(schema.assets).where(columns.tenant_id == tenant).order_by("kind", "name")
        with self._database.read([tenant]) as connection:
            return [
                Asset(kind=row.kind, name=row.name, owner=row.owner, criticality=row.criticality)
                for row in connection.execute(query)
            ]

    def ensure_topics(self, bus: Bus) -> None:
        """Make the topics of tenants that have none yet. Safe to repeat, by several processes."""
        present = bus.topics()
        for tenant in self.tenants():
            for kind, (partitions, retention) in self._topics.items():
                if present.get(f"{kind}.{tenant}", 0) < partitions:
                    bus.create_topic(f"{kind}.{tenant}", partitions=partitions, retention=retention)

    def publish(self, bus: Bus) -> int:
        """Make topics and send every policy that is not on the bus yet; returns how many.

        A policy is marked as sent only once it is durable in every partition, so a crash sends
        it again: the same version with the same content, which changes nothing.
        """
        self.ensure_topics(bus)
        waiting = self._unpublished()
        if not waiting:
            return 0
        partitions = bus.topics()
        producer = bus.producer()
        try:
            for one in waiting:
                topic = f"events.{one.tenant}"
                value = msgspec.json.encode(one)
                for number in range(partitions[topic]):
                    producer.send(topic, value, headers={"kind": "policy"}, partition=number)
            producer.flush()
        finally:
            producer.close()
        self._mark_published(waiting)
        return len(waiting)

    def _unpublished(self) -> list[Policy]:
        columns = schema.policies.c
        query = (
            select(schema.policies)
            .where(columns.published.is_(None))
            .order_by(columns.tenant_id, columns.version)
        )
        with self._database.read(EVERY_TENANT) as connection:
            return [
                Policy(tenant=row.tenant_id, version=row.version, states=_states(row.states))
                for row in connection.execute(query)
            ]

    def _mark_published(self, sent: Sequence[Policy]) -> None:
        columns = schema.policies.c
        moment = stamp(self._clock())
        with self._database.write(EVERY_TENANT) as connection:
            for one in sent:
                connection.execute(
                    update(schema.policies)
                    .where(columns.tenant_id == one.tenant, columns.version == one.version)
                    .values(published=moment)
                )


def policy(connection: Connection, tenant: str, version: int | None = None) -> Policy:
    """See Registry.policy, within a transaction."""
    columns = schema.policies.c
    query = select(schema.policies).where(columns.tenant_id == tenant)
    if version is None:
        query = query.order_by(columns.version.desc()).limit(1)
    else:
        query = query.where(columns.version == version)
    row = connection.execute(query).one_or_none()
    if row is not None:
        return Policy(tenant=tenant, version=row.version, states=_states(row.states))
    if version:
        raise KeyError(f"tenant {tenant!r} has no policy version {version}")
    return Policy(tenant=tenant)


def touch(connection: Connection) -> None:
    """Say that something of the registry changed, in the transaction that changes it."""
    columns = schema.registry_version.c
    connection.execute(update(schema.registry_version).values(version=columns.version + 1))


def _states(text: str) -> dict[str, State]:
    return msgspec.json.decode(text, type=dict[str, State])
