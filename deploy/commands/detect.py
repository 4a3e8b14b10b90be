"""Run rules over files."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Lists, Pipelines, Schema, app


@app.command()
def detect(
    events: Annotated[
        list[str],
        typer.Argument(help=".ndjson .jsonl .json .log (each also .gz), .evtx, or - for NDJSON."),
    ],
    rules: Annotated[
        list[Path], typer.Option("--rules", help="Sigma rule file or folder; may be repeated.")
    ],
    pipeline: Pipelines = None,
    lists: Lists = None,
    schema: Schema = "",
    stats: Annotated[
        bool, typer.Option("--stats", help="One JSON line on standard error at the end.")
    ] = False,
) -> None:
    """Run rules over files, offline; one JSON object a line for each match."""
    began = time.perf_counter() - time.process_time()  # what starting Python took is loading too
    from detection.offline import detect as run_detect

    raise typer.Exit(
        run_detect(
            [str(path) for path in rules],
            events,
            pipelines=[str(path) for path in pipeline or ()],
            lists=None if lists is None else str(lists),
            schema=schema,
            out=sys.stdout.buffer,
            err=sys.stderr,
            stats=stats,
            started=began,
        )
    )
