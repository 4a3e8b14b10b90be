"""Days of a harbour's lifts in a file, judged by a replay, for tests of the anomaly model."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors.codec import dumps
from detection.anomaly.profile import read
from detection.anomaly.replay import Replay
from detection.anomaly.watch import Judged

START = 1_764_201_600.0
DAY, HOUR = 86400.0, 3600.0
HOSTS, BUDGET = 12, 5.0
PROFILE = read(
    b"{entity: host, kind: host, window: 1h, bytes: size,"
    b" facets: {type: kind, change: {follows: kind}}}",
    "doors",
)
ATTACK = ("implant", "beacon", "exfiltrate", "wipe", "ransom", "encrypt")
COMMON = ("open", "close", "check", "tick", "lift", "lower")

Event = dict[str, Any]


def event(at: float, host: int, kind: str, size: float = 100.0) -> Event:
    return {"time": at, "host": f"lift-{host:02}", "kind": kind, "size": size}


def ordinary(days: float, *, busy: int = 8, new: float = 0.03) -> Iterator[Event]:
    """Each host does up to `busy` common things an hour; a share is what none did before."""
    chance = random.Random(7)
    for hour in range(int(days * 24)):
        for host in range(HOSTS):
            for _ in range(1 + chance.randrange(busy)):
                rare = chance.random() < new
                kind = f"rare-{chance.getrandbits(40)}" if rare else chance.choice(COMMON)
                at = START + hour * HOUR + chance.random() * HOUR
                yield event(at, host, kind, chance.lognormvariate(5, 1))


def burst(day: float, host: int, *kinds: str) -> list[Event]:
    """Something at a moment of a day that is counted from 0."""
    at = START + day * DAY
    return [event(at + 10.0 * number, host, kind) for number, kind in enumerate(kinds)]


def judged(folder: Path, events: list[Event], budget: float = BUDGET) -> list[Judged]:
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(map(dumps, events)))
    return list(Replay("docks", PROFILE, budget=budget).run([path]))


def at_hour(found: list[Judged], day: float, host: int) -> Judged:
    start = (START + day * DAY) // HOUR * HOUR
    return window(found, f"lift-{host:02}", start)


def window(found: list[Judged], entity: str, start: float) -> Judged:
    """The one window of an entity that starts then."""
    [wanted] = [
        each for each in found if each.behaviour.entity == entity and each.behaviour.start == start
    ]
    return wanted
