"""A rule set, loaded whole: what matches an event, and what could not be used and why."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from collectors.bus.contract import Malformed
from collectors.codec import loads
from collectors.logsource import LogSource
from detection.sigma.compile import MissingListError, Predicates, RuleCompiler
from detection.sigma.condition import NEVER, Condition
from detection.sigma.held import Sets
from detection.sigma.plan import Plan
from detection.sigma.scan import Scanners, cache_folder
from detection.sigma.source import Source, compile_source
from rules.catalog import Catalog, Rule, RuleInfo, line_for, read
from rules.correlations import Correlation, standing, unspoken
from rules.documents import Fault

ENGINE = b"sigma engine 1"
"""Part of every rule set's version: another engine may see other matches."""
MEMORY_BYTES = 96 * 1024 * 1024
"""What the memories of one engine may take before they start afresh."""
COMPILING_THREADS = 2
NO_PIPELINE = (SigmaError, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError)
"""What pySigma and YAML say to a file that is something else."""


class Engine:
    """One immutable rule set with its memories. Not shared between threads."""

    def __init__(
        self,
        rules: Sequence[RuleInfo],
        conditions: Sequence[Condition],
        sources: Mapping[LogSource, Source],
        scanners: Scanners,
        *,
        version: str,
        faults: Sequence[Fault] = (),
        failed: int = 0,
        notices: Sequence[Fault] = (),
        memory: int = MEMORY_BYTES,
        correlations: Sequence[Correlation] = (),
    ) -> None:
        self.version = version
        """32 hex digits over rules, pipelines, lists and engine."""
        self.rules: Mapping[str, RuleInfo] = {rule.id: rule for rule in rules}
        self.faults = faults
        """Why rules were refused."""
        self.correlations = correlations
        """Each after those that it refers to; what they say of matches is not said here."""
        self.unspoken = unspoken(correlations)
        """Ids of rules and correlations that serve correlations and do not match on their own."""
        self.failed = failed
        """How many were."""
        self.notices = notices
        """What was loaded and yet will not work as its author may think."""
        self.forgotten = 0
        """How often the memories were full and started afresh."""
        self._infos = tuple(rules)
        self._conditions = conditions
        self._sources = sources
        self._memory = memory
        self._scanners = scanners
        self._sets = Sets()
        self._plans: dict[frozenset[LogSource], Plan] = {}
        self._plan_of: dict[tuple[str, ...] | tuple[LogSource, ...], Plan] = {}

    @property
    def size(self) -> int:
        """Rules as authors count them: correlations too, an old condition with a pipe once."""
        old = sum("detection" in each.document.content for each in self.correlations)
        return len(self.rules) + len(self.correlations) - old

    def match(
        self, fields: Mapping[str, Any], logsources: Iterable[LogSource], line: bytes = b""
    ) -> Sequence[RuleInfo]:
        """The rules that match an event of these log sources, in the order of their ids.

        `line`, if given, is the JSON that all of the values come from; it makes things quicker.
        """
        key = tuple(logsources)
        plan = self._plan_of.get(key) or self._plan(key, key)
        found = plan.match(fields, line)
        if self._sets.spent > self._memory:
            self._forget()
        return [self._infos[number] for number in found] if found else ()

    def match_lines(self, lines: Sequence[bytes]) -> list[tuple[int, RuleInfo]]:
        """Position and rule for every match in the lines of a bus record.

        The log sources are those in each line's `soc`, which itself is never matched. Raises
        Malformed, with the line's position, for a line that is no event.
        """
        found: list[tuple[int, RuleInfo]] = []
        infos, plan_of, sets = self._infos, self._plan_of, self._sets
        for position, line in enumerate(lines):
            try:
                event = loads(line)
                key = tuple(event.pop("soc")["logsources"])
                plan = plan_of.get(key) or self._plan(key, map(LogSource.parse, key))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Malformed(f"line {position} of the record is no event: {error}") from error
            for number in plan.match(event, line):
                found.append((position, infos[number]))  # noqa: PERF401 - quicker than extend
            if sets.spent > self._memory:
                self._forget()
        return found

    def _plan(self, key: tuple[Any, ...], logsources: Iterable[LogSource]) -> Plan:
        lowered = [LogSource(*map(str.lower, each)) for each in logsources]
        asked = frozenset(
            source for source in self._sources if any(each.serves(source) for each in lowered)
        )
        plan = self._plans.get(asked)
        if plan is None:
            sources = [self._sources[source] for source in sorted(asked)]
            plan = self._plans[asked] = Plan(sources, self._conditions, self._sets, self._scanners)
        if len(self._plan_of) > 10_000:  # senders may declare what they like
            self._plan_of.clear()
        self._plan_of[key] = plan
        return plan

    def _forget(self) -> None:
        self.forgotten += 1
        self._sets.clear()
        for plan in self._plans.values():
            plan.forget()


