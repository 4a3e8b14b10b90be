"""Which rules can match what sources deliver."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Port, administration, fail
from deploy.commands.rules import rules_app


@rules_app.command("coverage")
def rules_coverage(
    events: Annotated[
        list[str] | None,
        typer.Argument(help="Files of events, as for detect. [what the running system has seen]"),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="The tenant's id. [all of them together]")
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Sigma rule file or folder; may be repeated. [in force]"),
    ] = None,
    pipeline: Annotated[
        list[Path] | None, typer.Option("--pipeline", help="pySigma processing pipeline.")
    ] = None,
    schema: Annotated[
        str, typer.Option("--schema", help="Whose names the fields of files have: ecs, ocsf.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Name the rules that are fine too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="All rules, one JSON object a line.")
    ] = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Say which rules can never match, by the log sources and fields that were really seen."""
    from detection.coverage import judge
    from detection.covering import cover, needs_in, tell

    paths = [str(path) for path in rules or ()]
    pipelines = [str(path) for path in pipeline or ()]
    out = sys.stdout.buffer
    if events:
        if not paths or tenant is not None:
            fail("files of events need --rules, and no --tenant")
        options = {"as_json": as_json, "every": every}
        raise typer.Exit(
            cover(
                paths,
                events,
                schema=schema,
                pipelines=pipelines,
                out=out,
                err=sys.stderr,
                **options,
            )
        )
    with administration(config, data, port) as admin:
        seen = admin.seen_fields(tenant)
        if not paths:
            files = admin.rules_in_force()
            paths, pipelines = list(map(str, files.rules)), list(map(str, files.pipelines))
    try:
        needs = needs_in(paths, pipelines)
    except (FileNotFoundError, ValueError) as error:
        fail(str(error))
    tell((judge(each, seen) for each in needs), as_json=as_json, every=every, out=out)
