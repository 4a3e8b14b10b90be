"""Start everything, or one stage."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Port, app, fail, settings_of
from deploy.settings import STAGES


@app.command()
def up(
    config: Config = None,
    data: Data = None,
    port: Port = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Three organisations, their days and three attacks.")
    ] = False,
    stack: Annotated[
        str,
        typer.Option(
            "--stack",
            help="`settings`: as the settings say. `local`: real Kafka, Elasticsearch and "
            "PostgreSQL on this machine, in the data folder, for trying and for tests.",
        ),
    ] = "settings",
) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    from deploy.up import run_up

    if demo and data is None and config is None:
        data = Path("demo-data")
    if stack not in {"settings", "local"}:
        fail(f"no stack called {stack!r}; known: settings, local")
    raise typer.Exit(run_up(settings_of(config, data, port), demo=demo, local=stack == "local"))


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help=" | ".join(STAGES))],
    config: Config = None,
    data: Data = None,
    port: Port = None,
    worker: Annotated[
        int, typer.Option("--worker", min=1, help="Which of several; moves its health port.")
    ] = 1,
) -> None:
    """Run one stage in the foreground, logging JSON to standard error."""
    from deploy.stages import run_stage

    settings = settings_of(config, data, port)
    if stage not in STAGES:
        fail(f"no stage called {stage!r}; known: {', '.join(STAGES)}")
    raise typer.Exit(run_stage(stage, settings, worker))
