"""Brings a rule set in: gathered, compiled, compared with the one in force, and released."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.rule_sets import FOLDER, Places, unpacked
from deploy.settings import LIBRARY, Settings
from detection.coverage import Finding, Seen, State, judge
from detection.covering import needs_in
from detection.rule_sets import Files
from detection.sigma import Engine, load
from rules.bundle import PIPELINES, RULES, Bundle, bounded
from rules.changes import Changes, Standing, changes, remarks, standing
from rules.gathering import Gathered, gather
from tenants.access import OPERATOR, Invalid
from tenants.database import Database
from tenants.registry import Registry
from tenants.rule_sets import SETTINGS_NAME, Figures, RuleSetBook

Tell = Callable[[str, int], None]
"""Told what is being done, and how many files there are so far."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What the new rule set is made of."""

    places: Sequence[str]
    only: Sequence[str] = ()
    ref: str = ""
    library: bool = False
    """Whether citysoc's own rules are part of it."""


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or in a dry run would do."""

    version: str
    origin: str
    release: int | None
    """None where nothing was changed: in a dry run, or as the very set is in force."""
    figures: Figures
    since: str
    """The version that it is compared with."""
    changes: Changes
    unable: Sequence[Finding]
    """Rules that can't match what has been delivered; none where nothing has been seen yet."""


def import_rules(
    settings: Settings,
    database: Database,
    sources: Sources,
    *,
    seen: Seen,
    dry_run: bool,
    tell: Tell,
) -> Import:
    """Make a rule set of the sources and put it in force; it replaces the one before whole.

    `seen` are the fields that all tenants' log sources were seen to have.

    Raises Invalid for sources that can't be used, with what to do.
    """
    registry = Registry(database)
    latest = registry.latest_release()
    try:
        gathered = [_gather(place, sources, tell) for place in _places(sources)]
        bundle = _bundle(gathered, settings.detection.pipelines)
    except ValueError as error:
        raise Invalid("the rules can't be imported", str(error)) from error
    tell("comparing with the rules in force", len(bundle.files))
    before = _standing(_engine(Places(settings, registry).of(latest.version)))
    with _unpacked(bundle, settings.data, dry_run=dry_run) as files:
        tell("compiling", len(bundle.files))
        engine = _engine(files)
        left_out = [fault for each in gathered for fault in each.faults]
        found = changes(
            before,
            _standing(engine),
            refused=remarks([*engine.faults, *left_out], files.rules[0]),
            noted=remarks(engine.notices, files.rules[0]),
        )
        tell("comparing with the fields seen", len(bundle.files))
        unable = _unable(files, seen)
    if not engine.size:
        faults = f"{len(found.refused):,} were refused, the first: {found.refused[0].why}"
        raise Invalid(f"no rule of {len(bundle.files):,} files can be used; {faults}", "rules")
    origin = "; ".join(each.origin for each in gathered)
    figures = Figures(
        files=len(bundle.files),
        rules=engine.size - len(engine.correlations),
        correlations=len(engine.correlations),
        refused=len(found.refused),
        bytes=bundle.size,
    )
    number = None
    if not dry_run and latest.version != bundle.version:
        number = RuleSetBook(database, OPERATOR).release(bundle, origin, figures).number
    return Import(
        version=bundle.version,
        origin=origin,
        release=number,
        figures=figures,
        since=latest.version or SETTINGS_NAME,
        changes=found,
        unable=unable,
    )


def _gather(place: str, sources: Sources, tell: Tell) -> Gathered:
    """The files of one source."""
    if place == str(LIBRARY):
        found = gather(place)
        return found._replace(origin="citysoc's own rules")
    return gather(
        place,
        only=sources.only,
        ref=sources.ref,
        seen=lambda files: tell(f"reading {place}", files),
    )


def _places(sources: Sources) -> list[str]:
    return [*sources.places, *([str(LIBRARY)] if sources.library else [])]


def _bundle(gathered: Sequence[Gathered], pipelines: Sequence[Path]) -> Bundle:
    """All files below one roof, and the pipelines that the settings name with them."""
    files: dict[str, bytes] = {}
    for number, each in enumerate(gathered):
        below = RULES if len(gathered) == 1 else f"{RULES}/{number}"
        files |= {f"{below}/{path}": data for path, data in each.files.items()}
    for number, path in enumerate(pipelines):
        files[f"{PIPELINES}/{number:02}-{path.name}"] = path.read_bytes()
    return bounded(files)


@contextmanager
def _unpacked(bundle: Bundle, data: Path, *, dry_run: bool) -> Iterator[Files]:
    with tempfile.TemporaryDirectory(prefix="citysoc-rules-") as passing:
        folder = (Path(passing) if dry_run else data / FOLDER) / bundle.version
        if not folder.is_dir():
            bundle.write(folder)
        yield unpacked(bundle.version, folder)


def _unable(files: Files, seen: Seen) -> Sequence[Finding]:
    """By title, those first of which only fields are missing."""
    if not seen:
        return ()
    findings = [judge(each, seen) for each in needs_in(files.rules, files.pipelines)]
    unable = (each for each in findings if each.state is not State.FINE)
    return sorted(unable, key=lambda each: (each.state is State.NO_SOURCE, each.title, each.rule))


def _engine(files: Files) -> Engine:
    return load(files.rules, pipelines=files.pipelines)


def _standing(engine: Engine) -> dict[str, Standing]:
    """What authors wrote: what an old condition with a pipe counts is no rule of its own."""
    old = [each for each in engine.correlations if "detection" in each.document.content]
    counted = {rule for each in old for rule in each.rules}
    rules = [info for identity, info in engine.rules.items() if identity not in counted]
    return standing([*rules, *(each.info for each in engine.correlations)])
