"""Runs the proof: a citysoc of its own, real logs through its doors, kills, and the comparison."""

import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import typer
import yaml

from collectors.bus.contract import Bus
from collectors.bus.embedded import EmbeddedBus
from deploy import wiring
from deploy.proof.compare import (
    Matches,
    SignalReader,
    actual_matches,
    differences,
    expected_matches,
    read_digests,
)
from deploy.proof.console import Witness
from deploy.proof.kill import Killer
from deploy.proof.streams import STREAMS, TENANTS, Stream, send, write_shortened
from deploy.settings import STAGE_PORTS, Settings

RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
QUIET_SECONDS = 600.0


class ProofFailedError(Exception):
    """What does not hold."""


def run_proof(corpora: Path, *, kills: int, limit: int | None, report: Path) -> int:
    """Prove it and write the report; returns 0 if it holds, 1 if not, 2 without corpora."""
    rules = [corpora / "sigma-rules" / name for name in RULE_SETS]
    if not all(folder.is_dir() for folder in rules):
        typer.echo(f"citysoc: no corpora at {corpora}; name their folder: --corpora", err=True)
        return 2
    with tempfile.TemporaryDirectory(prefix="citysoc-proof-") as folder:
        found = _Proof(Path(folder), corpora, rules, kills, limit).run()
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n")
    typer.echo(json.dumps(found, indent=2))
    return 0 if found["holds"] else 1


class _Proof:
    def __init__(
        self, folder: Path, corpora: Path, rules: list[Path], kills: int, limit: int | None
    ) -> None:
        self._folder = folder
        self._rules = rules
        self._kills = kills
        (folder / "streams").mkdir()
        self._files = {
            stream.source: write_shortened(stream, corpora, folder / "streams", limit)
            for stream in STREAMS
        }
        self._settings = Settings(data=folder / "data", port=free_ports())
        self._config = folder / "settings.yml"
        self._config.write_text(
            yaml.safe_dump({"detection": {"rules": [str(path.resolve()) for path in rules]}})
        )

    def run(self) -> dict[str, Any]:
        """Everything that was seen; `holds` says whether all of it is as it must be."""
        with ThreadPoolExecutor(1) as beside:
            _say("running the same rules over the same files with `citysoc detect`")
            expected = expected_matches(self._files, self._rules)
            with self._running() as password:
                doors = self._onboard()
                bus = EmbeddedBus(self._settings.data / wiring.BUS_FILE)
                reader = SignalReader(bus)
                began = time.monotonic()
                sending = beside.submit(self._send, doors)
                killer = Killer(self._settings.data, bus, reader)
                killer.kill_until(self._kills)
                sending.result()
                await_quiet(bus)
                seconds = time.monotonic() - began
                reader.read_to_the_end()
                witness = Witness(self._settings, password)
                return self._judge(expected, reader, witness, killer, seconds)

    def _judge(
        self,
        expected: Matches,
        reader: SignalReader,
        witness: Witness,
        killer: Killer,
        seconds: float,
    ) -> dict[str, Any]:
        sent = {source: len(read_digests(path)) for source, path in self._files.items()}
        events = {tenant: witness.events(tenant) for tenant in TENANTS}
        contents = {event: text for each in events.values() for event, (_, text) in each.items()}
        found: dict[str, int] = dict.fromkeys(sent, 0)
        for each in events.values():
            for source, _ in each.values():
                found[source] += 1
        signals = reader.signals.values()
        different = differences(expected, actual_matches(signals, contents))
        queue = witness.queue(signals)
        holds = not different and found == sent and not queue.faults
        holds = holds and killer.with_redelivery >= self._kills
        return {
            "holds": holds,
            "events_sent": sent,
            "events_found_in_search_once": found,
            "matches_expected": expected.total(),
            "signals_once": len(reader.signals),
            "signals_redelivered": reader.again,
            "differences": different,
            "alert_items": queue.items,
            "alert_items_on_pages": queue.on_pages,
            "queue_faults": queue.faults,
            "kills": killer.kills,
            "kills_with_lag_and_redelivery": killer.with_redelivery,
            "seconds": round(seconds, 1),
        }

    @contextlib.contextmanager
    def _running(self) -> Iterator[str]:
        """`citysoc up` as a process of its own; yields the administrator's password."""
        command = [sys.executable, "-m", "deploy", "up", "--config", str(self._config)]
        command += ["--data", str(self._settings.data), "--port", str(self._settings.port)]
        _say(f"starting {' '.join(command[2:])}")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            yield _read_password(process)
        finally:
            process.terminate()
            process.wait(30)

    def _onboard(self) -> Mapping[str, dict[str, Any]]:
        """Tenants and sources by the command line; returns each source's door."""
        for tenant in TENANTS:
            self._citysoc("tenant", "add", tenant)
        return {stream.source: self._add_source(stream) for stream in STREAMS}

    def _add_source(self, stream: Stream) -> dict[str, Any]:
        kind = stream.kind
        made = self._citysoc("source", "add", stream.tenant, kind, "--name", stream.source)
        if stream.body != "syslog":
            return {"url": made["endpoints"]["http"], "token": made["token"]}
        host, _, port = made["endpoints"]["syslog"].rpartition(":")
        _await_port(host, int(port))
        return {"host": host, "port": int(port)}

    def _citysoc(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "deploy", *arguments, "--data", str(self._settings.data)]
        command += ["--port", str(self._settings.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return json.loads(done.stdout)

    def _send(self, doors: Mapping[str, dict[str, Any]]) -> None:
        _say("sending")
        total = threading.Semaphore(0)

        def one(stream: Stream) -> None:
            send(stream, self._files[stream.source], doors[stream.source], total.release)

        with ThreadPoolExecutor(len(STREAMS)) as senders:
            for done in [senders.submit(one, stream) for stream in STREAMS]:
                done.result()
        _say("all sent")


def _read_password(process: subprocess.Popen[str]) -> str:
    """From what `up` prints at its first start."""
    output = process.stdout
    if output is None:
        raise ProofFailedError("citysoc up has no output")
    password = ""
    for line in output:
        if "password" in line and "admin" in line:
            password = line.split("password")[1].split()[0]
        if "Ctrl-C" in line:
            threading.Thread(target=output.read, daemon=True).start()
            return password
    raise ProofFailedError("citysoc up did not start; run it by hand to see why")


def await_quiet(bus: Bus) -> None:
    """Wait until every group has read everything."""
    deadline = time.monotonic() + QUIET_SECONDS
    quiet = 0
    while quiet < 4:
        waiting = sum(lag.records for group, lag in bus.group_lag().items() if group != "proof")
        quiet = quiet + 1 if not waiting else 0
        if time.monotonic() > deadline:
            raise ProofFailedError(f"{waiting} records still unread after {QUIET_SECONDS:.0f} s")
        time.sleep(0.25)


def _await_port(host: str, port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise ProofFailedError(f"no door at {host}:{port}: {error}") from error
            time.sleep(0.1)
        else:
            return


def free_ports() -> int:
    """A port whose neighbours, as many as an installation needs, are free too."""
    offsets = (*STAGE_PORTS.values(), *range(10, 14))
    for base in random.SystemRandom().sample(range(20_000, 60_000, 20), 500):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for offset in offsets:
                probe = held.enter_context(socket.socket())
                probe.bind(("127.0.0.1", base + offset))
            return base
    raise ProofFailedError("no free ports")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        typer.echo(text, err=True)
