"""End to end on one machine: events/s through everything, and the time from socket to queue.

python -m tests.bench.pipe [SECONDS] [local] – needs the corpora; prints one JSON object. With
`local` it runs on real Kafka, Elasticsearch and PostgreSQL.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy import wiring
from deploy.proof.run import RULE_SETS, await_quiet, free_ports
from deploy.proof.streams import STREAMS, TENANTS, send, write_shortened
from deploy.settings import Settings
from tenants.access import OPERATOR
from tenants.triage.desk import Desk
from tests.bench.machine import machine
from tests.e2e.installation import Installation, citysoc, wait_for

ROOT = Path(__file__).parents[2]
MARKER = """title: A marker of the benchmark
id: 2d1c8f0e-7777-4a53-9d0d-2f2f3d7c2222
level: high
logsource: {product: linux, service: sshd}
detection:
  selection: {message: benchmark-marker}
  condition: selection
"""
LIST = ("alerts", "list", "--tenant", "school", "--json")
REPEATS = 4
"""The windows stream is sent so often: 120,000 events."""


def main(seconds: float, stack: str) -> None:
    corpora = ROOT.parent / "shared" / "corpora"
    with tempfile.TemporaryDirectory(prefix="citysoc-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL's own user has to pass
        city = _start(Path(folder), corpora, stack)
        try:
            report = machine(corpora / "streams" / "windows.ndjson.gz")
            report["command"] = f"python -m tests.bench.pipe {seconds:.0f} {stack}"
            report["throughput"] = throughput = _throughput(city, Path(folder), corpora)
            rate = throughput["events_per_second"] / 2
            report["latency"] = _latency(city, Path(folder), corpora, rate, seconds)
        finally:
            city.stop()
    print(json.dumps(report, indent=2))


def _start(folder: Path, corpora: Path, stack: str) -> Installation:
    rules = folder / "marker.yml"
    rules.write_text(MARKER)
    config = folder / "settings.yml"
    sets = [str((corpora / "sigma-rules" / name).resolve()) for name in RULE_SETS]
    config.write_text(json.dumps({"detection": {"rules": [*sets, str(rules)]}}))
    more = ("--stack", "local") if stack == "local" else ()
    return Installation(folder / "data", free_ports(), "--config", str(config), *more)


def _settings(city: Installation) -> Settings:
    return Settings.load(city.data / "settings.in-force.yml")


def _throughput(city: Installation, folder: Path, corpora: Path) -> dict[str, Any]:
    """The windows stream, one copy a tenant and source, until every stage has done all of it."""
    path = write_shortened(STREAMS[0], corpora, folder, None)
    doors = [_door(city, TENANTS[copy % 3], "windows", f"bench{copy}") for copy in range(REPEATS)]
    bus = wiring.open_bus(_settings(city))
    began = time.monotonic()
    threads = [
        threading.Thread(target=send, args=(STREAMS[0], path, door, lambda _: None))
        for door in doors
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - began
    await_quiet(bus)
    everywhere = time.monotonic() - began - 1.0  # await_quiet looks on for a second
    events = REPEATS * len(path.read_bytes().splitlines())
    return {
        "events": events,
        "seconds_to_accept": round(accepted, 2),
        "seconds_through_everything": round(everywhere, 2),
        "events_per_second": round(events / everywhere),
        "processor_seconds_a_stage": _processor_seconds(city),
    }


def _latency(
    city: Installation, folder: Path, corpora: Path, rate: float, seconds: float
) -> dict[str, Any]:
    """A marker every 250 ms among events at `rate`; each opens a queue item of its own."""
    lines = (folder / "windows.ndjson").read_bytes().splitlines()
    door = _door(city, "council", "windows", "steady")
    markers = _door(city, "school", "json", "markers")
    stop = threading.Event()
    sent: dict[str, float] = {}
    load = threading.Thread(target=_steady, args=(door, lines, rate, stop))
    load.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        host = f"m-{uuid.uuid4().hex[:12]}"
        event = {
            "message": "benchmark-marker",
            "hostname": host,
            "logsource": {"product": "linux", "service": "sshd"},
        }
        sent[host] = time.time()
        _post(markers, json.dumps(event).encode())
        time.sleep(0.25)
    stop.set()
    load.join()
    await_quiet(wiring.open_bus(_settings(city)))
    desk = Desk(wiring.open_database(_settings(city)), OPERATOR)
    arrived = {
        item["entity"]["name"]: datetime.fromisoformat(desk.history(item["id"])[0].time).timestamp()
        for item in map(json.loads, _citysoc(city, *LIST).splitlines())
        if item["title"] == "A marker of the benchmark"
    }
    missing = sent.keys() - arrived.keys()
    assert not missing, f"{len(missing)} of {len(sent)} markers raised no alert"
    taken = sorted(arrived[host] - sent[host] for host in sent)
    return {
        "background_events_per_second": round(rate),
        "markers": len(taken),
        "p50_seconds": round(statistics.median(taken), 3),
        "p99_seconds": round(taken[int(len(taken) * 0.99)], 3),
        "max_seconds": round(taken[-1], 3),
    }


def _steady(door: dict[str, Any], lines: list[bytes], rate: float, stop: threading.Event) -> None:
    batch, began, sent = 200, time.monotonic(), 0
    while not stop.is_set():
        start = sent % (len(lines) - batch)
        _post(door, b"\n".join(lines[start : start + batch]))
        sent += batch
        stop.wait(max(0.0, began + sent / rate - time.monotonic()))


def _door(city: Installation, tenant: str, kind: str, name: str) -> dict[str, Any]:
    if name in ("bench0", "bench1", "bench2"):
        _citysoc(city, "tenant", "add", tenant)
    made = json.loads(_citysoc(city, "source", "add", tenant, kind, "--name", name))
    door = {"url": made["endpoints"]["http"], "token": made["token"]}
    wait_for(lambda: _open(door))
    return door


def _citysoc(city: Installation, *arguments: str) -> str:
    """What a command says about the installation, whatever servers it is on."""
    done = citysoc(*arguments, "--config", str(city.data / "settings.in-force.yml"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _open(door: dict[str, Any]) -> bool:
    """Whether the doors know the source yet; they look for new ones once a second."""
    try:
        _post(door, b"")
    except urllib.error.HTTPError as error:
        return error.code != 401
    return True


def _post(door: dict[str, Any], body: bytes) -> None:
    headers = {"Authorization": f"Bearer {door['token']}"}
    with urllib.request.urlopen(urllib.request.Request(door["url"], body, headers), timeout=60):
        pass


def _processor_seconds(city: Installation) -> dict[str, float]:
    times = {}
    for stage, pid in city.pids().items():
        done = subprocess.run(
            ["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True, check=True
        )
        times[stage] = float(done.stdout)
    return times


if __name__ == "__main__":
    asked = [*sys.argv[1:], "", ""]
    main(float(asked[0] or 30), asked[1] or "embedded")
