"""The real servers start, keep their data through kills, and leave nothing behind."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    NewTopic,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import TopicAuthorizationFailedError

from deploy.local import servers

Start = Callable[..., servers.Running]


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that name the folder; a zombie has none."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{folder}/" in text:
            found.append(text)
    return found


def database(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def ask(url: str, body: dict[str, str] | None = None) -> dict[str, object]:
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode() if body else None,
        headers={"content-type": "application/json"},
        method="PUT" if body else "GET",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_killed_broker_comes_back_at_its_address_with_its_records(own_servers: Start) -> None:
    running = own_servers("kafka")
    address = running.kafka
    with closing(KafkaAdminClient(bootstrap_servers=address)) as administrator:
        administrator.create_topics([NewTopic("kept", 1, 1)], wait_for_metadata=True)
    with closing(KafkaProducer(bootstrap_servers=address, acks="all")) as producer:
        producer.send("kept", b"before the kill").get(30)

    running.kill("kafka")
    assert "kafka" not in running.pids
    running.restart("kafka")

    assert running.kafka == address
    consumer = KafkaConsumer("kept", bootstrap_servers=address, auto_offset_reset="earliest")
    with closing(consumer):
        assert next(consumer).value == b"before the kill"


def test_a_killed_search_node_comes_back_at_its_address_with_its_documents(
    own_servers: Start,
) -> None:
    running = own_servers("elasticsearch")
    address = running.elasticsearch
    ask(f"{address}/kept/_create/1", {"when": "before the kill"})

    running.kill("elasticsearch")
    assert "elasticsearch" not in running.pids
    running.restart("elasticsearch")

    assert running.elasticsearch == address
    assert ask(f"{address}/kept/_doc/1")["_source"] == {"when": "before the kill"}


def test_a_killed_database_comes_back_at_its_address_with_its_rows(own_servers: Start) -> None:
    running = own_servers("postgresql")
    address = running.postgresql
    with database(address) as connection:
        connection.execute("create table kept (told text)")
        connection.execute("insert into kept values ('before the kill')")

        running.kill("postgresql")
    assert "postgresql" not in running.pids
    running.restart("postgresql")

    assert running.postgresql == address
    with database(address) as connection:
        assert connection.execute("select told from kept").fetchall() == [("before the kill",)]


def test_the_owner_of_the_database_is_bound_by_row_level_security(
    postgresql_server: servers.Running,
) -> None:
    with database(postgresql_server.postgresql) as connection:
        rights = connection.execute(
            "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
        ).fetchall()
    with database(postgresql_server.postgresql_superuser) as connection:
        superuser = connection.execute(
            "select rolsuper from pg_roles where rolname = current_user"
        ).fetchall()

    assert rights == [(False, False)]
    assert superuser == [(True,)]


def test_the_listener_with_passwords_takes_records_only_where_a_rule_allows(
    kafka_server: servers.Running,
) -> None:
    name, password = kafka_server.kafka_administrator
    entry = {
        "bootstrap_servers": kafka_server.kafka_sasl,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
    }
    administrator = KafkaAdminClient(
        **entry, sasl_plain_username=name, sasl_plain_password=password
    )
    with closing(administrator):
        administrator.create_topics(
            [NewTopic("acl-own", 1, 1), NewTopic("acl-other", 1, 1)], wait_for_metadata=True
        )
        administrator.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("partner", ScramMechanism.SCRAM_SHA_512, "open sesame")]
        )
        pattern = ResourcePattern(ResourceType.TOPIC, "acl-own")
        allowed = ACLPermissionType.ALLOW
        administrator.create_acls([ACL("User:partner", "*", ACLOperation.WRITE, allowed, pattern)])
    producer = KafkaProducer(
        **entry,
        sasl_plain_username="partner",
        sasl_plain_password="open sesame",
        enable_idempotence=False,
    )

    with closing(producer):
        place = producer.send("acl-own", b"mine").get(30)
        with pytest.raises(TopicAuthorizationFailedError):
            producer.send("acl-other", b"not mine").get(30)

    assert place.offset == 0


def test_two_who_start_at_once_share_one_set_of_servers(own_servers: Start) -> None:
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(lambda _: own_servers("postgresql"), range(2))

    assert first.pids == second.pids
    assert first.addresses() == second.addresses()


def test_stopping_leaves_no_process_and_starting_again_finds_the_data(own_servers: Start) -> None:
    running = own_servers("postgresql")
    with database(running.postgresql) as connection:
        connection.execute("create table kept (told text)")
    assert processes_of(running.folder)

    running.stop()

    assert not running.pids
    wait_until(lambda: not processes_of(running.folder))
    again = own_servers("postgresql")
    with database(again.postgresql) as connection:
        assert connection.execute("select count(*) from kept").fetchall() == [(0,)]


def test_the_end_of_the_one_who_started_them_is_the_end_of_the_servers(
    servers_folder: Path,
) -> None:
    program = (
        "import sys, pathlib\n"
        "from deploy.local import servers\n"
        "running = servers.start(pathlib.Path(sys.argv[1]), kafka=False, elasticsearch=False)\n"
        "print(*running.pids, flush=True)\n"
        "sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, servers_folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout.readline() == "postgresql\n"
        assert processes_of(servers_folder / "postgresql")

        starter.kill()

    wait_until(lambda: not processes_of(servers_folder))


def test_the_command_line_starts_servers_that_outlive_it_and_stops_them(
    servers_folder: Path,
) -> None:
    command = [sys.executable, "-m", "deploy.local"]

    started = subprocess.run(
        [*command, "start", servers_folder, "--only", "postgresql"], capture_output=True, text=True
    )

    addresses = json.loads(started.stdout)
    assert set(addresses) == {"postgresql", "postgresql_superuser"}
    database(addresses["postgresql"]).close()
    stopped = subprocess.run([*command, "stop", servers_folder], capture_output=True, text=True)
    assert (stopped.returncode, stopped.stderr) == (0, "")
    wait_until(lambda: not processes_of(servers_folder))
