"""What no rule describes: its models, a way back, and what they were learned from."""

from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Port, fail, group, running_settings, show

anomaly_app = group("anomaly", "What no rule describes: unusual behaviour.")

Tenant = Annotated[str, typer.Option("--tenant", help="The organisation's id.")]


@anomaly_app.command("models")
def models(tenant: Tenant, config: Config = None, data: Data = None, port: Port = None) -> None:
    """The models of an organisation, the newest first, and which of them are in force."""
    from deploy.behaviour import open_shelf

    shelf = open_shelf(running_settings(config, data, port))
    show([each for profile in shelf.profiles(tenant) for each in shelf.versions(tenant, profile)])


@anomaly_app.command("rollback")
def rollback(
    tenant: Tenant,
    profile: Annotated[str, typer.Option("--profile", help="As `models` calls it.")],
    to: Annotated[
        str, typer.Option("--to", help="The version to go back to. [the one before]")
    ] = "",
    release: Annotated[
        bool, typer.Option("--release", help="Let the nights' models go live again.")
    ] = False,
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Go back to an earlier model; it stays in force until it is released."""
    from collectors.bus.contract import Malformed, Overloaded
    from deploy.behaviour import go_back

    try:
        show(go_back(running_settings(config, data, port), tenant, profile, to, release=release))
    except (Malformed, Overloaded) as error:
        fail(str(error))


@anomaly_app.command("card")
def card(tenant: Tenant, config: Config = None, data: Data = None, port: Port = None) -> None:
    """What was learned of an organisation, from what, and what is kept of it."""
    from deploy.model_card import model_card

    show(model_card(running_settings(config, data, port), tenant))
