"""A PostgreSQL server from the system's packages, in a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.contract import Unavailable
from deploy.local.place import Place

ACCOUNT = "postgres"
"""PostgreSQL refuses to run as root; then it runs as the user that its package made."""
SUPERUSER = "postgres"
OWNER = "citysoc"
"""Both the database and the role that owns it and is bound by row-level security."""
INSTALLED = Path("/usr/lib/postgresql")
INITDB_SECONDS = 120
LAST_LIFE_SECONDS = 10.0
LOOK_SECONDS = 0.02

ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
}
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}
"""For tests: safe from kill -9 of the server, not from a power cut."""


class PostgreSQL:
    """The server of one folder."""

    name = "postgresql"
    # A fast shutdown: TERM would wait for every client to leave.
    stop_signal = signal.SIGINT

    def __init__(self, place: Place, *, lasting: bool) -> None:
        self._place = place
        self._folder = place.folder / self.name
        self._data = self._folder / "data"
        self._lasting = lasting
        self.account = ACCOUNT if os.geteuid() == 0 else None

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self._folder / "postgresql.log"

    def prepare(self) -> None:
        """Make the cluster of databases unless it is there."""
        _program("postgres")
        self._check_account()
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.account:
            shutil.chown(self._folder, self.account, self.account)
            self._check_way_in()
        if (self._data / "postmaster.pid").exists():
            self._wait_for_last_life()
        if not (self._data / "PG_VERSION").exists():
            self._initdb()

    def command(self) -> Sequence[str]:
        """The server itself, not a wrapper: its pid is the one to stop."""
        settings = ALWAYS | {"port": str(self._place.port("postgresql"))}
        settings |= {} if self._lasting else FORGETFUL
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        return [_program("postgres"), "-D", f"{self._data}/", *arguments]

    def environment(self) -> Mapping[str, str]:
        """Messages in the language that we look for them in."""
        return {"LC_ALL": "C", "TZ": "UTC"}

    def ready(self) -> bool:
        """Whether it lets a superuser in, which it does once its log is recovered."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def complete(self) -> None:
        """Make the role and the database of citysoc unless they are there."""
        with self._connect() as database:
            if database.execute("select 1 from pg_roles where rolname = %s", (OWNER,)).fetchone():
                return
            role, password = sql.Identifier(OWNER), sql.Literal(self._place.secret("postgresql"))
            create = sql.SQL("create role {} login nosuperuser nobypassrls password {}")
            database.execute(create.format(role, password))
            database.execute(sql.SQL("create database {} owner {}").format(role, role))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self._place.port("postgresql"),
            user=SUPERUSER,
            password=self._place.secret("postgresql_superuser"),
            dbname="postgres",
            connect_timeout=1,
            autocommit=True,
        )

    def _initdb(self) -> None:
        # A cluster that a kill left half made is begun anew.
        shutil.rmtree(self._data, ignore_errors=True)
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._place.secret("postgresql_superuser"))
        if self.account:
            shutil.chown(password, self.account, self.account)
        command = [_program("initdb"), "-D", str(self._data), "-U", SUPERUSER]
        command += [f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8"]
        command += ["--locale=C.UTF-8"] + ([] if self._lasting else ["--no-sync"])
        try:
            done = self._run(command)
        finally:
            password.unlink()
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing"]
            raise Unavailable(f"postgresql could not make {self._data}: {said[0]}")

    def _wait_for_last_life(self) -> None:
        """After a kill: its children end by themselves, and until then no other may start."""
        deadline = time.monotonic() + LAST_LIFE_SECONDS
        while left := _processes_in(self._data):
            if time.monotonic() > deadline:
                raise Unavailable(f"processes {left} still use {self._data}: end them first")
            time.sleep(LOOK_SECONDS)

    def _check_account(self) -> None:
        if self.account is None:
            return
        try:
            pwd.getpwnam(self.account)
        except KeyError as error:
            raise Unavailable(
                f"PostgreSQL does not run as root, and there is no user {self.account!r}: "
                "apt-get install postgresql"
            ) from error

    def _check_way_in(self) -> None:
        if self._run(["test", "-x", str(self._folder)]).returncode:
            raise Unavailable(
                f"user {self.account!r} can't reach {self._folder}: choose a folder whose parents "
                "all let others through (chmod o+x)"
            )

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 – PostgreSQL's own tools
            command,
            check=False,
            user=self.account,
            group=self.account,
            extra_groups=[] if self.account else None,
            env=os.environ | self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
        )


def _processes_in(data: Path) -> list[int]:
    """What is left of a server: its lock's pid, if only as a zombie, and who works in `data`."""
    try:
        first = (data / "postmaster.pid").read_text().split()[:1]
    except FileNotFoundError:
        return []
    found = {int(pid) for pid in first if _is_postgres(pid)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                found.add(int(process.name))
        except OSError:
            continue
    return sorted(found)


def _is_postgres(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("postgres")
    except OSError:
        return False


def _program(name: str) -> str:
    """The path of one of PostgreSQL's programs: of the newest version that is installed."""
    if found := shutil.which(name):
        return found
    versions = [place for place in INSTALLED.glob("*/bin") if (place / name).exists()]
    if not versions:
        raise Unavailable(f"needs PostgreSQL's {name!r}, found none: apt-get install postgresql")
    return str(max(versions, key=lambda place: float(place.parent.name)) / name)
