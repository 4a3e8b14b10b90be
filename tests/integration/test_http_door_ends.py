"""How the HTTP door ends, by a clean stop, a kill or a bug: what was answered 202 is kept."""

import contextlib
import http.client
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collectors.bus.embedded import EmbeddedBus
from collectors.stage import Ports
from tests.integration.door_kit import Doors, Sender, make_bus, read_events, wait_for
from tests.leash import leashed

ROOT = Path(__file__).parents[2]
GOOD = b'{"a":1}\n{"a":2}\n'


def test_a_clean_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    bus = make_bus(tmp_path / "bus.db")
    running = Doors(bus)
    running.start()
    body = b'{"a":1}\n' * 5_000

    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(running.post, body) for _ in range(8)]
        wait_for(lambda: any(each.done() for each in posts))
        begun = time.monotonic()
        running.stop()
        took = time.monotonic() - begun
        taken = [each for each in posts if each.exception() is None and each.result()[0] == 202]

    assert took < 5
    assert taken
    assert len(read_events(bus, "bank")) >= 5_000 * len(taken)
    bus.close()


SERVE = """
import sys, threading
from pathlib import Path
from tests.integration.door_kit import make_bus, route
from collectors.route import RouteTable
from collectors.stage import run_collectors
bus = make_bus(Path(sys.argv[1]))
bus.broken = "broken" in sys.argv
run_collectors(
    bus,
    RouteTable([route("bank", "web")]),
    ingest_port=0,
    syslog_port=0,
    stop=threading.Event(),
    ready=lambda ports: print(ports.ingest, flush=True),
)
"""


def test_what_was_answered_202_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    kept = 0
    for round_ in range(2):
        with subprocess.Popen(
            leashed([sys.executable, "-c", SERVE, str(path)]), cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                sender = Sender(Ports(int(process.stdout.readline()), {}))
                for number in range(5):
                    status, said = sender.post(b'{"round":%d,"n":%d}' % (round_, number))
                    assert status == 202
                    kept += said["accepted"]
            finally:
                process.kill()

    assert len(read_events(EmbeddedBus(path), "bank")) == kept == 10


def test_a_bug_behind_the_door_ends_the_stage_and_answers_nobody_202(tmp_path: Path) -> None:
    with subprocess.Popen(
        leashed([sys.executable, "-c", SERVE, str(tmp_path / "bus.db"), "broken"]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            sender = Sender(Ports(int(process.stdout.readline()), {}))
            with contextlib.suppress(OSError, http.client.HTTPException):
                head = {"Authorization": "Bearer bank-web"}
                assert sender.ask("POST", "/ingest/events", GOOD, head)[0] == 500
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()

    assert process.returncode == 1
    assert b"a bug" in errors
    assert read_events(EmbeddedBus(tmp_path / "bus.db"), "bank") == []
