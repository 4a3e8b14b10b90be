"""A running collectors stage on an embedded bus, and the senders that tests need."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.bus.contract import Overloaded, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.embedded.producer import EmbeddedProducer
from collectors.event import Soc, decode
from collectors.route import Route, RouteTable, token_hash
from collectors.stage import Ports, run_collectors

Event = tuple[dict[str, Any], Soc]

TENANTS = ("bank", "school")
LOCAL = "127.0.0.1"


class MoodyBus(EmbeddedBus):
    """The embedded bus, with a disk that a test can fill: then no flush succeeds."""

    full = False
    broken = False
    """Whether a flush fails as only a bug does."""

    def producer(self) -> Any:
        """See Bus."""
        return _MoodyProducer(super().producer(), self)


class _MoodyProducer:
    def __init__(self, producer: EmbeddedProducer, bus: MoodyBus) -> None:
        self._producer, self._bus = producer, bus

    def send(self, topic: str, value: bytes, **how: Any) -> None:
        self._producer.send(topic, value, **how)

    def flush(self) -> None:
        if self._bus.broken:
            raise RuntimeError("a bug")
        if self._bus.full:
            self._producer._forget()
            raise Overloaded("the disk is full")
        self._producer.flush()

    def close(self) -> None:
        self._producer.close()


def route(
    tenant: str, source: str, *, slot: int | None = None, senders: Sequence[str] = ()
) -> Route:
    """A route whose token is `tenant-source`."""
    return Route(
        tenant=tenant,
        source=source,
        kind="linux",
        token_hash=token_hash(f"{tenant}-{source}"),
        syslog_slot=slot,
        senders=tuple(senders),
    )


class Sender:
    """Whoever sends to the doors at these ports."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports

    @contextlib.contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """A connection to the HTTP door."""
        connection = http.client.HTTPConnection(LOCAL, self.ports.ingest, timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request on a connection of its own: status, headers, body."""
        with self.connect() as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def post(
        self, body: bytes, token: str = "bank-web", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Post events; header names with _ for -."""
        head = {"Authorization": f"Bearer {token}"}
        head |= {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, answer = self.ask("POST", "/ingest/events", body, head)
        return status, json.loads(answer)

    def dial(self) -> socket.socket:
        """A bare connection to the HTTP door."""
        return socket.create_connection((LOCAL, self.ports.ingest), timeout=10)


class Doors(Sender):
    """The stage in a thread; `stop` ends it as a clean stop does."""

    def __init__(self, bus: MoodyBus, *, syslog_port: int = 0) -> None:
        super().__init__(Ports(0, {}))
        self.bus = bus
        self.routes = RouteTable([route("bank", "web"), route("school", "web")])
        self.failure: BaseException | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(syslog_port,))

    def start(self) -> None:
        """Return once the doors are open."""
        self._thread.start()
        assert self._ready.wait(10)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Return once the stage has ended."""
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def _run(self, syslog_port: int) -> None:
        try:
            run_collectors(
                self.bus,
                self.routes,
                host=LOCAL,
                ingest_port=0,
                syslog_port=syslog_port,
                stop=self._stop,
                ready=self._opened,
            )
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            self.failure = error
            self._ready.set()

    def _opened(self, ports: Ports) -> None:
        self.ports = ports
        self._ready.set()

    def open_syslog(self, *routes: Route) -> list[int]:
        """Put these routes in force as well; returns their ports once all are open."""
        self.routes.replace([*self.routes.all(), *routes])
        slots = [each.syslog_slot for each in routes if each.syslog_slot is not None]
        wait_for(lambda: all(slot in self.ports.syslog for slot in slots))
        return [self.ports.syslog[slot] for slot in slots]

    def events(self, tenant: str = "bank") -> list[Event]:
        """Everything of a tenant that stands on the bus, in order within each source."""
        return read_events(self.bus, tenant)

    def wait_for_events(self, count: int, tenant: str = "bank") -> list[Event]:
        """The tenant's events once there are as many."""
        wait_for(lambda: len(self.events(tenant)) >= count)
        return self.events(tenant)


def read_events(bus: EmbeddedBus, tenant: str) -> list[Event]:
    """Every event of a tenant's topic."""
    values = [record.value for record in read_records(bus, tenant) if record.kind == "events"]
    return [decode(line) for value in values for line in value.split(b"\n")]


def read_records(bus: EmbeddedBus, tenant: str) -> list[Record]:
    """Every record of a tenant's topic, ticks too."""
    end = sum(after - first for first, after in bus.ends(f"events.{tenant}"))
    consumer = bus.consumer(f"test-{time.monotonic_ns()}", f"events.{tenant}")
    found: list[Record] = []
    deadline = time.monotonic() + 10
    while len(found) < end:
        assert time.monotonic() < deadline
        found += consumer.poll(0.1)
    consumer.close()
    return found


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once the condition holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


def make_bus(path: Path) -> MoodyBus:
    """A bus with the tenants' topics."""
    bus = MoodyBus(path)
    for tenant in TENANTS:
        bus.create_topic(f"events.{tenant}", partitions=4, retention=Retention())
    return bus


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """Running doors with one HTTP source of each tenant."""
    bus = make_bus(tmp_path / "bus.db")
    running = Doors(bus)
    running.start()
    yield running
    running.stop()
    bus.close()
