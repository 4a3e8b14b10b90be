"""What no rule describes: its models, a way back, and what they were learned from."""

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.root import Config, Data, Port, fail, group, running_settings, show

anomaly_app = group("anomaly", "What no rule describes: unusual behaviour.")

Tenant = Annotated[str, typer.Option("--tenant", help="The organisation's id.")]


@anomaly_app.command("replay")
def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="NDJSON, CSV with a header, Zeek TSV or plain lines; each also .gz.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    tenant: Tenant,
    profile: Annotated[Path, typer.Option("--profile", help="What is watched; a YAML file.")],
    budget: Annotated[
        float, typer.Option("--budget", help="Alerts a day, at most.", min=0.01, max=10_000)
    ] = 2.0,
    verdicts: Annotated[
        Path | None,
        typer.Option("--verdicts", help="Lines of {entity, start, verdict: attack or harmless}."),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Write every closed window's scores here.")
    ] = None,
    prior: Annotated[
        list[Path] | None,
        typer.Option(
            "--prior",
            help="Habits of another organisation, to help out on the first day; three or more.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    habits: Annotated[
        Path | None,
        typer.Option("--habits", help="Write here what would be lent to others' first day."),
    ] = None,
    names: Annotated[
        str, typer.Option("--map", help="time=FIELD,… where fields are called otherwise.")
    ] = "",
) -> None:
    """Run files through the anomaly model in the order of event time; prints a line an alert."""
    from collectors.bus.contract import Malformed
    from detection.anomaly.prior import encode
    from detection.anomaly.profile import load
    from detection.anomaly.reading import pairs
    from detection.anomaly.replay import YOUNG, Replay, read_prior, read_verdicts
    from detection.anomaly.replay import replay as run

    gc.set_threshold(YOUNG)
    try:
        said = read_verdicts(verdicts) if verdicts else []
        watched = load(profile)
        replayed = Replay(
            tenant,
            watched,
            budget=budget,
            names=pairs(names),
            verdicts=said,
            prior=read_prior(prior, watched) if prior else None,
        )
        with contextlib.ExitStack() as stack:
            written = stack.enter_context(scores.open("wb")) if scores else None
            run(replayed, files, sys.stdout.buffer, written, sys.stderr)
        if habits is not None:
            habits.write_bytes(encode(replayed.habits()))
    except BrokenPipeError:  # whoever reads the alerts has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Malformed, ValueError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


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
