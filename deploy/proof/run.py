"""Runs the proof: a citysoc of its own, real logs through its doors, kills, and the comparison."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import typer

from collectors.bus.contract import Bus
from collectors.sources.ticker import EVERY
from deploy import wiring
from deploy.local.servers import Running
from deploy.proof.compare import (
    Expected,
    SignalReader,
    actual_matches,
    differences,
    expected_matches,
    one_hash,
    read_alerts,
    read_digests,
)
from deploy.proof.console import Witness
from deploy.proof.kill import Killer, kill_in_turn
from deploy.proof.patience import insist
from deploy.proof.staged import STAGED, seen, told, write_staged
from deploy.proof.streams import STREAMS, TENANTS, Stream, send, write_shortened
from deploy.settings import LIBRARY, STAGE_PORTS, DetectionSettings, Settings, WorkerSettings
from detection.alert import Alert
from detection.watermark import GRACE
from rules.counting import read_correlations

RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
QUIET_SECONDS = 600.0
ALL = (*STREAMS, STAGED)


class ProofFailedError(Exception):
    """What does not hold."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof does."""

    corpora: Path
    limit: int | None = None
    """At most so many records of each stream."""
    kills: int = 5
    """Embedded: kills of detection between its output and its commit. Local: 0 for none, else
    detection, broker and indexer are killed in turn."""
    stack: str = "embedded"
    """`embedded`, or `local`: real Kafka, Elasticsearch and PostgreSQL."""
    workers: int = 1
    """Detection processes."""

    @property
    def rules(self) -> Sequence[Path]:
        """Every public rule set, and the library for its correlations."""
        public = [(self.corpora / "sigma-rules" / name).resolve() for name in RULE_SETS]
        return [*public, LIBRARY]


def run_proof(plan: Plan, report: Path) -> int:
    """Prove it and write the report; returns 0 if it holds, 1 if not, 2 without corpora."""
    if not all(folder.is_dir() for folder in plan.rules):
        typer.echo(f"citysoc: no corpora at {plan.corpora}; name their folder: --corpora", err=True)
        return 2
    with tempfile.TemporaryDirectory(prefix="citysoc-proof-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass
        found = _Proof(Path(folder), plan).run()
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(found, indent=2) + "\n")
    typer.echo(json.dumps(found, indent=2))
    return 0 if found["holds"] else 1


def compare_reports(reports: Sequence[Path]) -> int:
    """Say whether runs ended in the same signals and alerts; 0 if so."""
    missing = [str(path) for path in reports if not path.is_file()]
    if missing:
        typer.echo(f"citysoc: no report at {', '.join(missing)}; run the proof first", err=True)
        return 2
    found = {path: json.loads(path.read_text()) for path in reports}
    for path, each in found.items():
        typer.echo(f"{each['hash']}  {path} ({each['stack']}, {each['workers']} workers)")
    same = len({each["hash"] for each in found.values()}) == 1
    typer.echo("the same signals and alerts" if same else "NOT the same")
    return 0 if same and all(each["holds"] for each in found.values()) else 1


