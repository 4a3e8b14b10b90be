"""What a local server is to those who start, watch and stop it."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Unavailable(RuntimeError):
    """A server can't run here; the message is one line that says what is missing and what to do."""


class Server(Protocol):
    """One kind of server in a folder of its own."""

    name: str
    stop_signal: signal.Signals
    """What asks it to end in good order."""
    account: str | None
    """The system user that it runs as; None for our own."""

    def prepare(self) -> None:
        """Write what it starts from; called before each start, changes nothing that is there."""

    def command(self) -> Sequence[str]:
        """The command line, which names the server's folder: a pid is ours when it does."""

    def environment(self) -> Mapping[str, str]:
        """What its process finds in its environment beside ours."""

    def ready(self) -> bool:
        """Whether it answers now; never waits longer than a second."""

    def complete(self) -> None:
        """Called once it is ready for the first time in its folder and after every restart."""

    @property
    def log(self) -> Path:
        """The file that it writes its output to."""
