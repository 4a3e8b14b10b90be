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


LONGEST = (
    "test_killed_at_work_both_stacks_end_in_the_matches_of_detect_and_in_one_hash",
    "test_elasticsearch_finds_what_the_engine_finds",
    "test_lists_and_exceptions_are_set_on_the_command_line",
    "test_an_odd_quarter_of_an_hour_stands_in_the_queue_and_says_why",
    "test_the_demo_stops_at_once_and_goes_on_with_nothing_doubled",
    "test_rules_change_while_the_system_runs_and_a_broken_one_stops_no_other",
)
"""Tests that wait for whole installations, longest first: begun late, the session waits too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the longest tests so that each worker begins with one; leave the others' order alone."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    place = {name: number for number, name in enumerate(LONGEST)}
    longest = sorted([item for item in items if item.name in place], key=lambda i: place[i.name])
    others = [item for item in items if item.name not in place]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for worker in range(workers)
        for item in longest[worker::workers] + others[worker * share : (worker + 1) * share]
    ]
