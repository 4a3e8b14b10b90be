"""Whatever is redelivered, repeated, cut short or restarted, alerts come out as a naive count."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectors.bus.contract import Partition, Position, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import timestamp
from detection.alert import Alert, alert_id
from detection.correlation import Correlation
from detection.policy import State
from detection.signal import Entity, Place, Signal, signal_id
from detection.tally import moment
from tests.rule_sets import Sets

START = datetime(2026, 11, 24, 13, tzinfo=UTC)
TENANTS = ("council", "school")
HOUR = 3600.0


class Happening(NamedTuple):
    """One match, as detection finds it at its place on the events log."""

    tenant: str
    rule: str
    host: str
    event: int
    partition: int
    hours: float
    """From START to the event."""
    delay: float
    """Hours from the event to its receipt."""
    state: State


class Written(NamedTuple):
    """One record of a signals log."""

    tenant: str
    signals: tuple[Signal, ...]
    time: float
    """When the bus takes it, Unix seconds."""


# few of each, so that much of it meets in the same alert
happenings = st.builds(
    Happening,
    tenant=st.sampled_from(["council", "school", "school", "school"]),
    rule=st.sampled_from(["r1", "r1", "r2"]),
    host=st.sampled_from(["h1", "h1", "h1", "h2"]),
    event=st.integers(0, 5),
    partition=st.integers(0, 1),
    hours=st.sampled_from([0.0, 0.2, 0.4, 1.1, 150.0]),
    delay=st.sampled_from([0.0, 0.1, 15.0, 20.0, 30.0, 100.0, 150.0, 170.0]),
    state=st.sampled_from([State.ALERT, State.ALERT, State.ALERT, State.SIGNAL]),
)


@st.composite
def signals_logs(draw: st.DrawFn) -> list[Written]:
    """What detection writes for some matches: in order, in batches, and sometimes again."""
    found = sorted(draw(st.lists(happenings, max_size=50)), key=receipt)
    written: list[Written] = []
    for tenant, partition in itertools.product(TENANTS, (0, 1)):
        stream = [
            signal(each, offset)
            for offset, each in enumerate(found)
            if (each.tenant, each.partition) == (tenant, partition)
        ]
        at, time = 0, 0.0
        while at < len(stream):
            begin = moment(stream[at].received)
            ahead = stream[at : at + draw(st.integers(1, 6))]
            batch = [each for each in ahead if moment(each.received) - begin < 10 * HOUR]
            # detection lags less than a day behind receipt
            lag = draw(st.sampled_from([0.0, 0.1, 10.0]))
            time = max(time, moment(batch[-1].received) + lag * HOUR)
            written.append(Written(tenant, tuple(batch), time))
            # a crash between sending and committing: what follows begins a little earlier
            at = max(at + len(batch) - draw(st.sampled_from([0, 0, 0, 1, 3])), at + 1)
    # streams overtake each other, and each keeps its own order
    return sorted(written, key=lambda each: each.time)


def receipt(each: Happening) -> float:
    return each.hours + each.delay


def signal(each: Happening, offset: int) -> Signal:
    at = START + timedelta(hours=each.hours)
    event = f"{each.event:032x}"
    return Signal(
        id=signal_id(each.tenant, each.rule, event),
        tenant=each.tenant,
        rule=each.rule,
        title="Title",
        level="high",
        state=each.state,
        ruleset="rules-1",
        policy=0,
        event=event,
        source="s",
        place=Place(each.partition, offset, 0),
        time=timestamp(at),
        received=timestamp(at + timedelta(hours=each.delay)),
        entity=Entity("host", each.host),
    )


def naive(log: Sequence[Written]) -> dict[str, tuple[int, str, str, list[str]]]:
    """Count, first, last and events of every alert, with a perfect memory of everything."""
    places: set[tuple[str, str, Place]] = set()
    counted: dict[tuple[str, str], datetime] = {}
    alerts: dict[str, list[Signal]] = {}
    for written in log:
        for each in written.signals:
            key = (each.tenant, each.rule, each.place)
            if each.state is not State.ALERT or key in places:
                continue
            places.add(key)
            received = datetime.fromisoformat(each.received)
            before = counted.get((each.tenant, each.id))
            if before is not None and abs(received - before) <= timedelta(days=1):
                continue
            counted[each.tenant, each.id] = received
            alerts.setdefault(bucket(each), []).append(each)
    return {
        id_: (
            len(mine),
            min(each.time for each in mine),
            max(each.time for each in mine),
            [each.event for each in mine][:20],
        )
        for id_, mine in alerts.items()
    }


def bucket(each: Signal) -> str:
    hour = datetime.fromisoformat(each.time[:13] + ":00:00Z")
    week_late = datetime.fromisoformat(each.received) - hour > timedelta(days=7)
    name = each.time[:13] + (f" received {each.received[:10]}" if week_late else "")
    return alert_id(each.tenant, each.rule, each.entity, name)


class Stage:
    """The correlation stage step by step, so that it can end between any two."""

    def __init__(self, bus: EmbeddedBus, scratch: Path) -> None:
        self.bus = bus
        self.handler = Correlation(bus, scratch, Sets())
        self.join()

    def join(self) -> None:
        """Become a member anew, as after a rebalance."""
        self.told: dict[Partition, int] = {}
        self.consumer = self.bus.consumer("correlation", "signals.", on_assigned=self.assigned)

    def assigned(self, partitions: frozenset[Partition]) -> None:
        positions = {each: self.consumer.committed(each) for each in partitions}
        self.told = {each: found.offset for each, found in positions.items() if found}
        self.handler.assigned(self.consumer, positions)

    def step(self, batch: int, ends_before: str) -> bool:
        """One batch, or False for none; `ends_before` is where it is killed, if anywhere."""
        records = self.consumer.poll(0, batch)
        if not records:
            return False
        self.handler.handle(records)
        if ends_before == "flush":
            return True
        self.handler.flush()
        if ends_before == "commit":
            return True
        ends = {each.partition: each.offset + 1 for each in records}
        self.consumer.commit(
            {
                key: Position(end, self.handler.note(key))
                for key, end in ends.items()
                if end > self.told.get(key, 0)
            }
        )
        return True

    def close(self) -> None:
        self.consumer.close()
        self.handler.close()


@contextlib.contextmanager
def new_bus(clock: list[float]) -> Iterator[tuple[EmbeddedBus, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        bus = EmbeddedBus(Path(folder) / "bus.db", clock=lambda: clock[0])
        with contextlib.closing(bus):
            for tenant in TENANTS:
                for kind in ("signals", "alerts", "dead"):
                    bus.create_topic(f"{kind}.{tenant}", partitions=1, retention=Retention())
            yield bus, Path(folder) / "seen.sqlite"


def final(bus: EmbeddedBus) -> dict[str, Alert]:
    """The highest revision of each alert; equal revisions must say the same."""
    newest: dict[str, Alert] = {}
    with contextlib.closing(bus.consumer("reader", "alerts.")) as consumer:
        while records := consumer.poll(0):
            for record in records:
                for line in record.value.split(b"\n"):
                    alert = msgspec.json.decode(line, type=Alert)
                    known = newest.get(alert.id)
                    assert alert.tenant == record.partition.topic.removeprefix("alerts.")
                    if known is None or alert.revision > known.revision:
                        newest[alert.id] = alert
                    elif alert.revision == known.revision:
                        assert alert == known
    return newest


def one_alert(count: int) -> list[Written]:
    """Matches of one rule on one host at one time, each in a record of its own."""
    first = Happening("school", "r1", "h1", 0, 0, 0.0, 0.0, State.ALERT)
    matches = [signal(first._replace(event=number), number) for number in range(count)]
    return [Written("school", (each,), START.timestamp()) for each in matches]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    log=signals_logs(),
    steps=st.lists(
        st.tuples(
            st.sampled_from([1, 2, 5, 50]),
            st.sampled_from(["", "", "", "flush", "commit"]),
            st.sampled_from(["go on", "restart", "rebalance"]),
        ),
        max_size=20,
    ),
)
@example(log=one_alert(9), steps=[(5, "", "rebalance")] * 3)
@example(log=one_alert(9), steps=[(2, "commit", "restart"), (5, "flush", "restart")] * 2)
def test_alerts_are_those_of_a_naive_count(
    log: list[Written], steps: list[tuple[int, str, str]]
) -> None:
    clock = [START.timestamp()]
    waiting = list(log)

    def write(count: int, bus: EmbeddedBus) -> None:
        with contextlib.closing(bus.producer()) as producer:
            for each in waiting[:count]:
                clock[0] = each.time
                value = b"\n".join(map(msgspec.json.encode, each.signals))
                producer.send(f"signals.{each.tenant}", value)
                producer.flush()
        del waiting[:count]

    with new_bus(clock) as (bus, scratch):
        stage = Stage(bus, scratch)
        for batch, ends_before, then in steps:
            write(3, bus)
            stage.step(batch, ends_before)
            if ends_before or then == "restart":
                stage.close()
                stage = Stage(bus, scratch)
            elif then == "rebalance":
                stage.consumer.close()
                stage.join()
        write(len(waiting), bus)
        while stage.step(50, ""):
            pass
        stage.close()
        alerts = final(bus)

    assert {
        id_: (alert.count, alert.first, alert.last, list(alert.events))
        for id_, alert in alerts.items()
    } == naive(log)
