"""The folder that a set of local servers lives in: its ports, its passwords, its pids."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.local import ports, process

PORTS = {
    "kafka": ("kafka", "kafka_sasl", "kafka_tls", "kafka_controller"),
    "elasticsearch": ("elasticsearch", "elasticsearch_transport"),
    "postgresql": ("postgresql",),
}
SECRETS = ("kafka", "postgresql", "postgresql_superuser")
KEEPER = "keeper"


class Place:
    """What is remembered of the servers of one folder; made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._state = self.folder / "servers.json"
        self._pids = self.folder / "pids.json"
        self._lock = self.folder / "lock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone in this folder: others who start or stop here wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Servers that run under another account pass through, but can't list it.
        self.folder.chmod(0o711)
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def port(self, name: str) -> int:
        """The port of that name."""
        return int(self._read()["ports"][name])

    def secret(self, name: str) -> str:
        """The password of that name."""
        return str(self._read()["secrets"][name])

    def claim_ports(self, server: str) -> None:
        """Give a server that is about to start its ports: those of last time, if they are free."""
        state = self._read()
        known = state["ports"]
        for name in PORTS[server]:
            if name not in known or not ports.is_free(known[name]):
                taken = set(known.values())
                known[name] = next(port for port in ports.free(len(taken) + 1) if port not in taken)
        _write(self._state, state)

    def pids(self) -> dict[str, int]:
        """The living processes of this folder by name."""
        known = self._known()
        return {name: pid for name, pid in known.items() if process.alive(pid, self.folder)}

    def remember(self, name: str, pid: int) -> None:
        """Note that a process runs."""
        _write(self._pids, self._known() | {name: pid})

    def forget(self, name: str) -> None:
        """Note that a process has ended."""
        left = {other: pid for other, pid in self._known().items() if other != name}
        if left:
            _write(self._pids, left)
        else:
            self._pids.unlink(missing_ok=True)

    def _known(self) -> dict[str, int]:
        try:
            known: dict[str, int] = json.loads(self._pids.read_text())
        except FileNotFoundError:
            return {}
        return known

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            state = {"ports": {}, "secrets": {name: secrets.token_urlsafe(18) for name in SECRETS}}
            _write(self._state, state)
        return state


def _write(path: Path, value: Mapping[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file)
    fresh.replace(path)
