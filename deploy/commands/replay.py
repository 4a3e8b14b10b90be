"""Send files to a running citysoc."""

from typing import Annotated

import typer

from deploy.commands.root import app


@app.command()
def replay(
    files: Annotated[
        list[str], typer.Argument(help=".ndjson .jsonl .json .log (each also .gz), .evtx, or -.")
    ],
    token: Annotated[
        str,
        typer.Option("--token", envvar="CITYSOC_TOKEN", help="The source's token; shown once."),
    ],
    url: Annotated[
        str, typer.Option("--url", help="The ingest door.")
    ] = "http://127.0.0.1:8601/ingest/events",
    rate: Annotated[
        float | None, typer.Option("--rate", help="At most so many events a second.", min=0.1)
    ] = None,
) -> None:
    """Send files to a running citysoc through its HTTP door."""
    from deploy.replay import run_replay

    raise typer.Exit(run_replay(files, url, token, rate))
