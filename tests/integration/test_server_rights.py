"""The commands for whoever runs Kafka and PostgreSQL: they show rights, give and take them."""

import contextlib
import uuid
from pathlib import Path

import pytest
import yaml
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

import deploy.command  # noqa: F401 – brings the commands
from collectors.bus.kafka import KafkaSettings
from collectors.bus.kafka.access import Access
from deploy.commands.root import app
from deploy.local.servers import Running
from tenants.access import OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tests import databases


@pytest.fixture
def config(kafka_server: Running, tmp_path: Path) -> Path:
    """Settings of an installation with one tenant, on the broker that asks for passwords."""
    user, password = kafka_server.kafka_administrator
    secret = tmp_path / "password"
    secret.write_text(password)
    kafka = {
        "servers": kafka_server.kafka_sasl,
        "prefix": f"{uuid.uuid4().hex[:8]}.",
        "security": "SASL_PLAINTEXT",
        "user": user,
        "password_file": str(secret),
    }
    database = Database.open(f"sqlite:///{tmp_path / 'triage.sqlite'}")
    Onboarding(database, OPERATOR, Endpoints()).add_tenant("school", "School")
    database.close()
    path = tmp_path / "settings.yml"
    path.write_text(yaml.safe_dump({"data": str(tmp_path), "bus": {"kafka": kafka}}))
    return path


def call(*arguments: object) -> tuple[int, str]:
    """Exit code and all that was said."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.output


def test_permissions_are_shown_then_given_then_right(config: Path) -> None:
    kafka = yaml.safe_load(config.read_text())["bus"]["kafka"]
    settings = KafkaSettings(**kafka | {"password_file": Path(kafka["password_file"])})

    before = call("servers", "permissions", "--config", config)
    applied = call("servers", "permissions", "--apply", "--config", config)
    after = call("servers", "permissions", "--config", config)

    with contextlib.closing(Access(settings)) as access:
        assert access.bring([]).missing == ()
    assert before[0] == 1
    assert "missing  User:school" in before[1]
    assert "servers permissions --apply" in before[1]
    assert applied[0] == 0
    assert "given    User:school" in applied[1]
    assert after[0] == 0
    assert " 0 missing, 0 surplus, 0 strange" in after[1]


def test_a_bus_without_permissions_says_so(tmp_path: Path) -> None:
    code, said = call("servers", "permissions", "--data", tmp_path)

    assert code == 2
    assert "bus.kafka: not set" in said


def test_a_role_that_owns_nothing_works_once_it_is_admitted(tmp_path: Path) -> None:
    with databases.empty("postgresql", tmp_path) as place:
        owner = tmp_path / "owner.url"
        owner.write_text(place.owner)
        Database.open(place.owner).close()
        program = Database(place.program)
        with pytest.raises(ProgrammingError), program.read(None) as connection:
            connection.exec_driver_sql("SELECT * FROM tenants")

        code, said = call("servers", "admit", databases.PROGRAM, "--owner-url-file", owner)

        with program.read(None) as connection:
            assert connection.exec_driver_sql("SELECT * FROM tenants").fetchall() == []
        program.close()
        nobody = call("servers", "admit", "no such role", "--owner-url-file", owner)
    assert (code, "may work with the tables" in said) == (0, True)
    assert nobody[0] == 2
    assert "no such role" in nobody[1]


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, said = call("servers", "admit", "role", "--owner-url-file", tmp_path / "gone.url")

    assert code == 2
    assert "gone.url" in said
