"""Starts, restarts and stops a set of real servers in one folder."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.local import process
from deploy.local.contract import Server, Unavailable
from deploy.local.elasticsearch import Elasticsearch
from deploy.local.kafka import ADMINISTRATOR, Kafka
from deploy.local.place import KEEPER, Place
from deploy.local.postgresql import OWNER, SUPERUSER, PostgreSQL

NAMES = ("elasticsearch", "kafka", "postgresql")
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Running:
    """Servers that answer. What was not asked for has an address only if it was started before."""

    folder: Path
    lasting: bool

    @property
    def kafka(self) -> str:
        """The bootstrap address of the open listener; whoever connects there may do anything."""
        return f"127.0.0.1:{self._place.port('kafka')}"

    @property
    def kafka_sasl(self) -> str:
        """The bootstrap address of the listener with SASL (SCRAM-SHA-512), bound by ACLs."""
        return f"127.0.0.1:{self._place.port('kafka_sasl')}"

    @property
    def kafka_tls(self) -> str:
        """The same with TLS, where the folder holds `kafka/tls.pem` before the broker starts."""
        return f"127.0.0.1:{self._place.port('kafka_tls')}"

    @property
    def kafka_administrator(self) -> tuple[str, str]:
        """User and password on the SASL listener of the one who may do anything."""
        return ADMINISTRATOR, self._place.secret("kafka")

    @property
    def elasticsearch(self) -> str:
        """The node's URL."""
        return f"http://127.0.0.1:{self._place.port('elasticsearch')}"

    @property
    def postgresql(self) -> str:
        """SQLAlchemy's URL as the owner of the database, who is bound by row-level security."""
        return self._url(OWNER, self._place.secret("postgresql"), OWNER)

    @property
    def postgresql_superuser(self) -> str:
        """SQLAlchemy's URL as superuser, to make databases and roles."""
        return self._url(SUPERUSER, self._place.secret("postgresql_superuser"), "postgres")

    @property
    def pids(self) -> dict[str, int]:
        """The living servers' processes by name."""
        return {name: pid for name, pid in self._place.pids().items() if name != KEEPER}

    def addresses(self) -> dict[str, str]:
        """The addresses of all that run, as the command line prints them."""
        alive = self.pids
        found: dict[str, str] = {}
        if "kafka" in alive:
            found |= {"kafka": self.kafka, "kafka_sasl": self.kafka_sasl}
        if "elasticsearch" in alive:
            found |= {"elasticsearch": self.elasticsearch}
        if "postgresql" in alive:
            found |= {
                "postgresql": self.postgresql,
                "postgresql_superuser": self.postgresql_superuser,
            }
        return found

    def log(self, name: str) -> Path:
        """The log of one server."""
        return self._server(name).log

    def kill(self, name: str) -> None:
        """End one server with SIGKILL and wait until it is gone; its data stays."""
        pid = self._place.pids().get(name)
        if pid is not None:
            process.kill(pid, self.folder)

    def restart(self, name: str) -> None:
        """Stop one server if it still runs, and start it at the same address with its data."""
        server = self._server(name)
        with self._place.locked():
            _end(self._place, server)
            _launch(self._place, server)
            _wait([server], self._place)

    def stop(self) -> None:
        """Stop all servers of the folder; what they keep stays there."""
        stop(self.folder)

    @property
    def _place(self) -> Place:
        return Place(self.folder)

    def _server(self, name: str) -> Server:
        return _server(name, self._place, lasting=self.lasting)

    def _url(self, user: str, password: str, database: str) -> str:
        secret = quote(password, safe="")
        port = self._place.port("postgresql")
        return f"postgresql+psycopg://{user}:{secret}@127.0.0.1:{port}/{database}"


def start(
    folder: Path,
    *,
    kafka: bool = True,
    elasticsearch: bool = True,
    postgresql: bool = True,
    lasting: bool = True,
    owner: int | None = 0,
) -> Running:
    """Start what is asked for and does not run yet, and wait until all of it answers.

    Safe for several processes at once: the first one starts, the others find it running.

    Args:
        folder: where ports, passwords, logs and data are kept; used again, it has the same data.
        kafka: whether to start the broker.
        elasticsearch: whether to start the search node.
        postgresql: whether to start the database.
        lasting: False for some minutes, as in tests: they start with half the processor time, but
            are slower at lasting work, and a power cut may lose data.
        owner: the pid whose end, however it comes, stops them all; 0 for this process,
            None to let them outlive everybody until `stop`. The first one to start decides.

    Raises:
        Unavailable: something is missing on this machine, or a server did not come up; the
            message is one line, and names the log to read. What this call started is stopped.

    """
    place = Place(folder)
    wanted = [
        name for name, asked in zip(NAMES, (elasticsearch, kafka, postgresql), strict=True) if asked
    ]
    with place.locked():
        alive = place.pids()
        fresh = [_server(name, place, lasting=lasting) for name in wanted if name not in alive]
        if fresh and owner is not None and KEEPER not in alive:
            _launch_keeper(place, owner or os.getpid())
        _bring_up(place, fresh)
    return Running(place.folder, lasting)


def stop(folder: Path) -> None:
    """Stop all servers of a folder by pid: asked first, killed when they don't listen."""
    place = Place(folder)
    if not place.folder.is_dir():
        return
    with place.locked():
        servers = [_server(name, place, lasting=True) for name in NAMES]
        alive = place.pids()
        for server in servers:
            if server.name in alive:
                process.ask(alive[server.name], place.folder, server.stop_signal)
        for server in servers:
            _end(place, server)
        if KEEPER in alive and alive[KEEPER] != os.getpid():
            process.end(alive[KEEPER], place.folder, signal.SIGTERM, STOP_SECONDS)
        place.forget(KEEPER)


def _server(name: str, place: Place, *, lasting: bool) -> Server:
    match name:
        case "kafka":
            return Kafka(place, lasting=lasting)
        case "elasticsearch":
            return Elasticsearch(place, lasting=lasting)
        case "postgresql":
            return PostgreSQL(place, lasting=lasting)
        case _:
            raise ValueError(f"no server called {name!r}; known: {', '.join(NAMES)}")


def _bring_up(place: Place, servers: Sequence[Server]) -> None:
    complete = False
    try:
        for server in servers:
            place.claim_ports(server.name)
            _launch(place, server)
        _wait(servers, place)
        complete = True
    finally:
        if not complete:
            for server in servers:
                _end(place, server)


def _launch(place: Place, server: Server) -> None:
    server.prepare()
    pid = process.spawn(
        server.command(), server.log, environment=server.environment(), account=server.account
    )
    place.remember(server.name, pid)


def _launch_keeper(place: Place, owner: int) -> None:
    command = [sys.executable, "-m", "deploy.local.keeper", f"{place.folder}/", str(owner)]
    place.remember(KEEPER, process.spawn(command, place.folder / "keeper.log"))


def _wait(servers: Sequence[Server], place: Place) -> None:
    deadline = time.monotonic() + READY_SECONDS
    for server in servers:
        while not server.ready():
            if server.name not in place.pids():
                raise Unavailable(f"{server.name} ended while it started: read {server.log}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{server.name} did not answer within {READY_SECONDS:.0f} s: read {server.log}"
                )
            time.sleep(LOOK_SECONDS)
        server.complete()


def _end(place: Place, server: Server) -> None:
    pid = place.pids().get(server.name)
    if pid is not None:
        process.end(pid, place.folder, server.stop_signal, STOP_SECONDS)
    place.forget(server.name)
