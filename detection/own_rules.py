"""Rules as one organisation has them: with its own lists and exceptions beside the shared engine.

What all share, engine and memories, never sees a value of a list or an exception.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import structlog
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from collectors.bus.contract import Malformed
from collectors.logsource import LogSource
from detection.incoming import Incoming, Unreadable, read_lines
from detection.policy import Policy
from detection.rule_sets import Files, Rules, RuleSets
from detection.sigma.engine import Engine
from detection.sigma.ruleset import build, read_pipelines
from rules.catalog import Catalog, Rule, read
from rules.correlations import Correlation
from rules.documents import Document, Fault, documents
from rules.filters import Filter, read_filter
from rules.info import RuleInfo
from rules.placeholders import files_that_expand, placeholders

log = structlog.get_logger()

MEMORY_BYTES = 4 * 1024 * 1024
"""What the memories of one organisation's own engine may take."""
KEPT = 64
"""Organisations with lists or exceptions whose rules are kept compiled, in one worker."""
SOURCES = 32
"""Log sources of one organisation whose exceptions are kept compiled."""

Matches = Sequence[tuple[int, RuleInfo]]


class OwnRules:
    """Finds what each organisation's events are matched by. Not shared between threads."""

    def __init__(self, sets: RuleSets) -> None:
        self._sets = sets
        self._made: OrderedDict[tuple[str, str, int], Rules] = OrderedDict()
        self._recent: deque[str] = deque(maxlen=2)
        self._expanding: dict[str, Files] = {}

    def of(self, version: str, policy: Policy) -> Rules:
        """A rule set under a policy: the shared engine where that has no lists or exceptions.

        Raises Overloaded while the rule set is being loaded.
        """
        shared = self._sets.engine(version)
        if not policy.lists and not policy.filters:
            return shared
        key = (version, policy.tenant, policy.version)
        made = self._made.get(key)
        if made is None:
            self._forget_old(version)
            made = self._made[key] = own_rules(shared, policy, self._that_expand(version))
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return made

    def _forget_old(self, version: str) -> None:
        """Keep of no other sets than this and the one before it: each holds a whole engine."""
        if version not in self._recent:
            self._recent.append(version)
        for key in [key for key in self._made if key[0] not in self._recent]:
            del self._made[key]

    def _that_expand(self, version: str) -> Files:
        if version not in self._expanding:
            files = self._sets.files(version)
            if len(self._expanding) == KEPT:
                self._expanding.clear()
            self._expanding[version] = Files(files_that_expand(files.rules), files.pipelines)
        return self._expanding[version]


def own_rules(shared: Rules, policy: Policy, files: Files) -> Rules:
    """`files` are those of the rule set in which placeholders or filters stand."""
    expanded = _expanded(shared, policy, files) if policy.lists else None
    exceptions = Exceptions(shared, policy, files) if policy.filters else None
    return _Own(shared, expanded, exceptions)


class _Own:
    def __init__(
        self, shared: Rules, expanded: Engine | None, exceptions: "Exceptions | None"
    ) -> None:
        self._shared = shared
        self._expanded = expanded
        self._exceptions = exceptions
        self.version = shared.version

    @property
    def rules(self) -> Mapping[str, RuleInfo]:
        return self._shared.rules

    @property
    def correlations(self) -> Sequence[Correlation]:
        return self._shared.correlations

    def match_lines(self, lines: Sequence[bytes]) -> Matches:
        found = self._shared.match_lines(lines)
        if self._expanded is not None:
            found = _instead(found, self._expanded, lines)
        if self._exceptions is not None:
            found = list(self._exceptions.left(found, lines))
        return found


class Exceptions:
    """The filters of one version of a policy, asked only about matches that they concern."""

    def __init__(self, shared: Rules, policy: Policy, files: Files) -> None:
        self._filters = _Filters(policy, files.pipelines)
        self._counting = {
            rule: each.info.id
            for each in shared.correlations
            if "detection" in each.document.content
            for rule in each.rules
        }
        self._concerning: dict[str, frozenset[str]] = {}

    def left(self, found: Matches, lines: Sequence[bytes]) -> Iterator[tuple[int, RuleInfo]]:
        """Those matches that all filters which concern them let pass."""
        for position, matches in groupby(found, itemgetter(0)):
            passed: dict[LogSource, frozenset[str]] = {}
            for _, rule in matches:
                concerning = self._that_concern(rule)
                if concerning:
                    source = rule.logsource
                    if source not in passed:
                        passed[source] = self._filters.passing(source, lines[position])
                    if not concerning <= passed[source]:
                        continue
                yield position, rule

    def _that_concern(self, rule: RuleInfo) -> frozenset[str]:
        found = self._concerning.get(rule.id)
        if found is None:
            counting = self._counting.get(rule.id, "")
            found = self._concerning[rule.id] = self._filters.usable(
                rule.logsource, lambda each: each.concerns(rule, counting)
            )
        return found


