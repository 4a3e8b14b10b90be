"""Rights on the servers that citysoc runs on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Config, Data, fail, group, running_settings
from deploy.settings import Unset

servers_app = group("servers", "Rights on Kafka and PostgreSQL, for whoever runs them.")


@servers_app.command("permissions")
def servers_permissions(
    apply: Annotated[
        bool, typer.Option("--apply", help="Give what is missing, take what is surplus.")
    ] = False,
    user: Annotated[
        str, typer.Option("--as", metavar="USER", help="Who may change permissions in Kafka.")
    ] = "",
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="Holds the password of --as.")
    ] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Compare Kafka's permissions with what today's tenants and stages need.

    Strange are those that somebody else gave on our topics or groups: they stay.
    Exit code 1 where anything is missing, surplus or strange afterwards.
    """
    from deploy.permissions import kafka_permissions

    if bool(user) != (password_file is not None):
        fail("--as and --password-file go together")
    with _told():
        *lines, summary = kafka_permissions(
            running_settings(config, data), user=user, password_file=password_file, apply=apply
        )
    for line in lines:
        typer.echo(line)
    typer.echo(summary, err=True)
    left = [line for line in lines if not line.startswith(("given", "taken"))]
    if left and not apply:
        typer.echo("give and take them: citysoc servers permissions --apply", err=True)
    raise typer.Exit(1 if left else 0)


@servers_app.command("admit")
def servers_admit(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="PostgreSQL's role of citysoc.")],
    owner_url_file: Annotated[
        Path,
        typer.Option("--owner-url-file", help="Holds the URL of the role that owns the tables."),
    ],
) -> None:
    """Bring PostgreSQL's tables up to date, and let a role that owns none work with them.

    Once at the start and after each upgrade; `database.url_file` then holds that role's URL.
    """
    from deploy.permissions import admit_role

    with _told():
        admit_role(owner_url_file, role)
    typer.echo(f"{role} may work with the tables, row by row as its tenants are bound", err=True)


@contextmanager
def _told() -> Iterator[None]:
    """What a server refuses ends the command with a clear message."""
    from sqlalchemy.exc import ProgrammingError

    from collectors.bus.contract import Malformed, Overloaded

    try:
        yield
    except (Unset, Malformed, Overloaded, ValueError) as error:
        fail(str(error))
    except ProgrammingError as error:
        fail(f"PostgreSQL refused: {error.orig}")
