"""Rule sets are switched while two workers are killed again and again: nothing lost or doubled."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from collectors.bus.contract import Partition, Record
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode
from detection.rule_sets import Release
from detection.signal import Signal
from rules.bundle import Bundle
from tenants.access import OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.registry import Registry
from tenants.rule_sets import Figures, RuleSetBook
from tenants.source_kinds import Endpoints

ROOT = Path(__file__).parents[2]
RECORDS = 80
"""Between two releases, a few events each."""
EVENTS = 3
RULE = """title: {title}
id: 0a1b2c3d-0000-4000-8000-00000000000{number}
status: test
logsource: {{product: linux, service: sshd}}
detection:
  selection: {{message|contains: 'root shell'}}
  condition: selection
level: high
"""
WORKER = """
import sys, threading
from pathlib import Path
from collectors.bus.loop import run
from deploy import wiring
from deploy.settings import Settings
from detection.worker import Detection
settings = Settings.load(Path(sys.argv[1]) / "settings.yml")
stop = threading.Event()
bus, registry = wiring.open_bus(settings), wiring.open_registry(settings)
sets = wiring.open_rule_sets(settings, registry)
wiring.follow_releases(registry, sets, stop)
run(bus, Detection(bus, sets, versions=registry), group="detection", topics="events.",
    stage="detection", stop=stop, batch=5)
"""


def test_every_event_is_judged_once_and_by_the_set_in_force_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "first.yml").write_text(RULE.format(title="settings", number=0))
    (tmp_path / "settings.yml").write_text(
        f"data: {tmp_path}\ndetection: {{rules: [{tmp_path / 'first.yml'}]}}\n"
    )
    with (
        contextlib.closing(Database.open(f"sqlite:///{tmp_path / 'triage.sqlite'}")) as database,
        contextlib.closing(EmbeddedBus(tmp_path / "bus.sqlite")) as bus,
    ):
        titles = _history(database, bus)
        expected = _expected(bus, titles)

        _work_under_kills(bus, tmp_path)

        found = [msgspec.json.decode(line, type=Signal) for line in _lines(bus, "signals.")]
        assert list(_lines(bus, "dead.")) == []

    judged: dict[tuple[int, int, int], set[tuple[str, str]]] = {}
    for each in found:
        place = (each.place.partition, each.place.offset, each.place.line)
        named = titles.get(each.ruleset, "settings")
        judged.setdefault(place, set()).add((each.title, named))
    assert judged == {place: {(title, title)} for place, title in expected.items()}
    assert len({each.id for each in found}) == len(expected)
    assert set(expected.values()) == {"settings", "one", "two"}


def _history(database: Database, bus: EmbeddedBus) -> dict[str, str]:
    """Events and releases in turns; returns the title of the rule of each imported version."""
    Onboarding(database, OPERATOR, Endpoints()).add_tenant("school", "Northgate School")
    registry, book = Registry(database), RuleSetBook(database, OPERATOR)
    titles: dict[str, str] = {}

    def imported(title: str, number: int) -> Callable[[], object]:
        bundle = Bundle({"rules/rule.yml": RULE.format(title=title, number=number).encode()})
        titles[bundle.version] = title
        figures = Figures(files=1, rules=1, correlations=0, refused=0, bytes=bundle.size)
        return lambda: book.release(bundle, title, figures)

    registry.publish(bus)
    _send(bus, 0)
    steps = (
        imported("one", 1),
        imported("two", 2),
        book.roll_back,
        lambda: book.roll_back("settings"),
    )
    for number, step in enumerate(steps, 1):
        step()
        registry.publish(bus)
        _send(bus, number)
    return titles


def _send(bus: EmbeddedBus, chapter: int) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for record in range(RECORDS):
            first = (chapter * RECORDS + record) * EVENTS
            value = b"\n".join(map(_event, range(first, first + EVENTS)))
            producer.send("events.school", value, partition=record % 4)


def _event(number: int) -> bytes:
    soc = Soc(
        v=1,
        id=f"{number:032x}",
        tenant="school",
        source="web-1",
        received="2026-11-24T13:47:03.000000Z",
        time="2026-11-24T13:47:03.000000Z",
        logsources=("linux//sshd",),
    )
    return encode({"message": "a root shell"}, soc)


def _expected(bus: EmbeddedBus, titles: dict[str, str]) -> dict[tuple[int, int, int], str]:
    """What the log says by itself: the rule for each place of an event."""
    in_force: dict[Partition, str] = {}
    expected: dict[tuple[int, int, int], str] = {}
    for record in _records(bus, "events."):
        if record.kind == "rules":
            version = msgspec.json.decode(record.value, type=Release).version
            in_force[record.partition] = titles.get(version, "settings")
            continue
        title = in_force.get(record.partition, "settings")
        for line in range(EVENTS):
            expected[record.partition.number, record.offset, line] = title
    return expected


def _work_under_kills(bus: EmbeddedBus, folder: Path) -> None:
    """Two workers; one after the other is killed, each time after some more signals."""
    workers = [_started(folder), _started(folder)]
    try:
        for turn in range(4):
            goal = min(_written(bus) + 20, 5 * RECORDS)
            _wait_for(lambda goal=goal: _written(bus) >= goal or _done(bus))
            workers[turn % 2].kill()
            workers[turn % 2].wait()
            workers[turn % 2] = _started(folder)
        _wait_for(lambda: _done(bus))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, folder], cwd=ROOT, stdout=subprocess.DEVNULL
    )


def _written(bus: EmbeddedBus) -> int:
    return bus.ends("signals.school")[0][1]


def _done(bus: EmbeddedBus) -> bool:
    lag = bus.group_lag().get("detection")
    return lag is not None and lag.records == 0


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        threading.Event().wait(0.01)


def _records(bus: EmbeddedBus, topics: str) -> Iterator[Record]:
    with contextlib.closing(bus.consumer(f"reader of {topics}", topics)) as consumer:
        while records := consumer.poll(0.2):
            yield from records


def _lines(bus: EmbeddedBus, topics: str) -> Iterator[bytes]:
    for record in _records(bus, topics):
        yield from record.value.split(b"\n")
