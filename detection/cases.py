"""Runs the cases beside rules, and says which parts of a rule no case would miss."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from detection.sigma.engine import Engine
from detection.sigma.ruleset import build
from detection.stories import Scene, misjudged, scene, unnoticed
from rules.cases import Case, read_cases
from rules.catalog import Catalog, Rule, RuleInfo, parse, read
from rules.documents import Document, Fault, rule_files
from rules.mutants import mutants
from rules.stories import read_stories


@dataclass(frozen=True)
class Result:
    """How a rule does on its cases. Sound if all three lists are empty."""

    rule: RuleInfo
    cases: int
    faults: Sequence[Fault]
    """Why the rule or its cases could not be read."""
    failures: Sequence[str]
    """Cases that went otherwise than they should."""
    survivors: Sequence[str]
    """Parts of the rule that could be left out without a case failing."""

    @property
    def sound(self) -> bool:
        """Whether there is nothing to say against the rule."""
        return not (self.faults or self.failures or self.survivors)


def report(
    paths: Sequence[str | Path], *, among: Sequence[str | Path] = (), out: TextIO, err: TextIO
) -> int:
    """Run cases and say what is wrong: the work behind `citysoc rules test`.

    Returns the exit code: 0, 1 if any rule is not sound, 2 for a path that is not there.
    """
    rules = unsound = cases = 0
    try:
        for result in run_cases(paths, among=among):
            rules, cases = rules + 1, cases + result.cases
            unsound += not result.sound
            place = f"{result.rule.path}:{result.rule.line}"
            for fault in result.faults:
                print(fault, file=out)
            for failure in result.failures:
                print(f"{place}: went otherwise: {failure}", file=out)
            for survivor in result.survivors:
                print(f"{place}: no case would miss {survivor}", file=out)
    except FileNotFoundError as error:
        print(f"citysoc rules test: {error}", file=err)
        return 2
    print(f"{rules} rules, {cases} cases, {unsound} rules not sound", file=err)
    return 1 if unsound else 0


def run_cases(paths: Sequence[str | Path], *, among: Sequence[str | Path] = ()) -> Iterator[Result]:
    """Run the cases of every rule and correlation at `paths`, with the mutation check.

    Correlations may refer to rules `among` others. Faults of files that hold no rule are
    `rules check`'s business. Raises FileNotFoundError for a path that is not there.
    """
    catalog = read([*paths, *among])
    asked = {str(file) for file in rule_files(paths)}
    yield from _rules([rule for rule in catalog.rules if rule.info.path in asked])
    old = {rule.info.id for rule in catalog.rules if rule.correlation is not None}
    for correlation in catalog.correlations:
        if correlation.info.path in asked and correlation.info.id not in old:
            yield _told(scene(correlation, catalog))


def _told(scene: Scene) -> Result:
    info = scene.correlation.info
    stories, faults = read_stories(info.path)
    if faults:
        return Result(info, 0, faults, (), ())
    failures = [str(story) for story in misjudged(scene, stories)]
    survivors = unnoticed(scene, stories) if not failures else []
    return Result(info, len(stories), scene.engine.faults, failures, survivors)


def _rules(rules: Sequence[Rule]) -> Iterator[Result]:
    for rule in rules:
        cases, faults = read_cases(rule.info.path)
        if faults:
            yield Result(rule.info, 0, faults, (), ())
            continue
        engine = _engine(rule)
        failures = [str(case) for case in failing(engine, rule.info, cases)]
        survivors = surviving_mutants(rule, cases) if not failures else []
        yield Result(rule.info, len(cases), engine.faults, failures, survivors)


def failing(engine: Engine, rule: RuleInfo, cases: Sequence[Case]) -> list[Case]:
    """The cases that go otherwise than they should. The rule's log source is taken for given."""
    return [
        case
        for case in cases
        if any(found.id == rule.id for found in engine.match(case.event, (rule.logsource,)))
        is not case.matches
    ]


def surviving_mutants(rule: Rule, cases: Sequence[Case]) -> list[str]:
    """What could be left out of the rule without any case failing; nothing for a sound rule.

    A rule without one of its field conditions, one value of a list, one operand of an `and` or
    `or`, or one `not` must fail a case, or not be a rule any more.
    """
    return [
        mutant.left_out
        for mutant in mutants(rule.document.content)
        if _survives(rule.info, mutant.document, cases)
    ]


def _survives(info: RuleInfo, content: dict[str, Any], cases: Sequence[Case]) -> bool:
    changed = parse(Document(info.path, info.line, content, {}), [])
    if changed is None:
        return False
    engine = _engine(changed)
    return not engine.faults and not failing(engine, info, cases)


def _engine(rule: Rule) -> Engine:
    return build(Catalog(rules=[rule]), rule.info.id)
