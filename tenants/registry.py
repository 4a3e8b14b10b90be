"""What the stages need to know of the tenants: routes, policies, assets, topics."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, tuple_, update

from collectors.bus.contract import Bus, Retention
from collectors.logsource import LogSource
from collectors.route import Route
from detection.policy import Policy, State
from detection.rule_sets import SETTINGS, Release
from enrichment.register import Asset
from tenants import schema
from tenants.access import EVERY_TENANT
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
        "behaviour": (1, small),
        "alerts": (1, small),
        "dead": (1, small),
    }


class Registry:
    """Reads the slices of every tenant; for stages, not for people (see tenants.onboarding)."""

    def __init__(self, database: Database, *, topics: Topics | None = None) -> None:
        self._database = database
        self._topics = topics or topic_plan()

    def version(self) -> int:
        """Grows with every change; cheap enough to ask every second."""
        with self._database.read() as connection:
            return connection.scalar(select(schema.registry_version.c.version)) or 0

    def tenants(self) -> Sequence[str]:
        """Every tenant's id, sorted."""
        with self._database.read(EVERY_TENANT) as connection:
            return list(connection.scalars(select(schema.tenants.c.id).order_by("id")))

    def kinds(self) -> Mapping[str, str]:
        """What kind of organisation each tenant is."""
        with self._database.read(EVERY_TENANT) as connection:
            rows = connection.execute(select(schema.tenants.c.id, schema.tenants.c.kind))
            return {row.id: row.kind for row in rows}

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

    def release(self, number: int) -> Release:
        """One release of rules; number 0 is of what the settings name.

        Raises KeyError for one that never was.
        """
        with self._database.read() as connection:
            found = connection.execute(
                select(schema.releases).where(schema.releases.c.number == number)
            ).one_or_none()
        if found is not None:
            return Release(found.number, found.version or SETTINGS)
        if number:
            raise KeyError(f"there is no release {number} of rules")
        return Release(0, SETTINGS)

    def latest_release(self) -> Release:
        """The one that is in force, or about to be."""
        with self._database.read() as connection:
            return latest_release(connection)

    def bundle(self, version: str) -> bytes:
        """A rule set that was imported, packed (see rules.bundle). Raises KeyError."""
        columns = schema.rule_sets.c
        with self._database.read() as connection:
            packed = connection.scalar(select(columns.bundle).where(columns.version == version))
        if packed is None:
            raise KeyError(f"there is no rule set {version!r}")
        return bytes(packed)

    def publish(self, bus: Bus) -> int:
        """Make topics, and tell every partition the policy and the rules that it does not know.

        Returns how many records that took. What was told is noted only once it is durable, so a
        crash tells it again: the same version with the same content, which changes nothing.
        """
        self.ensure_topics(bus)
        telling = self._telling(bus.topics())
        records = [(each, record) for each in telling for record in each.records()]
        if not records:
            return 0
        producer = bus.producer()
        try:
            for each, (kind, value) in records:
                topic = f"events.{each.policy.tenant}"
                producer.send(topic, value, headers={"kind": kind}, partition=each.partition)
            producer.flush()
        finally:
            producer.close()
        self._told(telling)
        return len(records)

    def _telling(self, topics: Mapping[str, int]) -> list["_Telling"]:
        """What each partition whose knowledge is old has to be told."""
        with self._database.read(EVERY_TENANT) as connection:
            release = latest_release(connection)
            policies = latest_policies(connection)
            told = {
                (row.tenant_id, row.partition): (row.policy, row.release)
                for row in connection.execute(select(schema.announced))
            }
        return [
            _Telling(number, one, release, *known)
            for tenant, one in policies.items()
            for number in range(topics.get(f"events.{tenant}", 0))
            if (known := told.get((tenant, number), (0, 0))) != (one.version, release.number)
        ]

    def _told(self, telling: Sequence["_Telling"]) -> None:
        columns = schema.announced.c
        with self._database.write(EVERY_TENANT) as connection:
            for each in telling:
                place = (columns.tenant_id == each.policy.tenant) & (
                    columns.partition == each.partition
                )
                latest = {"policy": each.policy.version, "release": each.release.number}
                if not connection.execute(
                    update(schema.announced).where(place).values(latest)
                ).rowcount:
                    row = {"tenant_id": each.policy.tenant, "partition": each.partition, **latest}
                    connection.execute(insert(schema.announced).values(row))


class _Telling(NamedTuple):
    """What a partition has to be told, and the versions that it knows."""

    partition: int
    policy: Policy
    release: Release
    known_policy: int
    known_release: int

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Kind and value of each."""
        if self.known_release < self.release.number:
            yield "rules", msgspec.json.encode(self.release)
        if self.known_policy < self.policy.version:
            yield "policy", msgspec.json.encode(self.policy)


def latest_release(connection: Connection) -> Release:
    """See Registry.latest_release, within a transaction."""
    columns = schema.releases.c
    query = select(schema.releases).order_by(columns.number.desc()).limit(1)
    found = connection.execute(query).one_or_none()
    return (
        Release(0, SETTINGS) if found is None else Release(found.number, found.version or SETTINGS)
    )


def latest_policies(connection: Connection) -> dict[str, Policy]:
    """The latest policy of every tenant; version 0, all defaults, where it never chose."""
    columns = schema.policies.c
    newest = select(columns.tenant_id, func.max(columns.version)).group_by(columns.tenant_id)
    query = select(schema.policies).where(tuple_(columns.tenant_id, columns.version).in_(newest))
    chosen = {row.tenant_id: _policy(row) for row in connection.execute(query)}
    tenants = connection.scalars(select(schema.tenants.c.id).order_by("id"))
    return {tenant: chosen.get(tenant, Policy(tenant=tenant)) for tenant in tenants}


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
        return _policy(row)
    if version:
        raise KeyError(f"tenant {tenant!r} has no policy version {version}")
    return Policy(tenant=tenant)


def touch(connection: Connection) -> None:
    """Say that something of the registry changed, in the transaction that changes it."""
    columns = schema.registry_version.c
    connection.execute(update(schema.registry_version).values(version=columns.version + 1))


def _policy(row: Row[Any]) -> Policy:
    return Policy(
        tenant=row.tenant_id,
        version=row.version,
        states=msgspec.json.decode(row.states, type=dict[str, State]),
        lists=msgspec.json.decode(row.lists, type=dict[str, tuple[str, ...]]),
        filters=msgspec.json.decode(row.filters, type=dict[str, str]),
    )
