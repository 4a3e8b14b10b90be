"""Correlations of several versions of the rule set beside each other, each by what it says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

from detection.rule_sets import RuleSets
from detection.sigma.ended import stretch
from rules.correlations import Correlation, renamed
from rules.info import RuleInfo


class _Version(NamedTuple):
    correlations: Sequence[Correlation]
    """Called by id and definition."""
    keys: Mapping[str, str]
    """What each id is called."""
    infos: Mapping[str, RuleInfo]


class Definitions:
    """The correlations of every version that signals name.

    One whose definition is the same in two versions is the same one, and so keeps what it has
    seen when the rule set changes, or is rolled back.
    """

    def __init__(self, sets: RuleSets) -> None:
        self._sets = sets
        self._versions: dict[str, _Version] = {}

    def of(self, version: str) -> Sequence[Correlation]:
        """Each after those that it refers to; their ids tell definitions apart."""
        return self._version(version).correlations

    def keys(self, version: str, ids: Iterable[str]) -> frozenset[str]:
        """What correlations are called in a version; those that it has not are left out."""
        known = self._version(version).keys
        return frozenset(known[each] for each in ids if each in known)

    def info(self, version: str, identity: str) -> RuleInfo | None:
        """What a version says to people of a correlation."""
        return self._version(version).infos.get(identity)

    def _version(self, version: str) -> _Version:
        found = self._versions.get(version)
        if found is None:
            found = self._versions[version] = _by_definition(self._sets.correlations(version))
        return found


def correlation_of(defined: Correlation) -> str:
    """The id that people know, of a correlation as `Definitions.of` calls it."""
    return defined.info.id.rpartition("@")[0]


def served(correlations: Sequence[Correlation]) -> dict[str, list[Correlation]]:
    """For each rule, the correlations that refer to it, by way of others too."""
    by_rule: dict[str, list[Correlation]] = {}
    for each in reversed(correlations):
        above = [each, *by_rule.get(each.info.id, ())]
        for rule in each.rules:
            known = by_rule.setdefault(rule, [])
            known += [other for other in above if other not in known]
    return by_rule


def reach(correlations: Sequence[Correlation]) -> float:
    """Seconds before a correlation's last event that what it hangs on may have happened."""
    longest: dict[str, int] = {}
    for each in correlations:
        below = max((longest.get(rule, 0) for rule in each.rules), default=0)
        own = each.timespan if each.rising else each.timespan + stretch(each.timespan)
        longest[each.info.id] = own + below
    return max(longest.values(), default=0)


def _by_definition(correlations: Sequence[Correlation]) -> _Version:
    keys: dict[str, str] = {}
    called: list[Correlation] = []
    for each in correlations:
        defined = renamed(each, keys)
        digest = blake2b(repr(_meaning(defined)).encode(), digest_size=12).hexdigest()
        keys[each.info.id] = key = f"{each.info.id}@{digest}"
        called.append(replace(defined, info=replace(each.info, id=key)))
    return _Version(called, keys, {each.info.id: each.info for each in correlations})


def _meaning(each: Correlation) -> tuple[object, ...]:
    """All that decides when it is true."""
    aliases = sorted(
        (name, sorted(fields.items())) for name, fields in (each.aliases or {}).items()
    )
    condition = each.op, each.threshold, each.fields, each.percentile, each.expression
    return each.kind, each.rules, each.timespan, each.group_by, aliases, condition
