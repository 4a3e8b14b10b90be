"""A rule set, loaded whole: what matches an event, and what could not be used and why."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import yaml
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from collectors.logsource import LogSource
from detection.sigma.compile import MissingListError, Predicates, RuleCompiler
from detection.sigma.condition import NEVER, Condition, renumbered
from detection.sigma.engine import MEMORY_BYTES, Engine
from detection.sigma.remembered import Compiled, Remembered
from detection.sigma.scan import Scanners
from detection.sigma.source import Source, compile_source
from detection.sigma.stored import cache_folder
from rules.catalog import Catalog, Rule, RuleInfo, line_for, read
from rules.correlations import standing
from rules.documents import Fault

ENGINE = b"sigma engine 2"
"""Part of every rule set's version: another engine may see other matches."""
COMPILING_THREADS = 2
NO_PIPELINE = (SigmaError, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError)
"""What pySigma and YAML say to a file that is something else."""


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
    processing, recipe = read_pipelines(pipelines)
    digest = blake2b(ENGINE + recipe, digest_size=16)
    for name, values in sorted((lists or {}).items()):
        digest.update(repr((name, list(values))).encode("utf-8", "surrogatepass"))
    remembered = Remembered(cache_folder(), digest.hexdigest())
    with collector_at_rest():
        catalog = read(paths, remembered.info)
        digest.update(catalog.digest.encode())
        engine = build(
            catalog,
            digest.hexdigest(),
            pipeline=processing,
            lists=lists or {},
            memory=memory,
            remembered=remembered,
        )
    remembered.store()
    return engine


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Nearly all that is made is here to stay, so looking for garbage would be in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def build(
    catalog: Catalog,
    version: str,
    *,
    pipeline: ProcessingPipeline | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
    memory: int = MEMORY_BYTES,
    kept: bool = True,
    remembered: Remembered | None = None,
) -> Engine:
    """Compile the rules of a catalog; `kept` says whether that may be remembered on disk.

    `remembered` are rules compiled before with the same pipeline and lists.
    """
    predicates = Predicates()
    recipe = _Recipe(pipeline, lists or {}, remembered or Remembered(None, ""))
    faults, notices = list(catalog.faults), list[Fault]()
    infos: list[RuleInfo] = []
    conditions: list[Condition] = []
    by_source: dict[LogSource, dict[int, Condition]] = {}
    for rule in catalog.rules:
        compiled = _compiled(rule, recipe, faults)
        if compiled is None:
            continue
        if compiled.notice:
            notices.append(Fault(rule.info.path, rule.info.line, compiled.notice))
        numbers = [predicates.number(each) for each in compiled.predicates]
        condition = renumbered(compiled.condition, numbers)
        by_source.setdefault(compiled.asked, {})[len(infos)] = condition
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


class _Recipe(NamedTuple):
    pipeline: ProcessingPipeline | None
    lists: Mapping[str, Sequence[str]]
    remembered: Remembered


def _compiled(rule: Rule, recipe: _Recipe, faults: list[Fault]) -> Compiled | None:
    """The rule compiled, or a fault more."""
    if rule.mark and (found := recipe.remembered.get(rule.mark)):
        return found
    predicates, notice = Predicates(), ""
    condition: Condition = NEVER
    try:
        if recipe.pipeline is not None:
            recipe.pipeline.apply(rule.sigma)
        condition = RuleCompiler(predicates, recipe.lists).compile(rule.sigma)
    except MissingListError as error:
        predicates, notice = Predicates(), f"{error}, so this rule matches nothing"
    except (SigmaError, ValueError) as error:
        faults.append(Fault(rule.info.path, line_for(error, rule.document), str(error)))
        return None
    compiled = Compiled(rule.info, asked_by(rule), tuple(predicates.all), condition, notice)
    if rule.mark:
        recipe.remembered.put(rule.mark, compiled)
    return compiled


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
