"""The demo's player through the real doors: everything arrives, once, whatever happens between."""

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collectors.bus.contract import Malformed, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, decode
from collectors.route import Route, RouteTable, token_hash
from collectors.stage import Ports, run_collectors
from deploy.demo import player
from deploy.demo.journal import Journal
from deploy.demo.player import Progress, history, play
from deploy.demo.senders import Door, HttpDoor, SyslogDoor
from deploy.demo.setup import demo_tenants
from deploy.demo.timeline import LAP_SECONDS
from tenants.source_kinds import source_kinds

START = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PARTITIONS = 4


def token(tenant: str, source: str) -> str:
    return f"token-of-{tenant}-{source}"


def routes() -> list[Route]:
    """A route for every source of the demo, those of syslog kinds with a port."""
    made: list[Route] = []
    for tenant in demo_tenants():
        for source in tenant.sources:
            kind = source_kinds()[source.kind]
            syslog = kind.transport == "syslog"
            made.append(
                Route(
                    tenant=tenant.id,
                    source=source.name,
                    kind=source.kind,
                    format=kind.format,
                    logsources=kind.declares(),
                    token_hash=token_hash(token(tenant.id, source.name)),
                    syslog_slot=len(made) if syslog else None,
                    senders=("127.0.0.1",) if syslog else (),
                )
            )
    return made


