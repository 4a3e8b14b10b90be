"""`citysoc replay`: sends files to a door, with a progress bar where somebody watches."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from collectors.bus.contract import Malformed, Overloaded
from collectors.sources.replay import Replayed, replay


def run_replay(files: Sequence[str], url: str, token: str, rate: float | None) -> int:
    """Send them all; exit code 2 for what never works, 1 for not now."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} events"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("sending", total=None)

        def tell(done: Replayed) -> None:
            progress.update(task, description=done.path, completed=done.accepted)

        try:
            done = replay(files, url, token, rate=rate, progress=tell)
        except Malformed as error:
            return _fail(str(error), 2)
        except Overloaded as error:
            return _fail(f"{error}; run the same again, nothing is doubled", 1)
        except OSError as error:
            return _fail(f"{error.filename}: {error.strerror}", 2)
    print(  # noqa: T201 – the command's answer
        f"{done.accepted} events sent, {done.unparsed} of them kept unparsed, "
        f"{done.skipped} could not be read"
    )
    return 0


def _fail(message: str, code: int) -> int:
    print(f"citysoc: {message}", file=sys.stderr)  # noqa: T201
    return code
