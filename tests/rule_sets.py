"""Rule sets and versions in memory, for tests of what goes by them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors.bus.contract import Overloaded
from detection.policy import Policy
from detection.rule_sets import SETTINGS, Files, Release, Rules
from rules.correlations import Correlation


class Sets:
    """Engines by version; those of `loading` are not there yet."""

    def __init__(
        self, settings: Any = None, *, rules: Sequence[Path] = (), **imported: Any
    ) -> None:
        self._engines: Mapping[str, Any] = {SETTINGS: settings, **imported}
        self.loading: set[str] = set()
        self._rules = rules

    def engine(self, version: str) -> Rules:
        if version in self.loading:
            raise Overloaded(f"rule set {version} is being loaded")
        found: Rules = self._engines[version]
        return found

    def correlations(self, version: str) -> Sequence[Correlation]:
        return self._engines.get(version, self._engines[SETTINGS]).correlations

    def files(self, version: str) -> Files:  # noqa: ARG002 - one set of files for all
        return Files(self._rules, ())


class Announced:
    """What the registry knows of: policies, and releases by their number."""

    def __init__(self, *policies: Policy, releases: Mapping[int, str] | None = None) -> None:
        self.policies = {(each.tenant, each.version): each for each in policies}
        self.releases = {0: SETTINGS, **(releases or {})}
        self.overloaded = False

    def policy(self, tenant: str, version: int) -> Policy:
        if self.overloaded:
            raise Overloaded("the database is locked")
        return self.policies[tenant, version]

    def release(self, number: int) -> Release:
        return Release(number, self.releases[number])
