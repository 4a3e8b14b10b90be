"""Days of an office's Windows logs on an embedded bus, for tests of the anomaly stage."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from collectors.bus.contract import Bus
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode, event_id, timestamp
from detection.alert import Alert
from detection.anomaly.artefacts import Artefacts
from detection.anomaly.budget import Purse
from detection.anomaly.calendar import Calendar
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.counting import Counting
from detection.anomaly.shelf import Shelf
from detection.anomaly.stage import Behaviour
from detection.policy import Policy
from tests import buses

START = datetime(2026, 11, 2, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
KINDS = ("events", "signals", "behaviour", "alerts", "dead")
PROGRAMS = ("outlook.exe", "winword.exe", "teams.exe", "chrome.exe")
KEY = b"k" * 32


class Policies:
    """Every policy that was announced."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = {(each.tenant, each.version): each for each in policies}

    def policy(self, tenant: str, version: int) -> Policy:
        return self._policies[tenant, version]


def opened(
    path: Path, clock: buses.Clock, *tenants: str
) -> contextlib.AbstractContextManager[EmbeddedBus]:
    """A bus with the topics of these tenants."""
    return buses.opened(path, clock, tenants, KINDS)


def event(
    at: datetime, host: str, number: int, *, tenant: str = "council", **fields: object
) -> bytes:
    """A Windows Security event as detection and the anomaly stage read it."""
    told = {"EventID": 4688, "Computer": f"{host}.{tenant}.example", **fields}
    return encode(
        told,
        Soc(
            v=1,
            id=event_id(tenant, "dc", str(number), f"{at} {host} {fields}"),
            tenant=tenant,
            source="dc",
            received=timestamp(at),
            time=timestamp(at),
            logsources=("windows//security",),
        ),
    )


def quarter(start: datetime, hosts: int, *, tenant: str = "council") -> list[bytes]:
    """What an office's computers do in a quarter of an hour; the same for the same arguments."""
    chance = random.Random(f"{start} {tenant}")
    lines = []
    for host in range(hosts):
        for number in range(1 + chance.randrange(3)):
            program = PROGRAMS[chance.randrange(len(PROGRAMS))]
            lines.append(
                event(
                    start + timedelta(seconds=60 * number + host),
                    f"ws-{host:02}",
                    number,
                    tenant=tenant,
                    NewProcessName=f"C:\\Apps\\{program}",
                    ParentProcessName="C:\\Windows\\explorer.exe",
                )
            )
    return lines


def odd(start: datetime, host: str = "ws-03", *, tenant: str = "council") -> list[bytes]:
    """What was never seen before."""
    return [
        event(
            start + timedelta(seconds=100 + number),
            host,
            1000 + number,
            tenant=tenant,
            EventID=(4688, 4697, 1102)[number % 3],
            NewProcessName=f"C:\\Temp\\dump{number}.exe",
            ParentProcessName=f"C:\\Temp\\run{number}.exe",
        )
        for number in range(6)
    ]


def days(
    count: int, *, hosts: int = 6, tenant: str = "council", planted: Sequence[int] = ()
) -> Iterator[tuple[datetime, list[bytes]]]:
    """Quarters of an hour with their events; those whose numbers are `planted` hold odd ones."""
    for number in range(count * 96):
        start = START + number * QUARTER
        lines = quarter(start, hosts, tenant=tenant)
        yield start, lines + (odd(start, tenant=tenant) if number in planted else [])


def publish(
    bus: Bus, clock: buses.Clock, what: Iterator[tuple[datetime, list[bytes]]], tenant: str
) -> None:
    """Each quarter a record, taken by the bus when it was over."""
    with contextlib.closing(bus.producer()) as producer:
        for start, lines in what:
            clock.now = (start + QUARTER).timestamp()
            producer.send(f"events.{tenant}", b"\n".join(lines))
            producer.flush()


def counting(bus: Bus, *policies: Policy, budget: float = 2.0) -> Counting:
    """The first half of the stage."""
    return Counting(bus, policies=Policies(*policies), purse=lambda _tenant: Purse(budget))


def behaviour(
    bus: Bus,
    folder: Path,
    *,
    every: float = 86400.0,
    contributes: Callable[[str], bool] = lambda _tenant: True,
) -> Behaviour:
    """The second half, with its files in `folder`."""
    return Behaviour(
        bus,
        CheckpointFiles(folder / "state"),
        calendar=lambda _tenant: Calendar().hour,
        lateness=300.0,
        every=every,
        shelf=Shelf(Artefacts(folder / "models", KEY)),
        key=KEY,
        contributes=contributes,
    )


def work(
    bus: Bus,
    handler: Counting | Behaviour,
    topics: str,
    *,
    batch: int = 50,
    records: int = 0,
    wait: float = 0.0,
) -> None:
    """Do what the loop does until all is read, or at least so many records.

    Nothing is committed: a stage that ends here has been killed before it could.
    """
    done = 0
    with contextlib.closing(bus.consumer(f"tests {topics}", topics)) as consumer:
        while not consumer.assigned():
            consumer.poll(wait, 1)
        for partition in consumer.assigned():
            consumer.seek(partition, 0)
        if isinstance(handler, Behaviour):
            handler.assigned(consumer, dict.fromkeys(consumer.assigned()))
        while found := consumer.poll(wait, batch):
            handler.handle(found)
            handler.flush()
            done += len(found)
            if records and done >= records:
                return


def said(bus: Bus, tenant: str = "council", *, wait: float = 0.0) -> dict[str, Alert]:
    """The last word on each alert."""
    found: dict[str, Alert] = {}
    with contextlib.closing(bus.consumer("reader", f"alerts.{tenant}")) as consumer:
        while records := consumer.poll(wait, 500):
            for line in b"\n".join(record.value for record in records).split(b"\n"):
                alert = msgspec.json.decode(line, type=Alert)
                if alert.id not in found or found[alert.id].revision <= alert.revision:
                    found[alert.id] = alert
    return found
