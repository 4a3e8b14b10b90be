"""The running order of a staged attack: what each source logs, and when."""

from collections import defaultdict

from deploy.demo.office import Line

BETWEEN_LINES = 0.4
"""Seconds from one line of a step to the next."""


class Script:
    """Collects lines while its clock moves on."""

    def __init__(self, begins: float) -> None:
        self.lines: dict[tuple[str, str], list[Line]] = defaultdict(list)
        """By tenant and source, in the order of their times."""
        self._now = begins

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def log(self, tenant: str, source: str, *lines: str) -> None:
        """These lines appear in a source now, one shortly after the other."""
        for line in lines:
            self.lines[tenant, source].append((self._now, line))
            self._now += BETWEEN_LINES
