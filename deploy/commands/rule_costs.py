"""What rules cost."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Lists, Pipelines, Schema
from deploy.commands.rules import rules_app


@rules_app.command("cost")
def rules_cost(
    events: Annotated[list[str], typer.Argument(help="Files of events, as for detect.")],
    rules: Annotated[
        list[Path], typer.Option("--rules", help="Sigma rule file or folder; may be repeated.")
    ],
    pipeline: Pipelines = None,
    lists: Lists = None,
    schema: Schema = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many of each.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All, one JSON object a line.")] = False,
) -> None:
    """Measure what each rule and each field costs on a stream; the dearest come first."""
    from detection.costing import cost

    raise typer.Exit(
        cost(
            [str(path) for path in rules],
            events,
            pipelines=[str(path) for path in pipeline or ()],
            lists=None if lists is None else str(lists),
            schema=schema,
            limit=limit,
            as_json=as_json,
            out=sys.stdout.buffer,
            err=sys.stderr,
        )
    )
