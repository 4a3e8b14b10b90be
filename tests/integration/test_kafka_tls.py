"""A broker that speaks TLS: citysoc works on it, and only where it can trust it."""

import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from collectors.bus.contract import Overloaded, Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings
from deploy.local.servers import Running
from tests.contract.bus_kit import collect, send, values

pytestmark = [
    pytest.mark.usefixtures("refused_sockets"),
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]


def certificate(authority: trustme.CA) -> bytes:
    """Key and certificate of 127.0.0.1 as the broker reads them."""
    issued = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join([pkcs8, *(each.bytes() for each in issued.cert_chain_pems)])


@pytest.fixture
def settings(
    own_servers: Callable[..., Running], servers_folder: Path, tmp_path: Path
) -> KafkaSettings:
    authority = trustme.CA()
    (servers_folder / "kafka").mkdir()
    (servers_folder / "kafka" / "tls.pem").write_bytes(certificate(authority))
    running = own_servers("kafka")
    user, password = running.kafka_administrator
    secret, trusted = tmp_path / "password", tmp_path / "ca.pem"
    secret.write_text(password)
    authority.cert_pem.write_to_path(trusted)
    return KafkaSettings(
        servers=running.kafka_tls,
        prefix=f"{uuid.uuid4().hex[:8]}.",
        security="SASL_SSL",
        user=user,
        password_file=secret,
        ca_file=trusted,
        wait=3,
    )


def test_the_bus_works_within_tls_and_trusts_nobody_else(
    settings: KafkaSettings, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)

    with contextlib.closing(KafkaBus(settings)) as bus:
        bus.create_topic("events.school", partitions=1, retention=Retention())
        send(bus, "events.school", b"{}")
        with contextlib.closing(bus.consumer("readers", "events.")) as consumer:
            seen = values(collect(consumer, 1))
    with (
        pytest.raises(Overloaded),
        contextlib.closing(KafkaBus(replace(settings, ca_file=stranger))) as bus,
    ):
        bus.topics()

    assert seen == [b"{}"]
    assert set(threading.enumerate()) <= before, "a client that failed goes on trying"
