"""Marker events among others: when each was sent, stood in the queue, and was found by search."""

import json
import statistics
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from deploy import wiring
from tenants.access import OPERATOR
from tenants.store.filter import Filter
from tenants.triage.desk import Desk
from tests.bench.city import City, Door

EVERY = 0.25
"""Seconds between markers; each opens a queue item of its own."""
SEARCH_EVERY = 0.05
"""Seconds between two looks of the searcher: what it adds to a latency at most."""
FOUND_WITHIN = 120.0


class Steady:
    """Sends events at a steady rate until it is stopped."""

    def __init__(self, door: Door, lines: Sequence[bytes], rate: float) -> None:
        self._door, self._lines, self._rate = door, lines, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        size = max(20, min(200, int(self._rate / 20)))
        began = time.monotonic()
        while not self._stop.is_set():
            start = self.sent % (len(self._lines) - size)
            self._door.insist(b"\n".join(self._lines[start : start + size]))
            self.sent += size
            self._stop.wait(max(0.0, began + self.sent / self._rate - time.monotonic()))


class Markers:
    """Sends a marker every EVERY seconds, and searches for one after the other."""

    def __init__(self, city: City, door: Door, tenant: str) -> None:
        self._city, self._door, self._tenant = city, door, tenant
        self._latest = ""
        self._over = threading.Event()
        self.sent: dict[str, float] = {}
        self.found_after: list[float] = []

    def run(self, seconds: float) -> None:
        """Send for so long."""
        searcher = threading.Thread(target=self._search)
        searcher.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            host = f"m-{uuid.uuid4().hex[:12]}"
            event = {
                "message": "benchmark-marker",
                "hostname": host,
                "logsource": {"product": "linux", "service": "sshd"},
            }
            self.sent[host] = time.time()
            self._door.insist(json.dumps(event).encode())
            self._latest = host
            time.sleep(EVERY)
        self._over.set()
        searcher.join()

    def queued_after(self) -> list[float]:
        """Seconds from socket to queue of every marker."""
        desk = Desk(wiring.open_database(self._city.settings), OPERATOR)
        listed = self._city.citysoc("alerts", "list", "--tenant", self._tenant, "--json")
        arrived = {
            item["entity"]["name"]: _since_1970(desk.history(item["id"])[0].time)
            for item in map(json.loads, listed.splitlines())
            if item["title"] == "A marker of the benchmark"
        }
        missing = self.sent.keys() - arrived.keys()
        assert not missing, f"{len(missing)} of {len(self.sent)} markers raised no alert"
        return [arrived[host] - sent for host, sent in self.sent.items()]

    def _search(self) -> None:
        store = wiring.open_store(self._city.settings)
        events = store.bind(self._tenant)
        looked_for = ""
        while not self._over.is_set():
            host = self._latest
            if host == looked_for:
                self._over.wait(SEARCH_EVERY)
                continue
            looked_for, began = host, self.sent[host]
            query = Filter.parse(f"hostname:{host}")
            while not events.search(query, limit=1).events:
                assert time.time() < began + FOUND_WITHIN, f"{host} is not found by search"
                time.sleep(SEARCH_EVERY)
            self.found_after.append(time.time() - began)
        store.close()


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """How they are spread."""
    ordered = sorted(seconds)
    return {
        "markers": len(ordered),
        "p50_seconds": round(statistics.median(ordered), 3),
        "p99_seconds": round(ordered[int(len(ordered) * 0.99)], 3),
        "max_seconds": round(ordered[-1], 3),
    }


def _since_1970(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
