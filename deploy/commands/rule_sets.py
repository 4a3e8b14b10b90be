"""Bring rule sets in, go back to earlier ones, and list them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.commands.root import Config, Data, Port, administration, show
from deploy.commands.rules import rules_app

if TYPE_CHECKING:
    from deploy.importing import Import, Tell
    from detection.coverage import Finding
    from rules.changes import Named
    from tenants.rule_sets import Released

SHOWN = 20
"""Rules of each kind that a report names unless all are asked for."""
Json = Annotated[bool, typer.Option("--json", help="As JSON, everything.")]


@rules_app.command("import")
def rules_import(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="ZIP|FOLDER|GIT...",
            help="An archive, a folder, or a Git repository by path or URL; several make one set.",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="A folder within the sources; may be repeated. [all]"),
    ] = None,
    ref: Annotated[str, typer.Option("--ref", help="Branch or tag of a repository.")] = "",
    library: Annotated[
        bool, typer.Option("--with-library", help="Together with citysoc's own rules.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Name every rule.")] = False,
    as_json: Json = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Replace the rule set in force; all workers switch at one place of each log.

    Says what is new, changed, gone and refused. A refused rule stops no other; exit code 1 if
    there is any. `citysoc rules rollback` undoes it.
    """
    from deploy.importing import Sources, import_rules

    asked = Sources(places=sources, only=only or (), ref=ref, library=library)
    with administration(config, data, port) as admin, _progress() as tell:
        done = import_rules(
            admin.settings,
            admin.database,
            asked,
            seen=admin.seen_fields(None),
            dry_run=dry_run,
            tell=tell,
        )
    if as_json:
        show(done)
    else:
        for line in _report(done, dry_run=dry_run, shown=None if everything else SHOWN):
            typer.echo(line)
    raise typer.Exit(1 if done.changes.refused else 0)


@rules_app.command("rollback")
def rules_rollback(
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION]",
            help="The first digits of a version, or `settings`. [what was in force before]",
        ),
    ] = None,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Put an earlier rule set in force again, by one more release."""
    from tenants.access import OPERATOR
    from tenants.rule_sets import SETTINGS_NAME, RuleSetBook

    with administration(config, data, port) as admin:
        release = RuleSetBook(admin.database, OPERATOR).roll_back(version)
    typer.echo(f"release {release.number} puts {release.version or SETTINGS_NAME} in force")


@rules_app.command("versions")
def rules_versions(
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="At most so many.")] = 20,
    before: Annotated[
        int | None, typer.Option("--before", help="Only releases before this number.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """List what was put in force: newest first, by whom, when and how large."""
    from tenants.access import OPERATOR
    from tenants.rule_sets import RuleSetBook

    with administration(config, data, port) as admin:
        found = RuleSetBook(admin.database, OPERATOR).releases(before=before, limit=limit)
    if as_json:
        show(found)
        return
    for each in found:
        typer.echo(_line(each))
    if not found:
        typer.echo("nothing was imported; the rules are those that the settings name", err=True)
    elif len(found) == limit and found[-1].number > 1:
        typer.echo(f"older ones: --before {found[-1].number}", err=True)


def _report(done: "Import", *, dry_run: bool, shown: int | None) -> Iterator[str]:
    changes, figures = done.changes, done.figures
    for each in changes.refused:
        yield f"refused  {each.path}:{each.line}: {each.why}"
    for each in changes.noted:
        yield f"noted    {each.path}:{each.line}: {each.why}"
    for word, rules in (("new", changes.new), ("changed", changes.changed), ("gone", changes.gone)):
        yield from _named(word, rules, shown)
    yield (
        f"{len(changes.new):,} new, {len(changes.changed):,} changed, {len(changes.gone):,} gone, "
        f"{changes.same:,} the same, {len(changes.refused):,} refused, since {done.since}"
    )
    yield from _unable(done.unable, shown)
    yield (
        f"rule set {done.version}: {figures.rules:,} rules and {figures.correlations:,} "
        f"correlations in {figures.files:,} files, from {done.origin}"
    )
    if done.release is not None:
        yield f"release {done.release} puts it in force; `citysoc rules rollback` undoes it"
    elif dry_run:
        yield "a dry run; nothing was changed"
    else:
        yield "it is in force already; nothing was changed"


def _unable(findings: Sequence["Finding"], shown: int | None) -> Iterator[str]:
    """Those by name that lack fields alone; a log source that nobody sends is no surprise."""
    from detection.coverage import State
    from detection.covering import described

    lacking = [each for each in findings if each.state is State.NO_FIELDS]
    for each in lacking[:shown]:
        yield f"unable   {described(each)}"
    if shown is not None and len(lacking) > shown:
        yield f"unable   and {len(lacking) - shown:,} more; --all names them"
    if findings:
        without = len(findings) - len(lacking)
        yield (
            f"{len(findings):,} can't match what sources have delivered so far: "
            f"{len(lacking):,} {State.NO_FIELDS}, {without:,} {State.NO_SOURCE}"
        )


def _named(word: str, rules: Sequence["Named"], shown: int | None) -> Iterator[str]:
    for each in rules[:shown]:
        yield f"{word:8} {each.level:13} {each.title}  {each.id}"
    if shown is not None and len(rules) > shown:
        yield f"{word:8} and {len(rules) - shown:,} more; --all names them"


def _line(each: "Released") -> str:
    what = "imported" if each.restores is None else f"back to {each.restores}"
    size = ""
    if each.figures is not None:
        rules = each.figures.rules + each.figures.correlations
        size = f"{rules:,} rules, {each.figures.refused:,} refused, {each.figures.bytes:,} bytes"
    told = f"told {each.told} of {each.partitions} partitions"
    mark = "in force" if each.in_force else ""
    parts = (
        f"{each.number:>5}",
        each.created[:16] + "Z",
        f"{each.version[:12]:12}",
        f"{mark:8}",
        f"{what:12}",
        each.author,
        *(part for part in (told, size, each.origin) if part),
    )
    return "  ".join(parts)


@contextmanager
def _progress() -> Iterator["Tell"]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} files"),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, files: bar.update(task, description=what, completed=files)
