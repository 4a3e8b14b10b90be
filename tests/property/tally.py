"""Says at the end of a session how much the oracle was asked, whatever the number of workers."""

from collections import Counter
from typing import Any

import pytest

from tests.property.naive_sigma import ASKED

_NAME = "oracle"
_of_workers: Counter[str] = Counter()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_NAME] = dict(ASKED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _of_workers.update(getattr(node, "workeroutput", {}).get(_NAME, {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    asked = ASKED + _of_workers
    if asked:
        cases, pairs = asked["cases"], asked["pairs"]
        terminalreporter.write_line(
            f"the oracle judged {cases:,} drawn cases: {pairs:,} pairs of a rule and an event"
        )
