"""Real servers for tests: one set for the whole session and all its workers, started on first use.

`make test` requires them; elsewhere a machine without Java, Maven or PostgreSQL skips and says so.
"""

import gc
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import servers
from deploy.local.contract import Unavailable

SESSION = "CITYSOC_TEST_SERVERS"
"""In the environment of every worker: the controlling process and the servers' folder."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder, in the controlling process and before the workers are born."""
    if not hasattr(config, "workerinput"):
        # Not below pytest's own folders: PostgreSQL runs as another user, who can't enter those.
        os.environ[SESSION] = f"{os.getpid()}:{tempfile.mkdtemp(prefix='citysoc-servers-')}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what any worker started; should we be killed, the servers' keeper does it."""
    if not hasattr(config, "workerinput"):
        _, folder = session()
        servers.stop(folder)
        shutil.rmtree(folder)


def session() -> tuple[int, Path]:
    """The process that controls this test session, and the folder of its servers."""
    owner, folder = os.environ[SESSION].split(":", 1)
    return int(owner), Path(folder)


def start(*names: str, folder: Path | None = None) -> servers.Running:
    """The session's servers of these names, started by whoever asks first.

    Others use them too: name topics, indices and databases anew in each test, and kill none of
    them. A test that kills has servers of its own (`own_servers`).
    """
    owner, shared = session()
    wanted = {name: name in names for name in servers.NAMES}
    try:
        return servers.start(folder or shared, lasting=False, owner=owner, **wanted)
    except Unavailable as fault:
        if os.environ.get("CITYSOC_REQUIRE_SERVERS") == "1":
            pytest.fail(str(fault))
        pytest.skip(str(fault))


@pytest.fixture(scope="session")
def kafka_server() -> servers.Running:
    """A broker: `.kafka`, and with SASL and ACLs `.kafka_sasl`, `.kafka_administrator`."""
    return start("kafka")


@pytest.fixture(scope="session")
def elasticsearch_server() -> servers.Running:
    """A search node: `.elasticsearch`."""
    return start("elasticsearch")


@pytest.fixture(scope="session")
def postgresql_server() -> servers.Running:
    """A database: `.postgresql`, `.postgresql_superuser`."""
    return start("postgresql")


@pytest.fixture
def servers_folder() -> Iterator[Path]:
    """A folder that servers under another account can live in; stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="citysoc-servers-"))
    try:
        yield folder
    finally:
        servers.stop(folder)
        shutil.rmtree(folder)


@pytest.fixture
def own_servers(servers_folder: Path) -> Callable[..., servers.Running]:
    """Starts servers that are this test's alone: `own_servers("kafka")`; stopped at its end."""
    return lambda *names: start(*names, folder=servers_folder)


@pytest.fixture
def refused_sockets() -> Iterator[None]:
    """For tests of brokers that refuse us: kafka-python leaves such sockets to be collected.

    What it logs meanwhile holds on to them, so it is to log nothing.
    """
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
