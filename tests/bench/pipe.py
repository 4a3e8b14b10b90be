"""End to end on one machine: events/s to signals and through everything, and how late they are.

python -m tests.bench.pipe [SECONDS] [embedded|local] [RATE] – needs the corpora; prints one JSON
object. With `local` it runs on real Kafka, Elasticsearch and PostgreSQL. RATE is events/s beside
which the time from socket to queue and to search is taken.
"""

import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.proof.streams import TENANTS
from tests.bench.city import PATIENCE, WINDOWS, City, Door
from tests.bench.machine import machine
from tests.bench.markers import Markers, Steady, summary

SENDERS = 4
"""Sources that the events come from, to three tenants; each sends the windows stream."""
LOOK = 0.2
FED_BY = {
    "correlation": "detection",
    "triage": "correlation",
    "anomaly-behaviour": "anomaly",
    "anomaly-alerts": "anomaly-behaviour",
}
"""Which group writes what this one reads, where it is not the doors."""


def main(seconds: float, stack: str, rate: float) -> None:
    """Measure, and print the report."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, too
    with tempfile.TemporaryDirectory(prefix="citysoc-bench-") as folder:
        city = City(Path(folder), stack)
        try:
            report = machine(WINDOWS)
            report["command"] = f"python -m tests.bench.pipe {seconds:.0f} {stack} {rate:.0f}"
            requests = list(city.requests())
            doors = [city.door(TENANTS[n % 3], "windows", f"bench{n}") for n in range(SENDERS)]
            _flood(city, doors[:1], requests)  # compilers and caches are warm afterwards
            report["throughput"] = _flood(city, doors, requests)
            report["latency"] = _latency(city, seconds, rate)
        finally:
            city.stop()
    print(json.dumps(report, indent=2))


def _flood(city: City, doors: Sequence[Door], requests: Sequence[bytes]) -> dict[str, Any]:
    """Send the stream through each door as fast as it is taken, until every stage has done it."""
    before = city.processor_seconds()
    began = time.monotonic()
    threads = [threading.Thread(target=_send, args=(door, requests)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - began
    done = _await_groups(city, began)
    events = len(doors) * len(city.lines)
    after = city.processor_seconds()
    return {
        "events": events,
        "accepted_per_second": round(events / accepted),
        "door_to_signal_per_second": round(events / done["detection"]),
        "through_everything_per_second": round(events / max(done.values())),
        "seconds_until_done": {name: round(seconds, 2) for name, seconds in done.items()},
        "processor_seconds": {name: round(after[name] - before[name], 1) for name in before},
    }


def _send(door: Door, requests: Sequence[bytes]) -> None:
    for body in requests:
        door.insist(body, zipped=True)


def _await_groups(city: City, began: float) -> Mapping[str, float]:
    """Seconds until each group had done all that what feeds it had made.

    A group is done at the first look that finds nothing left once its feeder is done: ticks go
    on for ever, and must not count as work again.
    """
    done: dict[str, float] = {}
    while True:
        waiting = city.waiting()
        now = time.monotonic() - began
        for name in sorted(waiting, key=_place):
            if not waiting[name] and FED_BY.get(name, name) in {name, *done}:
                done.setdefault(name, now)
        if len(done) == len(waiting):
            return done
        assert now < PATIENCE, f"still waiting: {waiting}"
        time.sleep(LOOK)


def _place(group: str) -> int:
    """How many groups stand between the events and this one."""
    return 1 + _place(FED_BY[group]) if group in FED_BY else 0


def _latency(city: City, seconds: float, rate: float) -> dict[str, Any]:
    steady = Steady(city.door("council", "windows", "steady"), city.lines, rate)
    markers = Markers(city, city.door("school", "json", "markers"), "school")
    before = city.processor_seconds()
    began = time.monotonic()
    with steady:
        markers.run(seconds)
    lasted = time.monotonic() - began
    behind = max(_await_groups(city, time.monotonic()).values())
    after = city.processor_seconds()
    return {
        "beside_events_per_second": round(steady.sent / lasted),
        "seconds_behind_at_the_end": round(behind, 2),
        "socket_to_queue": summary(markers.queued_after()),
        "door_to_search": summary(markers.found_after),
        "processor_seconds": {name: round(after[name] - before[name], 1) for name in before},
    }


if __name__ == "__main__":
    asked = dict(enumerate(sys.argv[1:]))
    main(float(asked.get(0, 30)), asked.get(1, "embedded"), float(asked.get(2, 2_500)))
