"""Organisations, their log sources, their people and their queue."""

from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Port, administration, fail, group, show

tenant_app = group("tenant", "The organisations that share this SOC.")
source_app = group("source", "Where an organisation's events come from.")
user_app = group("user", "The people who sign in.")
alerts_app = group("alerts", "The queue, for other programs.")


@tenant_app.command("add")
def tenant_add(
    tenant: Annotated[str, typer.Argument(metavar="ID", help="[a-z][a-z0-9]{1,30}")],
    name: Annotated[str, typer.Option("--name", help="What people call it. [its id]")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="council, nhs, school, university, housing, charity …")
    ] = "other",
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Take in an organisation."""
    with administration(config, data, port) as admin:
        show(admin.add_tenant(tenant, name, kind))


@source_app.command("add")
def source_add(
    tenant: Annotated[str, typer.Argument(metavar="TENANT")],
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="windows, linux, web, aws, firewall …")
    ],
    name: Annotated[str, typer.Option("--name", help="Unique within the tenant.")],
    sender: Annotated[
        list[str] | None,
        typer.Option("--sender", help="Address or network that may send syslog; may be repeated."),
    ] = None,
    schema: Annotated[
        str,
        typer.Option(
            "--schema", help="Whose names the fields have: sigma, ecs, ocsf. [what the kind says]"
        ),
    ] = "",
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Open a door for a log source; prints its token once, and a configuration to paste."""
    with administration(config, data, port) as admin:
        show(admin.add_source(tenant, kind, name, sender or (), schema))


@user_app.command("add")
def user_add(
    user: Annotated[str, typer.Argument(metavar="USER", help="What they sign in with.")],
    name: Annotated[str, typer.Option("--name", help="The person's name. [the user]")] = "",
    role: Annotated[str, typer.Option("--role", help="admin, analyst or partner")] = "analyst",
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="A partner's tenant; may be repeated."),
    ] = None,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Let a person in; prints a random password once."""
    if role not in {"admin", "analyst", "partner"}:
        fail(f"no role called {role!r}; known: admin, analyst, partner")
    with administration(config, data, port) as admin:
        show(admin.add_user(user, name, role, tenant or ()))


@alerts_app.command("list")
def alerts_list(
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Those with a verdict too.")] = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """A tenant's queue, highest priority first."""
    import msgspec

    with administration(config, data, port) as admin:
        for item in admin.alerts(tenant, closed=closed):
            if as_json:
                typer.echo(msgspec.json.encode(item).decode())
            else:
                entity = f"{item.entity.kind} {item.entity.name}"
                typer.echo(
                    f"{item.priority:3}  {item.level:13}  {item.state:7}  "
                    f"{item.count:6}×  {item.last[:16]}Z  {item.title} – {entity}"
                )
