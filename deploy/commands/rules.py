"""Check, test and explain Sigma rules."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Lists, Pipelines, Schema, administration, fail, group

rules_app = group("rules", "Check, test and explain Sigma rules.")


@rules_app.command("check")
def rules_check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files and folders.")],
) -> None:
    """Say what is wrong with rules, with file and line; exit code 1 if anything is."""
    from rules.checks import check

    faults = check(paths)
    for fault in faults:
        typer.echo(f"{fault.path}:{fault.line}: {fault.message}")
    typer.echo(f"{len(faults)} faults" if faults else "no faults", err=True)
    raise typer.Exit(1 if faults else 0)


@rules_app.command("test")
def rules_test(
    paths: Annotated[list[Path], typer.Argument(help="Rule files and folders.")],
    among: Annotated[
        list[Path] | None,
        typer.Option("--among", help="Other rules that correlations may refer to."),
    ] = None,
) -> None:
    """Run the cases beside each rule, and look for conditions that no case needs."""
    from detection.cases import report

    raise typer.Exit(report(paths, among=among or (), out=sys.stdout, err=sys.stderr))


@rules_app.command("explain")
def rules_explain(
    event: Annotated[
        str,
        typer.Option("--event", metavar="FILE[:N]", help="A file as for detect; N counts from 0."),
    ],
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Sigma rule file or folder; may be repeated."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="Instead of --rules, a rule set of the installation, as alerts name it: its "
            "first digits, `settings`, or `current`.",
        ),
    ] = None,
    pipeline: Pipelines = None,
    lists: Lists = None,
    schema: Schema = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rules.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Say for each rule why it does or does not match one event, down to each value."""
    from detection.explaining import explain

    if bool(rules) == bool(version):
        fail("name the rules by --rules, or a rule set of an installation by --version")
    named, piped = rules or [], pipeline or []
    if version:
        named, kept = _installed(version, config, data)
        piped = [*kept, *piped]
    raise typer.Exit(
        explain(
            [str(path) for path in named],
            event,
            pipelines=[str(path) for path in piped],
            lists=None if lists is None else str(lists),
            schema=schema,
            limit=limit,
            as_json=as_json,
            out=sys.stdout.buffer,
            err=sys.stderr,
            colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
        )
    )


def _installed(
    version: str, config: Path | None, data: Path | None
) -> tuple[list[Path], list[Path]]:
    """Rules and pipelines of a rule set of the installation."""
    from deploy.rule_sets import Places
    from tenants.access import OPERATOR
    from tenants.registry import Registry
    from tenants.rule_sets import RuleSetBook

    with administration(config, data, None) as admin:
        registry = Registry(admin.database)
        if version == "current":
            found = registry.latest_release().version
        else:
            found = RuleSetBook(admin.database, OPERATOR).named(version)
        files = Places(admin.settings, registry).of(found)
    return list(files.rules), list(files.pipelines)
