"""Minutes at a steady rate while stages are killed: nothing lost, nothing doubled, memory bounded.

python -m tests.bench.soak [SECONDS] [embedded|local] [RATE] – needs the corpora; prints one JSON
object, and fails where something does not hold. In the first third of the time one stage after the
other is killed; in the second half no stage's memory may grow by more than GROWTH and SLACK.
"""

import itertools
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import wiring
from tenants.store.filter import Filter
from tests.bench.city import PATIENCE, WINDOWS, City
from tests.bench.machine import machine
from tests.bench.markers import Markers, Steady, summary

KILLED = ("detection", "indexer", "correlation", "serve")
GROWTH = 1.15
SLACK = 24 << 20
"""Bytes: an allocator's grain, beside which a small stage's share means little."""
LOOK = 1.0


class Watch:
    """Looks at each stage's memory every second, and kills one stage after the other at first."""

    def __init__(self, city: City, seconds: float) -> None:
        self._city, self._seconds = city, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.samples: list[Mapping[str, int]] = []
        self.kills: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self._over.set()
        self._thread.join()

    def settled(self) -> dict[str, tuple[int, int]]:
        """Bytes of each stage in the third and in the last quarter of the time, medians."""
        half = self.samples[len(self.samples) // 2 :]
        third, last = half[: len(half) // 2], half[len(half) // 2 :]
        return {
            name: (_median(third, name), _median(last, name))
            for name in sorted(set.intersection(*(set(sample) for sample in half)))
        }

    def _look(self) -> None:
        victims = itertools.cycle(KILLED)
        every = self._seconds / 3 / len(KILLED)
        began = time.monotonic()
        due = began + every / 2
        while not self._over.wait(LOOK):
            self.samples.append(self._city.memory())
            now = time.monotonic()
            if due <= now < began + self._seconds / 3:
                self._kill(next(victims))
                due += every

    def _kill(self, stage: str) -> None:
        os.kill(self._city.installation.pids()[stage], signal.SIGKILL)
        self.kills.append(stage)


def main(seconds: float, stack: str, rate: float) -> int:
    """Soak, and print the report; 0 where all of it holds."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what was started, too
    with tempfile.TemporaryDirectory(prefix="citysoc-soak-") as folder:
        city = City(Path(folder), stack)
        try:
            report = _soak(city, seconds, rate)
        finally:
            city.stop()
    report = {
        **machine(WINDOWS),
        "command": f"python -m tests.bench.soak {seconds:.0f} {stack} {rate:.0f}",
        **report,
    }
    print(json.dumps(report, indent=2))
    return 0 if report["holds"] else 1


def _soak(city: City, seconds: float, rate: float) -> dict[str, Any]:
    steady = Steady(city.door("council", "windows", "steady"), city.lines, rate)
    markers = Markers(city, city.door("school", "json", "markers"), "school")
    watch = Watch(city, seconds)
    watch.start()
    with steady:
        markers.run(seconds)
    watch.stop()
    behind = _await_quiet(city)
    store = wiring.open_store(city.settings)
    stored = store.bind("council").count(Filter.parse(""))
    store.close()
    settled = watch.settled()
    grown = [name for name, (then, now) in settled.items() if now > then * GROWTH + SLACK]
    return {
        "holds": stored == steady.sent and not grown and len(watch.kills) == len(KILLED),
        "events": steady.sent,
        "events_in_search": stored,
        "killed": watch.kills,
        "seconds_behind_at_the_end": round(behind, 1),
        "megabytes_third_and_last_quarter": {
            name: [then >> 20, now >> 20] for name, (then, now) in settled.items()
        },
        "grown": grown,
        "socket_to_queue": summary(markers.queued_after()),
    }


def _await_quiet(city: City) -> float:
    """Seconds until every group has read everything."""
    began = time.monotonic()
    while any(waiting := city.waiting().values()):
        assert time.monotonic() < began + PATIENCE, f"still waiting: {list(waiting)}"
        time.sleep(LOOK)
    return time.monotonic() - began


def _median(samples: Sequence[Mapping[str, int]], name: str) -> int:
    return int(statistics.median(sample[name] for sample in samples))


if __name__ == "__main__":
    asked = dict(enumerate(sys.argv[1:]))
    sys.exit(main(float(asked.get(0, 180)), asked.get(1, "embedded"), float(asked.get(2, 1_000))))
