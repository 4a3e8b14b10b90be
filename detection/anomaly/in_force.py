"""The policy in force at a place of a tenant's events: views turned off, and exceptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from collectors.bus.contract import Partition, Position, Record
from detection.own_rules import Watching
from detection.policy import Policy, State
from detection.unusual import RULE, VIEWS

RULES: Final = tuple(RULE + view for view in VIEWS)


class Policies(Protocol):
    """Every version of every tenant's policy that was ever announced. May raise Overloaded."""

    def policy(self, tenant: str, version: int) -> Policy:
        """One version. Raises KeyError for one that never was."""


class InForce:
    """By partition; a stored position's note is the version that was in force there."""

    def __init__(self, policies: Policies, pipelines: Sequence[Path] = ()) -> None:
        self._policies = policies
        self._pipelines = pipelines
        self._versions: dict[Partition, int] = {}
        self._watching: dict[tuple[str, int], Watching] = {}

    def assigned(self, positions: Mapping[Partition, Position | None]) -> None:
        """Go on with what was in force at the stored positions."""
        for partition, found in positions.items():
            note = found.note if found else ""
            self._versions[partition] = int(note) if note.isdecimal() else 0

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget what is in force there."""
        for partition in partitions:
            self._versions.pop(partition, None)

    def note(self, partition: Partition) -> str:
        """What to store beside a position."""
        return str(self._versions.get(partition, 0))

    def change(self, record: Record, tenant: str) -> list[str] | None:
        """Go by the policy of a record from here on; the views that make no alerts under it.

        None for one that was never announced just so, and for one that is older.
        """
        try:
            policy = msgspec.json.decode(record.value, type=Policy)
            known = self._policies.policy(tenant, policy.version)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
            return None
        if policy != known or policy.version < self._versions.get(record.partition, 0):
            return None
        self._versions[record.partition] = policy.version
        states = policy.states
        return [view for view in VIEWS if states.get(RULE + view, State.ALERT) is not State.ALERT]

    def left(self, record: Record, tenant: str) -> bytes:
        """The events of a record that no exception keeps from being watched."""
        version = self._versions.get(record.partition, 0)
        if not version:
            return record.value
        watching = self._watching.get((tenant, version))
        if watching is None:
            watching = self._read(tenant, version)
        return watching.left(record.value, tenant) if watching else record.value

    def _read(self, tenant: str, version: int) -> Watching:
        try:
            policy = self._policies.policy(tenant, version)
        except KeyError:  # its tenant has left: the others must go on
            policy = Policy(tenant=tenant)
        for old in [key for key in self._watching if key[0] == tenant]:
            del self._watching[old]
        watching = self._watching[tenant, version] = Watching(policy, RULES, self._pipelines)
        return watching
