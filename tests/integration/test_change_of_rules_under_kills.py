"""Rule sets are switched while workers and servers are killed again and again: nothing lost."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
import pytest

from collectors.bus.contract import Bus, Overloaded, Partition, Record
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.kafka import KafkaBus, KafkaSettings
from collectors.event import Soc, encode
from detection.rule_sets import Release
from detection.signal import Signal
from rules.bundle import Bundle
from tenants.access import OPERATOR, Conflict
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.registry import Registry
from tenants.rule_sets import Figures, RuleSetBook
from tenants.source_kinds import Endpoints
from tests.leash import leashed

pytestmark = [
    pytest.mark.usefixtures("refused_sockets"),
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]

ROOT = Path(__file__).parents[2]
WHOLE = os.environ.get("CITYSOC_LONG") == "1"
ROUNDS = 5 if WHOLE else 1
"""How often the same four releases are gone through."""
RECORDS = 240 if WHOLE else 80
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
registry = wiring.open_registry(settings)
sets = wiring.open_rule_sets(settings, registry)
wiring.follow_releases(registry, sets, stop)
{bus}
run(bus, Detection(bus, sets, versions=registry), group="detection", topics="events.",
    stage="detection", stop=stop, batch=5)
"""
EMBEDDED = "bus = wiring.open_bus(settings)"
KAFKA = """
from collectors.bus.kafka import KafkaBus, KafkaSettings
bus = KafkaBus(KafkaSettings(servers={servers!r}, session=2, look=0.5, wait=3))
"""
Result = TypeVar("Result")


class Stack(NamedTuple):
    """Where everything is kept, and what of it can be killed beside the workers."""

    folder: Path
    bus: Bus
    database: Database
    worker: str
    outages: tuple[Callable[[], None], ...] = ()


