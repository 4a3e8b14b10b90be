"""A citysoc to be measured: all rules, real doors, and what its processes use."""

import contextlib
import gzip
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from collectors.bus.contract import Overloaded
from deploy import wiring
from deploy.proof.run import RULE_SETS, free_ports
from deploy.proof.streams import STREAMS, TENANTS, write_shortened
from deploy.settings import Settings
from tests.e2e.installation import Installation, citysoc, wait_for

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora"))
WINDOWS = CORPORA / "streams" / "windows.ndjson.gz"
MARKER = """title: A marker of the benchmark
id: 2d1c8f0e-7777-4a53-9d0d-2f2f3d7c2222
level: high
logsource: {product: linux, service: sshd}
detection:
  selection: {message: benchmark-marker}
  condition: selection
"""
EVENTS_A_REQUEST = 200
PATIENCE = 200.0
"""Seconds that a measurement may wait for the slowest stage."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Door:
    """A source's HTTP door, and one connection to it. Not shared between threads."""

    def __init__(self, url: str, token: str) -> None:
        place = urlsplit(url)
        self._path = place.path
        self._connection = HTTPConnection(place.hostname or "", place.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}

    def post(self, body: bytes, *, zipped: bool = False) -> int:
        """Send once; returns the answer's status."""
        headers = self._headers | ({"Content-Encoding": "gzip"} if zipped else {})
        try:
            self._connection.request("POST", self._path, body, headers)
        except ConnectionError:
            # The door closes what has been idle for seconds.
            self._connection.close()
            self._connection.request("POST", self._path, body, headers)
        with self._connection.getresponse() as answer:
            answer.read()
            return answer.status

    def insist(self, body: bytes, *, zipped: bool = False) -> None:
        """Send until it is taken, as a partner's sender does."""
        deadline = time.monotonic() + PATIENCE
        while (status := self.post(body, zipped=zipped)) != 202:
            assert status == 503, f"the door answers {status}"
            assert time.monotonic() < deadline, f"no room for {PATIENCE:.0f} s"
            time.sleep(0.2)


class City:
    """One `citysoc up` with all the rules, on the stack that was asked for."""

    def __init__(self, folder: Path, stack: str) -> None:
        folder.chmod(0o711)  # PostgreSQL's own user has to pass
        rules = folder / "marker.yml"
        rules.write_text(MARKER)
        sets = [str((CORPORA / "sigma-rules" / name).resolve()) for name in RULE_SETS]
        config = folder / "config.yml"
        config.write_text(json.dumps({"detection": {"rules": [*sets, str(rules)]}}))
        more = ("--stack", "local") if stack == "local" else ()
        data = folder / "data"
        self.installation = Installation(data, free_ports(), "--config", str(config), *more)
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._begin(folder)
            undo.pop_all()

    def _begin(self, folder: Path) -> None:
        data = self.installation.data
        self.settings = Settings.load(data / "settings.in-force.yml")
        self.bus = wiring.open_bus(self.settings)
        for tenant in TENANTS:
            self.citysoc("tenant", "add", tenant)
        path = write_shortened(STREAMS[0], CORPORA, folder, None)
        self.lines: Sequence[bytes] = path.read_bytes().splitlines()

    def citysoc(self, *arguments: str) -> str:
        """What a command says about the installation, whatever servers it is on."""
        config = str(self.installation.data / "settings.in-force.yml")
        done = citysoc(*arguments, "--config", config)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def door(self, tenant: str, kind: str, name: str) -> Door:
        """The door of a new source, once it is open; the doors look for sources once a second."""
        made = json.loads(self.citysoc("source", "add", tenant, kind, "--name", name))
        door = Door(made["endpoints"]["http"], made["token"])
        wait_for(lambda: door.post(b"") != 401)
        return door

    def requests(self) -> Iterator[bytes]:
        """The windows stream as compressed requests."""
        for start in range(0, len(self.lines), EVENTS_A_REQUEST):
            yield gzip.compress(b"\n".join(self.lines[start : start + EVENTS_A_REQUEST]), 1)

    def waiting(self) -> Mapping[str, int]:
        """Records that each group has still to read."""
        while True:
            with contextlib.suppress(Overloaded):
                return {name: lag.records for name, lag in self.bus.group_lag().items()}

    def processes(self) -> Mapping[str, Sequence[int]]:
        """The processes of each stage and server."""
        found = {name: [pid] for name, pid in self.installation.pids().items()}
        servers = self.installation.data / "servers" / "pids.json"
        if servers.exists():
            for name, pid in json.loads(servers.read_text()).items():
                found[name] = [pid, *_children(pid)]
        return found

    def processor_seconds(self) -> dict[str, float]:
        """What each stage and server has used so far."""
        return {
            name: sum(_processor_seconds(pid) for pid in pids)
            for name, pids in self.processes().items()
        }

    def memory(self) -> dict[str, int]:
        """Bytes of each stage's memory that are its own: file pages and shared ones left out."""
        pids = self.installation.pids().items()
        return {name: size for name, pid in pids if (size := _own_memory(pid))}

    def stop(self) -> None:
        """End it."""
        self.installation.stop()


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _children(parent: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat(pid)[1:2] == [str(parent)]]


def _own_memory(pid: int | None) -> int:
    """0 for a stage that is about to be started again."""
    try:
        words = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    resident, shared = int(words[1]), int(words[2])
    return (resident - shared) * PAGE
