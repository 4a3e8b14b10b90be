"""How a stage is doing, for whoever watches it: /healthz and /metrics."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READ_SECONDS = 10.0


class Progress:
    """What a stage says of itself. Written by its loop, read by any thread."""

    def __init__(self, stage: str, *, clock: Callable[[], float] = time.time) -> None:
        self._stage = stage
        self._clock = clock
        self._since = clock()
        self._lag = (0, 0.0)
        self._seen: float | None = None
        self._state = ("starting", "")

    def running(self, lag_records: int, lag_seconds: float) -> None:
        """All is well, with so much still to read."""
        self._lag = (lag_records, lag_seconds)
        self._seen = self._clock()
        self._state = ("running", "")

    def overloaded(self, reason: str) -> None:
        """It waits for something."""
        self._state = ("overloaded", reason)

    def stopped(self) -> None:
        """It has ended as it was asked to."""
        self._state = ("stopped", "")

    def report(self) -> dict[str, Any]:
        """Stage, status (starting, running, overloaded, stopped), reason, lag, and when it began.

        `seen` is when the lag was last looked at; both times are Unix seconds.
        """
        status, reason = self._state
        records, seconds = self._lag
        return {
            "stage": self._stage,
            "status": status,
            "reason": reason,
            "lag": {"records": records, "seconds": round(seconds, 3)},
            "since": self._since,
            "seen": self._seen,
        }


def together(stage: str, loops: Sequence[Progress]) -> dict[str, Any]:
    """The report of a stage that runs several loops: the worst status, all that is unread."""
    reports = [each.report() for each in loops]
    worst = min(reports, key=lambda each: _WORST.index(each["status"]))
    lag = {
        "records": sum(each["lag"]["records"] for each in reports),
        "seconds": max(each["lag"]["seconds"] for each in reports),
    }
    return {**worst, "stage": stage, "lag": lag}


_WORST = ("stopped", "overloaded", "starting", "running")


def health_body(report: dict[str, Any]) -> tuple[int, bytes]:
    """HTTP status and JSON for /healthz: 200 while running or starting, else 503."""
    status = 200 if report["status"] in {"running", "starting"} else 503
    return status, json.dumps(report).encode()


@contextlib.contextmanager
def serve_health(
    port: int, report: Callable[[], dict[str, Any]], *, host: str = "127.0.0.1"
) -> Iterator[int]:
    """Answer GET /healthz and /metrics until the block ends; yields the port (0 picks a free one).

    Raises OSError, naming the port, when it is taken.
    """

    class Answer(_Answer):
        report_of_stage = staticmethod(report)

    try:
        server = ThreadingHTTPServer((host, port), Answer)
    except OSError as error:
        message = f"port {port} for health is taken or not allowed: {error.strerror}; use another"
        raise OSError(error.errno, message) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    report_of_stage: Callable[[], dict[str, Any]]
    server_version = "citysoc"
    sys_version = ""
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._send(*health_body(self.report_of_stage()), "application/json")
        elif self.path == "/metrics":
            self._send(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._send(404, b"expected /healthz or /metrics\n", "text/plain")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing: a scrape every few seconds is no news."""
