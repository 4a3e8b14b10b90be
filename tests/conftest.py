"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.property.tally import (
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.servers import (
    elasticsearch_server,
    kafka_server,
    own_servers,
    postgresql_server,
    pytest_configure,
    pytest_unconfigure,
    refused_sockets,
    servers_folder,
)

__all__ = [
    "elasticsearch_server",
    "kafka_server",
    "own_servers",
    "postgresql_server",
    "pytest_configure",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_unconfigure",
    "refused_sockets",
    "servers_folder",
]

ROOT = Path(__file__).parent.parent

settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("exploring", deadline=None, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real rules and logs; its absence skips, or fails where it is required."""
    folder = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora"))
    if folder.is_dir():
        return folder
    message = f"no corpora at {folder}: set CITYSOC_CORPORA to the folder that holds them"
    if os.environ.get("CITYSOC_REQUIRE_CORPORA") == "1":
        pytest.fail(message)
    pytest.skip(message)
