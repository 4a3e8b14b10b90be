"""What is in force at a place of a tenant's log: its policy and the rules, both changed in band."""

from typing import Protocol

import msgspec
import structlog

from collectors.bus.contract import Malformed, Record
from detection.policy import Policy
from detection.rule_sets import SETTINGS, Release

log = structlog.get_logger()


class Versions(Protocol):
    """Every policy and every release of rules that was ever announced. May raise Overloaded."""

    def policy(self, tenant: str, version: int) -> Policy:
        """One version of a tenant's policy. Raises KeyError for one that never was."""

    def release(self, number: int) -> Release:
        """One release of rules. Raises KeyError for one that never was."""


class _Note(msgspec.Struct, frozen=True):
    """What is stored beside a position."""

    policy: int = 0
    rules: int = 0
    """The release; notes of before there were releases have none."""


class InForce(msgspec.Struct, frozen=True):
    """By what events are judged."""

    policy: Policy
    release: Release

    def note(self) -> str:
        """What to store beside a position, to go on with the same."""
        note = _Note(self.policy.version, self.release.number)
        return msgspec.json.encode(note).decode()


class Bearings:
    """Reads notes and records, and believes only what the registry says too.

    Whoever may write to a topic could write a record of these kinds as well.
    """

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def at(self, tenant: str, note: str) -> InForce:
        """What was in force where the note was written; the defaults without one."""
        stored = msgspec.json.decode(note, type=_Note) if note else _Note()
        return InForce(self._policy(tenant, stored.policy), self._release(stored.rules))

    def after(self, in_force: InForce, record: Record) -> InForce:
        """What a record puts in force; one that is older, sent again, changes nothing.

        Raises Malformed for what the registry does not know just so.
        """
        if record.kind == "policy":
            policy = self._announced_policy(in_force.policy.tenant, record.value)
            newer = policy.version >= in_force.policy.version
            return InForce(policy, in_force.release) if newer else in_force
        release = self._announced_release(record.value)
        newer = release.number >= in_force.release.number
        return InForce(in_force.policy, release) if newer else in_force

    def _policy(self, tenant: str, version: int) -> Policy:
        if not version:
            return Policy(tenant=tenant)
        try:
            return self._versions.policy(tenant, version)
        except KeyError as missing:
            # its tenant has left, or its database was lost: the others must go on
            log.error("policy_missing", tenant=tenant, version=version, reason=str(missing))
            return Policy(tenant=tenant)

    def _release(self, number: int) -> Release:
        if not number:
            return Release(0, SETTINGS)
        try:
            return self._versions.release(number)
        except KeyError as missing:
            log.error("release_missing", number=number, reason=str(missing))
            return Release(0, SETTINGS)

    def _announced_policy(self, tenant: str, value: bytes) -> Policy:
        try:
            policy = msgspec.json.decode(value, type=Policy)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"expected a policy: {error}") from error
        if policy.tenant != tenant:
            raise Malformed(f"expected a policy of {tenant!r}, got one of {policy.tenant!r}")
        try:
            known = self._versions.policy(tenant, policy.version)
        except KeyError as error:
            raise Malformed(f"expected a policy that was announced: {error.args[0]}") from error
        if policy != known:
            raise Malformed(
                f"expected version {policy.version} of the policy as it was announced, got another"
            )
        return policy

    def _announced_release(self, value: bytes) -> Release:
        try:
            release = msgspec.json.decode(value, type=Release)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"expected a release of rules: {error}") from error
        try:
            known = self._versions.release(release.number)
        except KeyError as error:
            raise Malformed(f"expected a release that was announced: {error.args[0]}") from error
        if release != known:
            raise Malformed(
                f"expected release {known.number} to be of rule set {known.version!r}, "
                f"got {release.version!r}"
            )
        return release
