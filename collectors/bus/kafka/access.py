"""Permissions in the cluster: brings them to what the tenants of today need, and shows them all.

They bind whoever signs in where the brokers have an authorizer that refuses what nothing allows:
`authorizer.class.name` set and `allow.everyone.if.no.acl.found` left at false.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import NoError, SecurityDisabledError

from collectors.bus.contract import Malformed, Overloaded
from collectors.bus.kafka.cluster import Cluster
from collectors.bus.kafka.grants import Grant, bears_on_us, due, ours
from collectors.bus.kafka.reach import reaching
from collectors.bus.kafka.settings import KafkaSettings

RESOURCES = {ResourceType.TOPIC: "topic", ResourceType.GROUP: "group"}
TYPES = {name: kind for kind, name in RESOURCES.items()}
EVERYTHING = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
ANY_HOST = "*"


class Survey(NamedTuple):
    """The permissions that there are, beside those that there should be. Each part is sorted."""

    right: tuple[Grant, ...]
    missing: tuple[Grant, ...]
    """Due, and not there."""
    surplus: tuple[Grant, ...]
    """Ours, and no longer due: of a tenant who has left, of a stage that needs it no more."""
    strange: tuple[Grant, ...]
    """Somebody else gave these, and they reach our tenants' topics or our groups."""


class Access:
    """The cluster's permissions. `settings` sign in as somebody who may change them."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._cluster = Cluster(settings)
        self._prefix = settings.prefix

    def survey(self, tenants: Collection[str]) -> Survey:
        """Compare what is there with what these tenants need; changes nothing.

        Raises Overloaded, ValueError for what is no tenant's id, and Malformed where the cluster
        asks nobody for permission.
        """
        wanted = due(tenants, prefix=self._prefix)
        there = self._there()
        rest = there - wanted
        surplus = {grant for grant in rest if ours(grant, prefix=self._prefix)}
        strange = {
            grant for grant in rest - surplus if bears_on_us(grant, tenants, prefix=self._prefix)
        }
        parts = (there & wanted, wanted - there, surplus, strange)
        return Survey(*(tuple(sorted(part)) for part in parts))

    def bring(self, tenants: Collection[str]) -> Survey:
        """Give what is missing, take what is surplus; returns what was found before.

        Safe to repeat. Strange permissions stay: whoever gave them is to take them. Raises as
        survey does.
        """
        found = self.survey(tenants)
        if found.missing:
            with reaching("give permissions"):
                done = self._cluster.admin.create_acls([acl(grant) for grant in found.missing])
            for failure in done["failed"]:
                raise Overloaded(f"Kafka did not give all permissions: {failure.__name__}")
        if found.surplus:
            with reaching("take permissions"):
                answers = self._cluster.admin.delete_acls(
                    [_filter(grant) for grant in found.surplus]
                )
            for _, _, fault in answers:
                if fault is not NoError:
                    raise Overloaded(f"Kafka did not take all permissions: {fault.__name__}")
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._cluster.close()

    def _there(self) -> frozenset[Grant]:
        every = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ALLOW, EVERYTHING)
        try:
            with reaching("list permissions"):
                found, _ = self._cluster.admin.describe_acls(every)
        except SecurityDisabledError as error:
            raise Malformed(
                "the cluster asks nobody for permission; set authorizer.class.name on its brokers"
            ) from error
        return frozenset(_grants(found))


def _grants(found: Collection[ACL]) -> Iterator[Grant]:
    for each in found:
        pattern = each.resource_pattern
        if pattern.resource_type in RESOURCES:
            yield Grant(
                each.principal,
                each.operation.name,
                RESOURCES[pattern.resource_type],  # type: ignore[arg-type]  # topic or group
                pattern.resource_name,
                pattern.pattern_type is ACLResourcePatternType.PREFIXED,
            )


def acl(grant: Grant) -> ACL:
    """A permission in kafka-python's words."""
    return ACL(
        grant.principal,
        ANY_HOST,
        ACLOperation[grant.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(TYPES[grant.resource], grant.name, _pattern(grant)),
    )


def _filter(grant: Grant) -> ACLFilter:
    return ACLFilter(
        grant.principal,
        None,
        ACLOperation[grant.operation],
        ACLPermissionType.ALLOW,
        ResourcePatternFilter(TYPES[grant.resource], grant.name, _pattern(grant)),
    )


def _pattern(grant: Grant) -> ACLResourcePatternType:
    return ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
