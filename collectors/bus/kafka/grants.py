"""Who may do what in the cluster: partners write their own events, stages what their work needs."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from collectors.bus.kafka.book import GROUP_MARK, RETENTION_GROUP
from collectors.bus.kafka.cluster import GROUPS_TOPIC

TENANT: Final = re.compile(r"[a-z][a-z0-9]{1,30}")
KINDS: Final = ("events.", "signals.", "behaviour.", "alerts.", "dead.")
STAGE_USER: Final = "citysoc-"
"""What the names of stages begin with; no tenant's id has a hyphen, so none can be one."""


class Grant(NamedTuple):
    """One permission."""

    principal: str
    """`User:council`, `User:citysoc-detection`."""
    operation: str
    """As Kafka calls it: WRITE, READ, …"""
    resource: Literal["topic", "group"]
    name: str
    prefixed: bool = False
    """Whether it is for everything that begins with the name."""

    def covers(self, resource: str, name: str) -> bool:
        """Whether it bears on this topic or group."""
        same = name.startswith(self.name) if self.prefixed else self.name in {name, "*"}
        return self.resource == resource and same


class Needs(NamedTuple):
    """What the work of one stage takes."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    makes: bool = False
    """Whether it makes topics, and notes in the name of a group what they keep."""
    tidies: bool = False
    """Whether it enforces retention, for which it looks at all topics and groups."""


STAGES: Final = {
    "collectors": Needs(writes=("events.",), makes=True),
    "detection": Needs(reads=("events.",), writes=("signals.", "dead."), groups=("detection",)),
    "correlation": Needs(reads=("signals.",), writes=("alerts.", "dead."), groups=("correlation",)),
    "indexer": Needs(reads=("events.",), writes=("dead.",), groups=("indexer",), tidies=True),
    "anomaly": Needs(
        reads=("events.", "alerts.", "behaviour."),
        writes=("behaviour.", "alerts.", "dead."),
        groups=("anomaly", "anomaly-alerts", "anomaly-behaviour"),
    ),
    "serve": Needs(reads=("alerts.",), writes=("events.", "dead."), groups=("triage",), makes=True),
}


def due(tenants: Iterable[str], *, prefix: str = "") -> frozenset[Grant]:
    """Every permission of an installation with these tenants.

    `prefix` is that of KafkaSettings. Raises ValueError for what is no tenant's id, because it
    would become a pattern or somebody else's name.
    """
    found = {grant for tenant in tenants for grant in _of_partner(tenant, prefix)}
    for stage, needs in STAGES.items():
        found |= set(_of_stage(f"User:{STAGE_USER}{stage}", needs, prefix))
    return frozenset(found)


def ours(grant: Grant, *, prefix: str = "") -> bool:
    """Whether it is one that we might have written, for a tenant of today or of the past."""
    if grant.principal in {f"User:{STAGE_USER}{stage}" for stage in STAGES}:
        return grant.name.startswith(prefix) and grant.name != "*"
    tenant = grant.principal.removeprefix("User:")
    return TENANT.fullmatch(tenant) is not None and grant in set(_of_partner(tenant, prefix))


def bears_on_us(grant: Grant, tenants: Iterable[str], *, prefix: str = "") -> bool:
    """Whether it lets somebody at a topic of these tenants or at a group of ours."""
    topics = [f"{prefix}{kind}{tenant}" for tenant in tenants for kind in KINDS]
    groups = [f"{prefix}{name}" for needs in STAGES.values() for name in needs.groups]
    return any(grant.covers("topic", name) for name in topics) or any(
        grant.covers("group", name) for name in groups
    )


def _of_partner(tenant: str, prefix: str) -> Iterator[Grant]:
    if not TENANT.fullmatch(tenant):
        raise ValueError(f"expected a tenant's id such as council, got {tenant[:50]!r}")
    for operation in ("WRITE", "DESCRIBE"):
        yield Grant(f"User:{tenant}", operation, "topic", f"{prefix}events.{tenant}")


def _of_stage(principal: str, needs: Needs, prefix: str) -> Iterator[Grant]:
    def topics(operation: str, kinds: Iterable[str]) -> Iterator[Grant]:
        for kind in kinds:
            yield Grant(principal, operation, "topic", prefix + kind, prefixed=True)

    def group(name: str, *, prefixed: bool = False) -> Grant:
        return Grant(principal, "READ", "group", prefix + name, prefixed)

    yield from topics("READ", needs.reads)
    yield from topics("WRITE", needs.writes)
    if needs.groups or needs.tidies:
        for operation in ("CREATE", "READ"):
            yield Grant(principal, operation, "topic", prefix + GROUPS_TOPIC)
    for name in needs.groups:
        yield group(name)
        yield group(name + GROUP_MARK)
    if needs.makes:
        # Kafka lets a note stand beside a topic only for those who may read it
        for operation in ("CREATE", "ALTER", "ALTER_CONFIGS", "READ"):
            yield from topics(operation, KINDS)
        yield group(RETENTION_GROUP)
    if needs.tidies:
        for operation in ("READ", "DELETE"):
            yield from topics(operation, KINDS)
        yield group(RETENTION_GROUP)
        for name in (name for other in STAGES.values() for name in other.groups):
            yield group(name)
            yield group(name + GROUP_MARK)