class _Proof:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        (folder / "streams").mkdir()
        self._files = {
            stream.source: write_shortened(stream, plan.corpora, folder / "streams", plan.limit)
            for stream in STREAMS
        }
        self._files[STAGED.source] = write_staged(folder / "streams", datetime.now(UTC))
        self._settings = Settings(
            data=folder / "data",
            port=free_ports(),
            detection=DetectionSettings(rules=tuple(plan.rules)),
            workers=WorkerSettings(detection=plan.workers),
        )
        self._servers: Running | None = None

    def run(self) -> dict[str, Any]:
        """Everything that was seen; `holds` says whether all of it is as it must be."""
        _say("running the same rules over the same files with `citysoc detect`")
        expected = expected_matches(self._files, self._plan.rules)
        with contextlib.ExitStack() as closing:
            if self._plan.stack == "local":
                self._use_servers(closing)
            password = closing.enter_context(self._running())
            doors = self._onboard()
            bus = wiring.open_bus(self._settings)
            reader = insist(lambda: SignalReader(bus))
            closing.callback(reader.close)
            began = time.monotonic()
            with ThreadPoolExecutor(1) as beside:
                sending = beside.submit(self._send, doors)
                attacked = self._attack(bus, reader)
                sending.result()
            await_quiet(bus)
            seconds = time.monotonic() - began
            _say("waiting until all windows are decided")
            time.sleep(GRACE + 2 * EVERY)
            await_quiet(bus)
            reader.read_to_the_end()
            witness = Witness(self._settings, password)
            seen = self._judge(expected, reader, witness, read_alerts(bus))
        holds = seen["holds"] and attacked.pop("done")
        return {**seen, **attacked, "holds": holds, "seconds": round(seconds, 1)}

    def _use_servers(self, closing: contextlib.ExitStack) -> None:
        _say("starting Kafka, Elasticsearch and PostgreSQL")
        from deploy.local.servers import start
        from deploy.local.stack import local_settings

        self._servers = start(self._folder / "servers", lasting=False)
        closing.callback(self._servers.stop)
        self._settings.data.mkdir()
        self._settings = local_settings(self._settings, self._servers)

    def _attack(self, bus: Bus, reader: SignalReader) -> dict[str, Any]:
        """Kill as planned; what was done."""
        kills = self._plan.kills
        if self._servers is None:
            killer = Killer(self._settings.data, bus, reader)
            killer.kill_until(kills)
            return {
                "done": killer.with_redelivery >= kills,
                "kills": killer.kills,
                "kills_with_lag_and_redelivery": killer.with_redelivery,
            }
        waiting = kill_in_turn(self._settings.data, bus, self._restart_broker) if kills else {}
        return {"done": all(waiting.values()), "records_waiting_at_kills": waiting}

    def _restart_broker(self) -> None:
        if self._servers is not None:
            self._servers.kill("kafka")
            self._servers.restart("kafka")

    def _judge(
        self, expected: Expected, reader: SignalReader, witness: Witness, alerts: Sequence[Alert]
    ) -> dict[str, Any]:
        sent = {source: len(read_digests(path)) for source, path in self._files.items()}
        events = {tenant: witness.events(tenant) for tenant in TENANTS}
        contents = {event: text for each in events.values() for event, (_, text) in each.items()}
        found: dict[str, int] = dict.fromkeys(sent, 0)
        for each in events.values():
            for source, _ in each.values():
                found[source] += 1
        signals = reader.signals.values()
        actual = actual_matches(signals, contents)
        different = differences(expected.matches, actual)
        correlations = {each.info.id for each in read_correlations(self._plan.rules)}
        beside = [each for each in alerts if each.rule in correlations or each.unusual]
        queue = witness.queue(signals, beside)
        wanted = told(expected.findings.get(STAGED.source, ()))
        findings = seen(alerts, correlations)
        correct = not different and found == sent and not queue.faults
        return {
            "holds": correct and wanted == findings,
            "stack": self._plan.stack,
            "workers": self._plan.workers,
            "hash": one_hash(
                Counter({key: n for key, n in actual.items() if key[0] != STAGED.source}),
                [each for each in alerts if STAGED.source not in each.sources],
                findings,
            ),
            "events_sent": sent,
            "events_found_in_search_once": found,
            "matches_expected": expected.matches.total(),
            "signals_once": len(reader.signals),
            "signals_redelivered": reader.again,
            "differences": different,
            "findings_expected": {f"{rule} of {n}": times for (rule, n), times in wanted.items()},
            "findings": {f"{rule} of {n}": times for (rule, n), times in findings.items()},
            "alerts": len(alerts),
            "alert_items": queue.items,
            "alert_items_on_pages": queue.on_pages,
            "queue_faults": queue.faults,
        }

    @contextlib.contextmanager
    def _running(self) -> Iterator[str]:
        """`citysoc up` as a process of its own; yields the administrator's password."""
        self._config = self._folder / "settings.yml"
        self._config.write_text(self._settings.dump())
        command = [sys.executable, "-m", "deploy", "up", "--config", str(self._config)]
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
        return {stream.source: self._add_source(stream) for stream in ALL}

    def _add_source(self, stream: Stream) -> dict[str, Any]:
        kind = stream.kind
        made = self._citysoc("source", "add", stream.tenant, kind, "--name", stream.source)
        if stream.body != "syslog":
            return {"url": made["endpoints"]["http"], "token": made["token"]}
        host, _, port = made["endpoints"]["syslog"].rpartition(":")
        _await_port(host, int(port))
        return {"host": host, "port": int(port)}

    def _citysoc(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return json.loads(done.stdout)

    def _send(self, doors: Mapping[str, dict[str, Any]]) -> None:
        _say("sending")
        total = threading.Semaphore(0)

        def one(stream: Stream) -> None:
            send(stream, self._files[stream.source], doors[stream.source], total.release)

        with ThreadPoolExecutor(len(ALL)) as senders:
            for done in [senders.submit(one, stream) for stream in ALL]:
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
        lags = insist(bus.group_lag)
        waiting = sum(lag.records for name, lag in lags.items() if not name.startswith("proof"))
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
    """A port whose neighbours, as many as an installation needs, are free too.

    Below those of the local servers, and of what the system hands to clients; 10080, which browsers
    refuse, is none. Processes begin to look at different ones, so that two don't take the same.
    """
    offsets = (*STAGE_PORTS.values(), *range(10, 14))
    bases = range(9_010, 13_000, 20)
    own = os.getpid() % len(bases)
    for base in itertools.chain(bases[own:], bases[:own]):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for offset in offsets:
                probe = held.enter_context(socket.socket())
                probe.bind(("127.0.0.1", base + offset))
            return base
    raise ProofFailedError("no free ports")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        typer.echo(text, err=True)
