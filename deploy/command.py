"""The `citysoc` command: reads the call, hands over to the part that does it."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from deploy.settings import STAGES, Settings, Unset

app = typer.Typer(
    name="citysoc",
    help="The security operations centre of a whole city.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
rules_app = typer.Typer(help="Check and test Sigma rules.", no_args_is_help=True)
tenant_app = typer.Typer(help="The organisations that share this SOC.", no_args_is_help=True)
source_app = typer.Typer(help="Where an organisation's events come from.", no_args_is_help=True)
user_app = typer.Typer(help="The people who sign in.", no_args_is_help=True)
alerts_app = typer.Typer(help="The queue, for other programs.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
app.add_typer(tenant_app, name="tenant")
app.add_typer(source_app, name="source")
app.add_typer(user_app, name="user")
app.add_typer(alerts_app, name="alerts")

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; deploy/settings.example.yml shows all of them."),
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of all files that citysoc writes.")
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", help="The console's port; ingest is the next, syslog begins ten above. [8600]"
    ),
]


def fail(message: str, code: int = 2) -> NoReturn:
    """End with one clear message on standard error."""
    typer.echo(f"citysoc: {message}", err=True)
    raise typer.Exit(code)


def _settings(config: Path | None, data: Path | None = None, port: int | None = None) -> Settings:
    try:
        return Settings.load(config, data=data, port=port)
    except Unset as error:
        fail(str(error))


@app.command()
def up(
    config: Config = None,
    data: Data = None,
    port: Port = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Three organisations, their days and three attacks.")
    ] = False,
) -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    from deploy.up import run_up

    if demo and data is None and config is None:
        data = Path("demo-data")
    raise typer.Exit(run_up(_settings(config, data, port), config, demo=demo))


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help=" | ".join((*STAGES, "anomaly")))],
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Run one stage in the foreground, logging JSON to standard error."""
    from deploy.stages import run_stage

    settings = _settings(config, data, port)
    if stage == "anomaly":
        fail("the anomaly stage is not part of this version; nothing was started")
    if stage not in STAGES:
        fail(f"no stage called {stage!r}; known: {', '.join(STAGES)}")
    raise typer.Exit(run_stage(stage, settings))


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
    stats: Annotated[
        bool, typer.Option("--stats", help="One JSON line on standard error at the end.")
    ] = False,
) -> None:
    """Run rules over files, offline; one JSON object a line for each match."""
    from detection.offline import detect as run_detect

    raise typer.Exit(
        run_detect(
            rules,
            events,
            pipelines=pipeline or [],
            lists=lists,
            out=sys.stdout.buffer,
            err=sys.stderr,
            stats=stats,
        )
    )


def main() -> None:
    """Entry point of the `citysoc` script."""
    app()