class City:
    """The collectors stage with the demo's routes; a start after a stop finds the same bus."""

    def __init__(self, path: Path) -> None:
        self.bus = EmbeddedBus(path)
        self.doors: list[Door] = []
        self.ingest = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        for tenant in demo_tenants():
            self.bus.create_topic(
                f"events.{tenant.id}", partitions=PARTITIONS, retention=Retention()
            )

    def open(self, ingest: int = 0) -> None:
        """Open the doors on free ports, or the ingest door on this one."""
        table = RouteTable(routes())
        slots = sum(route.syslog_slot is not None for route in table.all())
        opened: queue.SimpleQueue[Ports] = queue.SimpleQueue()
        self._stop.clear()
        self._thread = threading.Thread(
            target=run_collectors,
            args=(self.bus, table),
            kwargs={
                "ingest_port": ingest,
                "syslog_port": 0,
                "stop": self._stop,
                "ready": opened.put,
            },
        )
        self._thread.start()
        ports = opened.get(timeout=20)
        self.ingest = ports.ingest
        while len(ports.syslog) < slots:
            ports = opened.get(timeout=20)
        self.doors = [self._door(route, ports) for route in table.all()]

    def _door(self, route: Route, ports: Ports) -> Door:
        if route.syslog_slot is not None:
            return SyslogDoor(
                route.tenant, route.source, "127.0.0.1", ports.syslog[route.syslog_slot]
            )
        url = f"http://127.0.0.1:{ports.ingest}/ingest/events"
        return HttpDoor(route.tenant, route.source, url, token(route.tenant, route.source))

    def close(self) -> None:
        """Close the doors; what they took is then on the bus."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()

    def events(self) -> list[Soc]:
        """The envelopes of everything on the bus."""
        found: list[Soc] = []
        with contextlib.closing(self.bus.consumer("reader", "events.")) as consumer:
            wanted = sum(end - first for first, end in self._ends())
            read = 0
            while read < wanted:
                records = consumer.poll(1.0)
                read += len(records)
                found += [
                    decode(line)[1]
                    for each in records
                    if each.kind == "events"
                    for line in each.value.split(b"\n")
                ]
        return found

    def _ends(self) -> Iterator[tuple[int, int]]:
        for tenant in demo_tenants():
            yield from self.bus.ends(f"events.{tenant.id}")


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    monkeypatch.setattr(player, "HISTORY_SECONDS", 0.0)
    monkeypatch.setattr(player, "HISTORY_SLICE", 2400.0)  # fewer and larger steps
    made = City(tmp_path / "bus.db")
    made.open()
    try:
        yield made
    finally:
        made.close()
        made.bus.close()


def expected() -> Counter[tuple[str, str]]:
    return Counter((sample.tenant, sample.source) for step in history() for sample in step.samples)


def arrived(events: Sequence[Soc]) -> Counter[tuple[str, str]]:
    return Counter((event.tenant, event.source) for event in events)


def test_every_line_of_the_day_arrives_once_with_its_time(city: City, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", now=START)

    play(city.doors, start=START, position=journal, stop=threading.Event(), live=False)

    city.close()
    events = city.events()
    assert arrived(events) == expected()
    assert len({event.id for event in events}) == len(events)
    assert not [event for event in events if "parse_failed" in event.marks]
    times = sorted(datetime.fromisoformat(event.time) for event in events)
    assert START - timedelta(days=3, hours=8) <= times[0] < times[-1] < START


def test_a_stop_and_a_new_start_lose_and_double_nothing(city: City, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    stop = threading.Event()

    def stop_half_way(told: Progress) -> None:
        if told.history_left <= len(history()) // 2:
            stop.set()

    play(
        city.doors,
        start=START,
        position=Journal(path, now=START),
        stop=stop,
        progress=stop_half_way,
    )
    city.close()
    city.open()
    again = Journal(path, now=START + timedelta(hours=1))
    play(city.doors, start=again.start, position=again, stop=threading.Event(), live=False)

    city.close()
    assert again.start == START
    assert arrived(city.events()) == expected()


class ForgetfulJournal(Journal):
    """Dies once after a step was taken and before that is remembered."""

    crash_at = 7

    def advance(self, done: int) -> None:
        if done == self.crash_at:
            raise KeyboardInterrupt
        super().advance(done)


def test_a_crash_before_a_step_is_remembered_sends_the_same_events_again(
    city: City, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    repeated = history()[ForgetfulJournal.crash_at - 1].samples

    with pytest.raises(KeyboardInterrupt):
        play(
            city.doors,
            start=START,
            position=ForgetfulJournal(path, now=START),
            stop=threading.Event(),
        )
    play(
        city.doors,
        start=START,
        position=Journal(path, now=START),
        stop=threading.Event(),
        live=False,
    )

    city.close()
    events = city.events()
    assert len(events) == sum(expected().values()) + len(repeated)
    assert arrived(list({event.id: event for event in events}.values())) == expected()


def test_a_closed_door_is_waited_for(city: City, tmp_path: Path) -> None:
    waits: list[str] = []
    closed = threading.Event()
    closed.set()
    stop = threading.Event()
    doors = city.doors
    first_http = next(step.number for step in history() if step.samples[0].source == "windows")
    journal = Journal(tmp_path / "journal", now=START)
    journal.advance(first_http)
    city.close()

    def reopen(told: Progress) -> None:
        if told.waiting:
            waits.append(told.waiting)
            if closed.is_set():
                city.open(city.ingest)
                closed.clear()
        else:
            stop.set()

    play(doors, start=START, position=journal, stop=stop, progress=reopen)

    assert waits
    assert journal.done == first_http + 1
    city.close()
    assert len(city.events()) == len(history()[first_http].samples)


def test_an_unknown_token_ends_the_player_with_the_doors_answer(city: City, tmp_path: Path) -> None:
    forged = [
        HttpDoor(door.tenant, door.source, door.url, "forged")
        if isinstance(door, HttpDoor)
        else door
        for door in city.doors
    ]
    journal = Journal(tmp_path / "journal", now=START)

    with pytest.raises(Malformed, match="401"):
        play(forged, start=START, position=journal, stop=threading.Event(), live=False)


def test_after_a_pause_of_hours_the_live_part_goes_on_with_the_lap_of_now(
    city: City, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal", now=START)
    journal.advance(len(history()))
    stop = threading.Event()
    almost_over = START.timestamp() + 6 * LAP_SECONDS - 1

    def stop_soon(told: Progress) -> None:
        if told.sent >= 60:
            stop.set()

    play(
        city.doors,
        start=START,
        position=journal,
        stop=stop,
        progress=stop_soon,
        now=lambda: almost_over,
    )

    city.close()
    events = city.events()
    times = [datetime.fromisoformat(event.time) for event in events]
    assert len(events) >= 60
    assert min(times) >= START + timedelta(seconds=5 * LAP_SECONDS)
    assert max(times) < START + timedelta(seconds=6 * LAP_SECONDS)
