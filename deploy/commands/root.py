"""What every command shares: the root, the options, how a call fails."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deploy.settings import Settings, Unset

if TYPE_CHECKING:
    from deploy.admin import Admin

app = typer.Typer(
    name="citysoc",
    help="The security operations centre of a whole city.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

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

Pipelines = Annotated[
    list[Path] | None, typer.Option("--pipeline", help="pySigma processing pipeline.")
]
Lists = Annotated[Path | None, typer.Option("--lists", help="YAML of `placeholder: [values]`.")]
Schema = Annotated[
    str, typer.Option("--schema", help="Whose names the events' fields have: ecs, ocsf.")
]


def group(name: str, text: str) -> typer.Typer:
    """A group of commands below the root."""
    made = typer.Typer(help=text, no_args_is_help=True)
    app.add_typer(made, name=name)
    return made


def fail(message: str, code: int = 2) -> NoReturn:
    """End with one clear message on standard error."""
    typer.echo(f"citysoc: {message}", err=True)
    raise typer.Exit(code)


def settings_of(config: Path | None, data: Path | None = None, port: int | None = None) -> Settings:
    """The settings to start with; a fault in them ends the command."""
    try:
        return Settings.load(config, data=data, port=port)
    except Unset as error:
        fail(str(error))


def running_settings(config: Path | None, data: Path | None, port: int | None = None) -> Settings:
    """The settings that the data folder runs with; a fault in them ends the command."""
    try:
        return Settings.running(config, data=data, port=port)
    except Unset as error:
        fail(str(error))


@contextlib.contextmanager
def administration(config: Path | None, data: Path | None, port: int | None) -> Iterator["Admin"]:
    """The installation's administration; what it refuses ends the command with a clear message."""
    from collectors.bus.contract import Overloaded
    from deploy.admin import Admin
    from tenants.access import Conflict, Denied, Invalid, NotFound

    try:
        admin = Admin(running_settings(config, data, port))
        try:
            yield admin
        finally:
            admin.close()
    except (Conflict, Denied, Invalid, NotFound, Overloaded, Unset) as error:
        fail(str(error))


def show(answer: object) -> None:
    """Print an answer as JSON that people can read."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