class Watching:
    """What a policy's exceptions leave to be watched for what no rule describes."""

    def __init__(self, policy: Policy, rules: Collection[str], pipelines: Sequence[Path]) -> None:
        """`rules` are the ids that unusual behaviour goes by; who excepts one excepts all."""
        self._rules = frozenset(rules)
        self._filters = _Filters(policy, pipelines)
        self._any = any(map(self._concerns, self._filters.all))
        self._concerning: dict[LogSource, frozenset[str]] = {}

    def __bool__(self) -> bool:
        """Whether any exception may concern it."""
        return self._any

    def left(self, value: bytes, tenant: str) -> bytes:
        """The lines of a record without those of events that are excepted."""
        found = read_lines(value, tenant)
        kept = [one.line for one in found if isinstance(one, Unreadable) or not self._excepted(one)]
        return b"\n".join(kept)

    def _excepted(self, event: Incoming) -> bool:
        try:
            return any(self._excepts(source, event) for source in event.logsources)
        except Malformed:
            return False

    def _excepts(self, source: LogSource, event: Incoming) -> bool:
        concerning = self._concerning.get(source)
        if concerning is None:
            if len(self._concerning) > SOURCES:
                self._concerning.clear()
            concerning = self._concerning[source] = self._filters.usable(
                source, lambda each: source.serves(each.logsource) and self._concerns(each)
            )
        return bool(concerning) and not concerning <= self._filters.passing(source, event.asked())

    def _concerns(self, each: Filter) -> bool:
        return each.rules is None or not each.rules.isdisjoint(self._rules)


class _Filters:
    """The exceptions of a policy, compiled for a log source when it is first asked about."""

    def __init__(self, policy: Policy, pipelines: Sequence[Path]) -> None:
        self.all = list(_filters(policy))
        self._lists = policy.lists
        self._pipelines = pipelines
        self._engines: OrderedDict[LogSource, Engine] = OrderedDict()

    def usable(self, source: LogSource, concerns: Callable[[Filter], bool]) -> frozenset[str]:
        """The ids of those that concern something of a log source."""
        rules = self._engine(source).rules if self.all else {}
        return frozenset(each.id for each in self.all if concerns(each) and each.id in rules)

    def passing(self, source: LogSource, line: bytes) -> frozenset[str]:
        """The ids of those that let an event pass. Raises Malformed where a line is none."""
        return frozenset(rule.id for _, rule in self._engine(source).match_lines([line]))

    def _engine(self, source: LogSource) -> Engine:
        """All that may concern rules of a log source, as rules of just that."""
        engine = self._engines.get(source)
        if engine is None:
            rules = [_as_rule(each, source) for each in self.all]
            engine = self._engines[source] = _small(rules, self._lists, self._pipelines)
            if len(self._engines) > SOURCES:
                self._engines.popitem(last=False)
        self._engines.move_to_end(source)
        return engine


def exception_of(name: str, text: str, faults: list[Fault]) -> Filter | None:
    """The one filter document of an exception, or faults with the lines of its text."""
    try:
        found = list(documents(name, text.encode(), faults))
    except UnicodeEncodeError:
        faults.append(Fault(name, 1, "text that UTF-8 can't say; write it again"))
        return None
    if faults:
        return None
    if len(found) != 1 or not isinstance(found[0].content, dict):
        faults.append(Fault(name, 1, "expected one Sigma filter document"))
        return None
    if "filter" not in found[0].content:
        faults.append(Fault(name, found[0].line, "expected a Sigma filter, with a key `filter`"))
        return None
    return read_filter(found[0], faults, lists=True)


def check_exception(name: str, text: str, lists: Mapping[str, Sequence[str]]) -> list[Fault]:
    """What keeps an exception from working with these lists; nothing if it works."""
    faults: list[Fault] = []
    found = exception_of(name, text, faults)
    if found is None:
        return faults
    for missing in sorted(placeholders(found.selections) - lists.keys()):
        message = f"no list for the placeholder %{missing}%; set the list first"
        return [Fault(name, found.document.line_of("filter"), message)]
    return list(_small([_as_rule(found, found.logsource)], lists, ()).faults)


def _expanded(shared: Rules, policy: Policy, files: Files) -> Engine | None:
    """The rules that ask for lists that the organisation has."""
    catalog = read(files.rules)
    asking = [
        rule
        for rule in catalog.rules
        if not placeholders(rule.document.content["detection"]).isdisjoint(policy.lists)
        and shared.rules.get(rule.info.id) == rule.info
    ]
    return _small(asking, policy.lists, files.pipelines) if asking else None


def _instead(found: Matches, own: Engine, lines: Sequence[bytes]) -> Matches:
    """Matches of the organisation's own rules in place of those of the shared ones."""
    others = [match for match in found if match[1].id not in own.rules]
    return sorted([*others, *own.match_lines(lines)], key=lambda match: (match[0], match[1].id))


def _filters(policy: Policy) -> Iterator[Filter]:
    for name, text in sorted(policy.filters.items()):
        faults: list[Fault] = []
        found = exception_of(name, text, faults)
        missing = placeholders(found.selections) - policy.lists.keys() if found else frozenset()
        if found is None or missing:
            # checked when it was set; matches come rather than not
            reason = str(faults[0]) if faults else f"no list for {sorted(missing)}"
            log.error("exception_unusable", tenant=policy.tenant, name=name, reason=reason)
        else:
            yield found


def _as_rule(each: Filter, source: LogSource) -> Rule:
    asked = {key: value for key, value in source._asdict().items() if value}
    content = each.as_rule(asked)
    place = each.document
    info = RuleInfo(each.id, each.title, "", "", source, place.path, place.line)
    document = Document(place.path, place.line, content, place.lines)
    return Rule(info, document, SigmaRule.from_dict(content))


def _small(
    rules: Sequence[Rule], lists: Mapping[str, Sequence[str]], pipelines: Sequence[Path]
) -> Engine:
    """An engine of these rules alone, of which nothing is kept on disk."""
    pipeline: ProcessingPipeline | None = read_pipelines(pipelines)[0]
    ordered = sorted(rules, key=lambda rule: rule.info.id)
    return build(
        Catalog(rules=ordered), "", pipeline=pipeline, lists=lists, memory=MEMORY_BYTES, kept=False
    )
