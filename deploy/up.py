"""`citysoc up`: checks that it can start, starts every stage, shows how they do, stops them."""

import contextlib
import fcntl
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from deploy import wiring
from deploy.counters import Counters, all_answer
from deploy.local.contract import Unavailable
from deploy.local.stack import local_stack
from deploy.logs import configure
from deploy.settings import IN_FORCE, STAGES, Settings
from deploy.supervise import Supervisor, stop_signal
from tenants.people import first_administrator

START_SECONDS = 120.0
LOOK_SECONDS = 0.5


class CantStart(Exception):
    """Why, and what to do about it."""


def run_up(settings: Settings, *, demo: bool, local: bool) -> int:
    """Run everything until Ctrl-C or SIGTERM; returns the exit code."""
    console = Console(highlight=False)
    try:
        with contextlib.ExitStack() as closing:
            closing.enter_context(_only_one(settings.data))
            configure("up", closing.enter_context(_log_file(settings.data)))
            _check_ports(settings)
            if local:
                settings.data.chmod(0o711)  # PostgreSQL's own user has to pass
                console.print("starting Kafka, Elasticsearch and PostgreSQL …")
                settings = closing.enter_context(local_stack(settings))
            return _run(settings, console, demo=demo)
    except (CantStart, Unavailable) as error:
        Console(stderr=True, highlight=False).print(f"citysoc: {error}", style="red")
        return 2


def _run(settings: Settings, console: Console, *, demo: bool) -> int:
    logins = _first_start(settings)
    player = None
    if demo:
        from deploy.demo.start import Demo

        player = Demo.prepare(settings, logins)
        logins = player.logins
    stop = stop_signal()
    workers = {stage: settings.stage_workers(stage) for stage in STAGES}
    supervisor = Supervisor(settings.data, workers, _arguments(settings))
    supervisor.start()
    try:
        _await_start(settings, supervisor, stop, console)
        _greet(settings, logins, console)
        if player is not None:
            player.start(stop)
        _watch(Counters(settings, supervisor), supervisor, stop, console)
    finally:
        stop.set()
        console.print("stopping …")
        supervisor.stop()
        if player is not None:
            player.join()
    console.print("stopped; start again to go on where it was")
    return 0


def _first_start(settings: Settings) -> Sequence[tuple[str, str, str]]:
    """Make the database and, where nobody can sign in yet, the first administrator."""
    database = wiring.open_database(settings)
    created = first_administrator(database)
    database.close()
    if created is None:
        return ()
    return ((created.user.id, created.password, "administrator; shown this once, so keep it"),)


def _arguments(settings: Settings) -> list[str]:
    """What every stage is started with: one file with all that is in force."""
    in_force = settings.data / IN_FORCE
    in_force.write_text(settings.dump())
    return ["--config", str(in_force.resolve())]


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    with (data / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CantStart(
                f"a citysoc is running on {data} already; stop it, or name another folder: --data"
            ) from error
        yield


def _log_file(data: Path) -> TextIO:
    folder = data / "logs"
    folder.mkdir(exist_ok=True)
    return (folder / "up.jsonl").open("a", buffering=1)


def _check_ports(settings: Settings) -> None:
    for stage in STAGES:
        port = settings.stage_port(stage)
        host = settings.host if stage in {"serve", "collectors"} else "127.0.0.1"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise CantStart(
                    f"port {port} ({stage}) can't be opened: {error.strerror}; "
                    f"end what uses it, or move all ports: --port {settings.port + 100}"
                ) from error


def _await_start(
    settings: Settings, supervisor: Supervisor, stop: threading.Event, console: Console
) -> None:
    """Wait until every stage answers. Raises CantStart with where to read why one does not."""
    deadline = time.monotonic() + START_SECONDS
    with console.status("starting …") if console.is_terminal else contextlib.nullcontext():
        while not stop.is_set() and not all_answer(settings, supervisor):
            supervisor.look()
            if time.monotonic() > deadline:
                raise CantStart(f"not every stage started; read why in {settings.data / 'logs'}")
            stop.wait(0.1)


def _greet(settings: Settings, logins: Sequence[tuple[str, str, str]], console: Console) -> None:
    shown = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104
    console.print(
        f"\n[bold]citysoc[/] is up: [bold]http://{shown}:{settings.port}[/]", soft_wrap=True
    )
    for user, password, what in logins:
        console.print(
            Text.assemble(
                "  sign in as ", (user, "bold"), "  password ", (password, "bold"), f"  ({what})"
            ),
            soft_wrap=True,
        )
    console.print(
        f"  events come in at http://{shown}:{settings.ingest_port}/ingest/events "
        f"and by syslog from port {settings.syslog_port}",
        soft_wrap=True,
    )
    console.print(f"  logs in {settings.data / 'logs'}; Ctrl-C stops\n", soft_wrap=True)


def _watch(
    counters: Counters, supervisor: Supervisor, stop: threading.Event, console: Console
) -> None:
    """Start again what dies; on a terminal, show the counters once a second."""
    if not console.is_terminal:
        while not stop.wait(LOOK_SECONDS):
            supervisor.look()
        return
    with Live(console=console, refresh_per_second=2, transient=False) as live:
        while not stop.wait(LOOK_SECONDS):
            supervisor.look()
            live.update(Group(counters.table(), Text()))
