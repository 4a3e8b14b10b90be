"""The `citysoc` command: reads the call, hands over to the part that does it."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from deploy.settings import STAGES, Settings, Unset

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
rules_app = typer.Typer(help="Check, test and explain Sigma rules.", no_args_is_help=True)
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
    raise typer.Exit(run_up(_settings(config, data, port), demo=demo, local=stack == "local"))


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help=" | ".join((*STAGES, "anomaly")))],
    config: Config = None,
    data: Data = None,
    port: Port = None,
    worker: Annotated[
        int, typer.Option("--worker", min=1, help="Which of several; moves its health port.")
    ] = 1,
) -> None:
    """Run one stage in the foreground, logging JSON to standard error."""
    from deploy.stages import run_stage

    settings = _settings(config, data, port)
    if stage == "anomaly":
        fail("the anomaly stage is not part of this version; nothing was started")
    if stage not in STAGES:
        fail(f"no stage called {stage!r}; known: {', '.join(STAGES)}")
    raise typer.Exit(run_stage(stage, settings, worker))


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
    began = time.perf_counter() - time.process_time()  # what starting Python took is loading too
    from detection.offline import detect as run_detect

    raise typer.Exit(
        run_detect(
            [str(path) for path in rules],
            events,
            pipelines=[str(path) for path in pipeline or ()],
            lists=None if lists is None else str(lists),
            out=sys.stdout.buffer,
            err=sys.stderr,
            stats=stats,
            started=began,
        )
    )


@rules_app.command("check")
def rules_check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files and folders.")],
) -> None:
    """Say what is wrong with rules, with file and line; exit code 1 if anything is."""
    from rules.checks import check

    faults = check(paths)
    for fault in faults:
        typer.echo(f"{fault.path}:{fault.line}: {fault.message}")
    typer.echo(f"{len(faults)} faults" if faults else "no faults", err=True)
    raise typer.Exit(1 if faults else 0)


@rules_app.command("test")
def rules_test(
    paths: Annotated[list[Path], typer.Argument(help="Rule files and folders.")],
) -> None:
    """Run the cases beside each rule, and look for conditions that no case needs."""
    from detection.cases import report

    raise typer.Exit(report(paths, out=sys.stdout, err=sys.stderr))


@rules_app.command("explain")
def rules_explain(
    rules: Annotated[
        list[Path], typer.Option("--rules", help="Sigma rule file or folder; may be repeated.")
    ],
    event: Annotated[
        str,
        typer.Option("--event", metavar="FILE[:N]", help="A file as for detect; N counts from 0."),
    ],
    pipeline: Annotated[
        list[Path] | None, typer.Option("--pipeline", help="pySigma processing pipeline.")
    ] = None,
    lists: Annotated[
        Path | None, typer.Option("--lists", help="YAML of `placeholder: [values]`.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rules.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Say for each rule why it does or does not match one event, down to each value."""
    from detection.explaining import explain

    raise typer.Exit(
        explain(
            [str(path) for path in rules],
            event,
            pipelines=[str(path) for path in pipeline or ()],
            lists=None if lists is None else str(lists),
            limit=limit,
            as_json=as_json,
            out=sys.stdout.buffer,
            err=sys.stderr,
            colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
        )
    )


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
    with _admin(config, data, port) as admin:
        _print(admin.add_tenant(tenant, name, kind))


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
    config: Config = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Open a door for a log source; prints its token once, and a configuration to paste."""
    with _admin(config, data, port) as admin:
        _print(admin.add_source(tenant, kind, name, sender or ()))


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
    with _admin(config, data, port) as admin:
        _print(admin.add_user(user, name, role, tenant or ()))


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

    with _admin(config, data, port) as admin:
        for item in admin.alerts(tenant, closed=closed):
            if as_json:
                typer.echo(msgspec.json.encode(item).decode())
            else:
                entity = f"{item.entity.kind} {item.entity.name}"
                typer.echo(
                    f"{item.priority:3}  {item.level:13}  {item.state:7}  "
                    f"{item.count:6}×  {item.last[:16]}Z  {item.title} – {entity}"
                )


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


@app.command()
def proof(
    corpora: Annotated[
        Path, typer.Option("--corpora", envvar="CITYSOC_CORPORA", help="Folder of rules and logs.")
    ] = Path("../shared/corpora"),
    kills: Annotated[
        int,
        typer.Option(
            "--kills",
            min=0,
            max=50,
            help="Kills of detection; on the local stack, detection, broker and indexer once each.",
        ),
    ] = 5,
    records: Annotated[
        int | None, typer.Option("--records", min=1, help="At most so many of each stream. [all]")
    ] = None,
    stack: Annotated[str, typer.Option("--stack", help="embedded | local")] = "embedded",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=16, help="Detection processes.")
    ] = 1,
    report: Annotated[Path, typer.Option("--report", help="Where to write it.")] = Path(
        "reports/proof.json"
    ),
    compare: Annotated[
        list[Path] | None,
        typer.Option("--compare", help="Run nothing; compare the hashes of these reports."),
    ] = None,
) -> None:
    """Send real logs through a citysoc of its own, kill it at work, compare with `detect`."""
    from deploy.proof.run import Plan, compare_reports, run_proof

    if compare:
        raise typer.Exit(compare_reports(compare))
    if stack not in {"embedded", "local"}:
        fail(f"no stack called {stack!r}; known: embedded, local")
    plan = Plan(corpora=corpora, kills=kills, limit=records, stack=stack, workers=workers)
    raise typer.Exit(run_proof(plan, report))


@contextlib.contextmanager
def _admin(config: Path | None, data: Path | None, port: int | None) -> Iterator["Admin"]:
    """The installation's administration; what it refuses ends the command with a clear message."""
    from collectors.bus.contract import Overloaded
    from deploy.admin import Admin
    from tenants.access import Conflict, Denied, Invalid, NotFound

    try:
        admin = Admin(_settings(config, data, port))
        try:
            yield admin
        finally:
            admin.close()
    except (Conflict, Denied, Invalid, NotFound, Overloaded) as error:
        fail(str(error))


def _print(answer: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


def main() -> None:
    """Entry point of the `citysoc` script."""
    app()