@pytest.fixture(params=["embedded", "servers"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "first.yml").write_text(RULE.format(title="settings", number=0))
    written = f"data: {tmp_path}\ndetection: {{rules: [{tmp_path / 'first.yml'}]}}\n"
    url, outages = f"sqlite:///{tmp_path / 'triage.sqlite'}", ()
    bus: Bus
    if request.param == "embedded":
        worker = WORKER.format(bus=EMBEDDED)
        bus = EmbeddedBus(tmp_path / "bus.sqlite")
    else:
        running = request.getfixturevalue("own_servers")("kafka", "postgresql")
        (tmp_path / "url").write_text(url := running.postgresql)
        written += f"database: {{url_file: {tmp_path / 'url'}}}\n"
        worker = WORKER.format(bus=KAFKA.format(servers=running.kafka))
        bus = KafkaBus(KafkaSettings(servers=running.kafka, look=0.5, wait=3))
        outages = tuple(_outage(running, name) for name in ("kafka", "postgresql"))
    (tmp_path / "settings.yml").write_text(written)
    with contextlib.closing(Database.open(url)) as database, contextlib.closing(bus):
        yield Stack(tmp_path, bus, database, worker, outages)


def _outage(running: Any, name: str) -> Callable[[], None]:
    def killed() -> None:
        running.kill(name)
        running.restart(name)

    return killed


def test_every_event_is_judged_once_and_by_the_set_in_force_at_its_place(stack: Stack) -> None:
    titles = _history_under_kills(stack)

    expected = _expected(stack.bus, titles)
    found = [msgspec.json.decode(line, type=Signal) for line in _lines(stack.bus, "signals.")]
    assert list(_lines(stack.bus, "dead.")) == []
    judged: dict[tuple[int, int, int], set[tuple[str, str, str]]] = {}
    for each in found:
        place = (each.place.partition, each.place.offset, each.place.line)
        named = titles.get(each.ruleset, "settings")
        judged.setdefault(place, set()).add((each.event, each.title, named))
    assert judged == {place: {(id_, title, title)} for place, (id_, title) in expected.items()}
    assert {title for _, title in expected.values()} == {"settings", "one", "two"}


def _history_under_kills(stack: Stack) -> dict[str, str]:
    """Events and releases in turns, each beside a kill; returns the imported versions' titles."""
    bus, book = stack.bus, RuleSetBook(stack.database, OPERATOR)
    registry = Registry(stack.database)
    Onboarding(stack.database, OPERATOR, Endpoints()).add_tenant("school", "Northgate School")
    bundles = {
        title: Bundle({"rules/rule.yml": RULE.format(title=title, number=number).encode()})
        for number, title in enumerate(("one", "two"), 1)
    }
    steps = (
        lambda: _imported(book, bundles, "one"),
        lambda: _imported(book, bundles, "two"),
        book.roll_back,
        lambda: book.roll_back("settings"),
    ) * ROUNDS
    _insist(lambda: registry.publish(bus))
    _insist(lambda: _send(bus, 0))
    with _Workers(stack) as workers:
        for number, step in enumerate(steps, 1):
            workers.see(20)
            with _beside(stack.outages[number // 2 % 2] if number % 2 and stack.outages else None):
                workers.kill(number % 2)
                _insist(step)
                _insist(lambda: registry.publish(bus))
                _insist(lambda number=number: _send(bus, number))
        workers.finish()
    return {bundle.version: title for title, bundle in bundles.items()}


def _imported(book: RuleSetBook, bundles: dict[str, Bundle], title: str) -> None:
    bundle = bundles[title]
    figures = Figures(files=1, rules=1, correlations=0, refused=0, bytes=bundle.size)
    book.release(bundle, title, figures)


@contextlib.contextmanager
def _beside(outage: Callable[[], None] | None) -> Iterator[None]:
    """What is done within comes while a server is killed and started again."""
    if outage is None:
        yield
        return
    thread = threading.Thread(target=outage)
    thread.start()
    yield
    thread.join(120)
    assert not thread.is_alive()


def _insist(action: Callable[[], Result]) -> Result | None:
    """Do it as soon as the servers can, once: who asks for what is in force already has it."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return action()
        except Conflict:
            return None
        except Overloaded:
            assert time.monotonic() < deadline, "the servers did not come back"
            threading.Event().wait(0.05)


def _send(bus: Bus, chapter: int) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for record in range(RECORDS):
            first = (chapter * RECORDS + record) * EVENTS
            value = b"\n".join(map(_event, range(first, first + EVENTS)))
            producer.send("events.school", value, partition=record % 4)
        producer.flush()


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


def _expected(bus: Bus, titles: dict[str, str]) -> dict[tuple[int, int, int], tuple[str, str]]:
    """What the log says by itself: event and rule for each place."""
    in_force: dict[Partition, str] = {}
    expected: dict[tuple[int, int, int], tuple[str, str]] = {}
    for record in _records(bus, "events."):
        if record.kind == "rules":
            version = msgspec.json.decode(record.value, type=Release).version
            in_force[record.partition] = titles.get(version, "settings")
        elif record.kind == "events":
            title = in_force.get(record.partition, "settings")
            for number, line in enumerate(record.value.split(b"\n")):
                place = (record.partition.number, record.offset, number)
                expected[place] = (msgspec.json.decode(line)["soc"]["id"], title)
    return expected


class _Workers:
    """Two workers that share the work, started again when one has ended."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._running = [self._started(), self._started()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._running:
            worker.kill()
            worker.wait()

    def kill(self, number: int) -> None:
        """End one in the middle of its work."""
        self._running[number].kill()
        self._running[number].wait()
        self._running[number] = self._started()

    def see(self, more: int) -> None:
        """Wait until so many more signals are on the bus, or nothing is left to do."""
        goal = self._signals() + more
        self._wait_for(lambda: self._signals() >= goal or self._idle())

    def finish(self) -> None:
        """Wait until nothing is left to do."""
        self._wait_for(self._idle)

    def _signals(self) -> int:
        return _insist(lambda: self._stack.bus.ends("signals.school"))[0][1]

    def _idle(self) -> bool:
        lag = _insist(self._stack.bus.group_lag).get("detection")
        return lag is not None and lag.records == 0

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < deadline, "condition did not come true"
            threading.Event().wait(0.02)
            for number, worker in enumerate(self._running):
                assert worker.poll() is None, f"worker {number} ended by itself"

    def _started(self) -> subprocess.Popen[bytes]:
        command = leashed([sys.executable, "-c", self._stack.worker, str(self._stack.folder)])
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _records(bus: Bus, topics: str) -> Iterator[Record]:
    """Everything on the topics that begin so, each partition in order."""
    left = {
        Partition(topic, number): end
        for topic in bus.topics()
        if topic.startswith(topics)
        for number, (start, end) in enumerate(bus.ends(topic))
        if start < end
    }
    with contextlib.closing(bus.consumer(f"reader-of-{topics}", topics)) as consumer:
        while left:
            for record in consumer.poll(0.2):
                if record.offset + 1 >= left.get(record.partition, 0):
                    left.pop(record.partition, None)
                yield record


def _lines(bus: Bus, topics: str) -> Iterator[bytes]:
    for record in _records(bus, topics):
        yield from record.value.split(b"\n")
