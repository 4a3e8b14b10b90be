"""Syslog ports over real sockets: framing, who may send, and that nothing is lost silently."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from collectors.route import Route
from collectors.sources import outbox, sockets, syslog, syslog_ports
from collectors.sources.framing import MAX_MESSAGE
from collectors.sources.sockets import PortTaken, listen, listen_pair
from tests.integration.door_kit import LOCAL, Doors, make_bus, read_events, route, wait_for

SSHD = b"<34>Nov 24 11:59:00 gate sshd[7]: Failed password for ann from 192.0.2.7 port 5 ssh2"


def local(tenant: str = "bank", slot: int = 0) -> Route:
    """A route that takes this machine's syslog."""
    return route(tenant, "gate", slot=slot, senders=("127.0.0.0/8",))


def refused(reason: str) -> float:
    """How often the syslog doors of this process refused for a reason."""
    labels = {"door": "syslog", "reason": reason}
    return REGISTRY.get_sample_value("citysoc_door_refused_total", labels) or 0.0


@contextlib.contextmanager
def dialled(port: int) -> Iterator[socket.socket]:
    """A TCP connection to a syslog port."""
    with socket.create_connection((LOCAL, port), timeout=10) as connection:
        yield connection


def send_datagram(port: int, data: bytes) -> None:
    """One UDP datagram to a syslog port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(data, (LOCAL, port))


def test_lines_and_counted_octets_arrive_over_tcp(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())

    with dialled(port) as lines, dialled(port) as counted:
        lines.sendall(SSHD + b"\n<13>plain\n")
        counted.sendall(b"%d %b9 <13>a\nb\n." % (len(SSHD), SSHD))
        events = doors.wait_for_events(4)

    messages = sorted(fields["message"] for fields, _ in events)
    assert len(messages) == 4
    assert {soc.source for _, soc in events} == {"gate"}
    assert all("unproven_sender" in soc.marks for _, soc in events)
    assert any(soc.related.get("ip") == ["192.0.2.7"] for _, soc in events)
    assert any("b\n." in message for message in messages)


def test_a_datagram_is_one_message(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())

    send_datagram(port, SSHD + b"\n\0")
    send_datagram(port, b"<13>one\ntwo\n")
    send_datagram(port, b"\n")
    send_datagram(port, b"<13>last")

    events = doors.wait_for_events(3)
    assert [fields["message"].split()[-1] for fields, _ in events] == ["ssh2", "two", "last"]
    assert all("unproven_sender" in soc.marks for _, soc in events)


def test_a_line_without_its_end_counts_when_the_connection_closes(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())

    with dialled(port) as connection:
        connection.sendall(b"<13>whole\n<13>half")

    assert [fields["message"] for fields, _ in doors.wait_for_events(2)] == ["whole", "half"]


def test_a_message_too_long_is_cut_and_marked_and_the_next_is_whole(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())

    with dialled(port) as connection:
        connection.sendall(b"<13>" + b"x" * (2 * MAX_MESSAGE) + b"\n<13>next\n")
        events = doors.wait_for_events(2)

    assert len(events[0][0]["message"]) <= MAX_MESSAGE
    assert "cut" in events[0][1].marks
    assert events[1][0]["message"] == "next"
    assert "cut" not in events[1][1].marks


def test_a_sender_that_is_not_listed_is_refused_and_counted(doors: Doors) -> None:
    stranger = route("bank", "gate", slot=0, senders=("192.0.2.0/24",))
    ports = doors.open_syslog(stranger, local("school", slot=1))
    before = refused("sender")

    with dialled(ports[0]) as connection:
        assert connection.recv(1) == b""
    send_datagram(ports[0], SSHD)
    wait_for(lambda: refused("sender") == before + 2)

    send_datagram(ports[1], SSHD)
    assert len(doors.wait_for_events(1, "school")) == 1
    assert doors.events("bank") == []


def test_each_port_is_its_own_tenants(doors: Doors) -> None:
    ports = doors.open_syslog(local("bank", 0), local("school", 1))

    for port, word in zip(ports, (b"bank", b"school"), strict=True):
        with dialled(port) as connection:
            connection.sendall(b'<13>app: {"tenant":"other","soc":{"tenant":"other"}}\n' + word)

    for tenant in ("bank", "school"):
        events = doors.wait_for_events(2, tenant)
        assert {soc.tenant for _, soc in events} == {tenant}
        assert events[-1][0]["message"] == tenant


def test_ports_open_and_close_with_their_routes(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())
    with dialled(port) as connection:
        connection.sendall(b"<13>before\n")
        doors.wait_for_events(1)

        doors.routes.replace([])
        wait_for(lambda: not doors.ports.syslog)

        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCAL, port), timeout=5)


def test_a_sender_taken_off_the_list_is_hung_up_on(doors: Doors) -> None:
    (port,) = doors.open_syslog(local())
    with dialled(port) as connection:
        connection.sendall(b"<13>before\n")
        doors.wait_for_events(1)

        doors.routes.replace([route("bank", "gate", slot=0, senders=("192.0.2.1",))])

        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_a_slot_that_goes_to_another_tenant_takes_nothing_along(doors: Doors) -> None:
    (port,) = doors.open_syslog(local("bank"))
    with dialled(port) as connection:
        connection.sendall(b"<13>of the bank\n")
        doors.wait_for_events(1, "bank")
        doors.routes.replace([local("school")])
        wait_for(lambda: doors.ports.syslog.get(0, port) != port)
        with contextlib.suppress(OSError):
            connection.sendall(b"<13>late\n")

    with dialled(doors.ports.syslog[0]) as connection:
        connection.sendall(b"<13>of the school\n")
        events = doors.wait_for_events(1, "school")

    assert [fields["message"] for fields, _ in events] == ["of the school"]
    assert len(doors.events("bank")) == 1


def test_an_overloaded_bus_stops_tcp_and_loses_nothing(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FULL_BYTES", 200_000)
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.02)
    (port,) = doors.open_syslog(local())
    doors.bus.full = True
    lines = [b"<13>%06d %b" % (number, b"x" * 500) for number in range(20_000)]
    stalled = threading.Event()

    with dialled(port) as connection:

        def send() -> None:
            connection.settimeout(0.5)
            left = memoryview(b"\n".join(lines) + b"\n")
            while left:
                try:
                    left = left[connection.send(left) :]
                except TimeoutError:
                    stalled.set()

        sender = threading.Thread(target=send)
        sender.start()
        assert stalled.wait(10)
        doors.bus.full = False
        sender.join(20)
        events = doors.wait_for_events(len(lines))

    assert [fields["message"][:6] for fields, _ in events] == [
        b"%06d".decode() % number for number in range(len(lines))
    ]


def test_an_overloaded_bus_keeps_datagrams_up_to_a_bound_and_counts_the_rest(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "FULL_BYTES", 10_000)
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.02)
    (port,) = doors.open_syslog(local())
    doors.bus.full = True
    before = refused("full")

    for number in range(100):
        send_datagram(port, b"<13>%03d" % number + b"x" * 992)
    wait_for(lambda: refused("full") > before)
    doors.bus.full = False

    wait_for(lambda: len(doors.events()) + refused("full") - before == 100)
    assert len(doors.events()) >= 10


def test_datagrams_that_the_kernel_drops_are_counted(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "RECEIVE_BUFFER", 4_096)
    (port,) = doors.open_syslog(local())
    before = refused("overrun")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(3_000):
            sender.sendto(b"<13>%d" % number, (LOCAL, port))

    wait_for(lambda: len(doors.events()) + refused("overrun") - before == 3_000)
    assert refused("overrun") > before


def test_a_clean_stop_flushes_everything_received(tmp_path: Path) -> None:
    bus = make_bus(tmp_path / "bus.db")
    running = Doors(bus)
    running.start()
    (port,) = running.open_syslog(local())

    with dialled(port) as connection:
        connection.sendall(b"".join(b"<13>%05d\n" % number for number in range(5_000)) + b"<13>end")
        for _ in range(20):
            send_datagram(port, b"<13>datagram")
        running.stop()

    messages = [fields["message"] for fields, _ in read_events(bus, "bank")]
    assert len(messages) == 5_021
    assert messages.count("datagram") == 20
    assert "end" in messages
    bus.close()


def test_a_stop_with_an_overloaded_bus_ends_and_counts_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LAST_SECONDS", 0.1)
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.02)
    bus = make_bus(tmp_path / "bus.db")
    running = Doors(bus)
    running.start()
    (port,) = running.open_syslog(local())
    bus.full = True
    before = refused("lost")

    with dialled(port) as connection:
        connection.sendall(b"<13>one\n<13>two\n")
        running.stop()

    assert refused("lost") == before + 2
    bus.close()


def test_more_connections_than_allowed_are_refused_and_counted(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "MAX_CONNECTIONS", 1)
    (port,) = doors.open_syslog(local())
    before = refused("connections")

    with dialled(port) as first:
        first.sendall(b"<13>one\n")
        doors.wait_for_events(1)
        with dialled(port) as second, contextlib.suppress(ConnectionResetError):
            assert second.recv(1) == b""

    assert refused("connections") == before + 1


def test_a_syslog_port_in_use_is_named_by_health_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog_ports, "RETRY_SECONDS", 0.05)
    bus = make_bus(tmp_path / "bus.db")
    squatter = listen(LOCAL, 0, "test")
    port = squatter.getsockname()[1]
    running = Doors(bus, syslog_port=port)
    running.start()
    running.routes.replace([*running.routes.all(), local()])
    wait_for(lambda: b"[%d]" % port in running.ask("GET", "/healthz")[2])

    squatter.close()

    wait_for(lambda: running.ports.syslog == {0: port})
    send_datagram(port, b"<13>now")
    assert len(running.wait_for_events(1)) == 1
    running.stop()
    bus.close()


def test_a_taken_port_says_which_and_what_to_do() -> None:
    with listen(LOCAL, 0, "ingest") as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"ingest: TCP port {port} .* in use; stop .* --port"):
            listen(LOCAL, port, "ingest")


def test_a_pair_has_one_number_and_names_the_half_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOCAL, 0))
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"UDP port {port}"):
            listen_pair(LOCAL, port, "syslog")

    pair = listen_pair(LOCAL, 0, "syslog")

    assert pair.udp.getsockname()[1] == pair.port
    pair.close()


def test_a_host_that_is_not_ours_is_refused_with_its_name() -> None:
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1 can't be opened"):
        listen("192.0.2.1", 0, "ingest")