def load(
    paths: Sequence[str | Path],
    *,
    pipelines: Sequence[str | Path] = (),
    lists: Mapping[str, Sequence[str]] | None = None,
    memory: int = MEMORY_BYTES,
) -> Engine:
    """Load all rules at `paths`, put through pySigma `pipelines`, with `lists` for placeholders.

    A rule that cannot be used is a fault and stops no other. Raises FileNotFoundError for a path
    that is not there, ValueError for a pipeline that cannot be read.
    """
    catalog = read(paths)
    processing, recipe = read_pipelines(pipelines)
    digest = blake2b(ENGINE + catalog.digest.encode() + recipe, digest_size=16)
    for name, values in sorted((lists or {}).items()):
        digest.update(repr((name, list(values))).encode("utf-8", "surrogatepass"))
    return build(catalog, digest.hexdigest(), pipeline=processing, lists=lists or {}, memory=memory)


def build(
    catalog: Catalog,
    version: str,
    *,
    pipeline: ProcessingPipeline | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    memory: int = MEMORY_BYTES,
    kept: bool = True,
) -> Engine:
    """Compile the rules of a catalog; `kept` says whether that may be remembered on disk."""
    predicates = Predicates()
    compiler = RuleCompiler(predicates, lists or {})
    faults, notices = list(catalog.faults), list[Fault]()
    infos: list[RuleInfo] = []
    conditions: list[Condition] = []
    by_source: dict[LogSource, dict[int, Condition]] = {}
    for rule in catalog.rules:
        condition = _condition(rule, compiler, pipeline, faults, notices)
        if condition is None:
            continue
        by_source.setdefault(asked_by(rule), {})[len(infos)] = condition
        infos.append(rule.info)
        conditions.append(condition)
    correlations = standing(catalog.correlations, (info.id for info in infos), faults)
    dropped = len(catalog.rules) - len(infos) + len(catalog.correlations) - len(correlations)
    scanners = Scanners(cache_folder() if kept else None)
    sources = _compile(by_source, predicates, scanners)
    return Engine(
        infos,
        conditions,
        sources,
        scanners,
        version=version,
        faults=tuple(sorted(faults)),
        failed=catalog.failed + dropped,
        notices=tuple(sorted(notices)),
        memory=memory,
        correlations=correlations,
    )


def _condition(
    rule: Rule,
    compiler: RuleCompiler,
    pipeline: ProcessingPipeline | None,
    faults: list[Fault],
    notices: list[Fault],
) -> Condition | None:
    try:
        if pipeline is not None:
            pipeline.apply(rule.sigma)
        return compiler.compile(rule.sigma)
    except MissingListError as error:
        message = f"{error}, so this rule matches nothing"
        notices.append(Fault(rule.info.path, rule.info.line, message))
        return NEVER
    except (SigmaError, ValueError) as error:
        faults.append(Fault(rule.info.path, line_for(error, rule.document), str(error)))
        return None


def asked_by(rule: Rule) -> LogSource:
    """What the rule asks for now; a pipeline may have changed it."""
    asked = rule.sigma.logsource
    parts = (asked.product, asked.category, asked.service)
    return LogSource(*((part or "").lower() for part in parts))


def _compile(
    by_source: Mapping[LogSource, Mapping[int, Condition]],
    predicates: Predicates,
    scanners: Scanners,
) -> dict[LogSource, Source]:
    """The largest first, as Hyperscan compiles without holding the interpreter."""
    order = sorted(by_source, key=lambda source: -len(by_source[source]))
    with ThreadPoolExecutor(COMPILING_THREADS) as pool:
        compiled = pool.map(lambda s: compile_source(by_source[s], predicates, scanners), order)
        return dict(zip(order, compiled, strict=True))


def read_pipelines(paths: Sequence[str | Path]) -> tuple[ProcessingPipeline | None, bytes]:
    """All pipelines as one, in the order of their priorities, and their text."""
    read_in: list[ProcessingPipeline] = []
    recipe = b""
    for path in map(Path, paths):
        try:
            text = path.read_text("utf-8")
            content = yaml.load(text, Loader=yaml.CSafeLoader)
            read_in.append(ProcessingPipeline.from_dict(content))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"no pipeline at '{path}'") from error
        except (*NO_PIPELINE, OSError) as error:
            raise ValueError(f"pipeline '{path}' cannot be read: {error}") from error
        recipe += text.encode() + b"\x00"
    if not read_in:
        return None, recipe
    read_in.sort(key=lambda each: each.priority)
    return sum(read_in[1:], start=read_in[0]), recipe
