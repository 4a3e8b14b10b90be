"""Run rules over files."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import app


@app.command()
def detect(
    events: Annotated[
        list[str],
        typer.Argument(help=".ndjson .jsonl .json .log (each also .gz), .evtx, or - for NDJSON."),
    ],
    rules: Annotated[
        list[Path], typer.Option("--rules", help="Sigma rule file or folder; may be repeated.")
    ],
    pipeline: Annotated[
        list[Path] | None, typer.Option("--pipeline", help="pySigma processing pipeline.")
    ] = None,
    lists: Annotated[
        Path | None, typer.Option("--lists", help="YAML of `placeholder: [values]`.")
    ] = None,
    schema: Annotated[
        str, typer.Option("--schema", help="Whose names the events' fields have: ecs, ocsf.")
    ] = "",
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
