"""What a stage tells whoever watches it."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from collectors.health import Progress, health_body, serve_health


def get(port: int, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_healthz_says_how_a_stage_is_doing() -> None:
    progress = Progress("detection", clock=lambda: 1000.0)
    progress.running(12, 3.25)

    with serve_health(0, progress.report) as port:
        status, content_type, body = get(port, "/healthz")

    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == {
        "stage": "detection",
        "status": "running",
        "reason": "",
        "lag": {"records": 12, "seconds": 3.25},
        "since": 1000.0,
        "seen": 1000.0,
    }


def test_an_overloaded_stage_is_not_healthy_and_says_why() -> None:
    progress = Progress("indexer")
    progress.overloaded("the disk is full")

    status, body = health_body(progress.report())

    assert status == 503
    assert json.loads(body)["reason"] == "the disk is full"


def test_metrics_are_for_prometheus() -> None:
    with serve_health(0, Progress("detection").report) as port:
        status, content_type, body = get(port, "/metrics")

    assert status == 200
    assert content_type.startswith("text/plain")
    assert b"citysoc_lag_records" in body


def test_other_paths_are_not_found() -> None:
    with serve_health(0, Progress("detection").report) as port:
        status, _, body = get(port, "/etc/passwd")

    assert status == 404
    assert b"/healthz" in body


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with (
            pytest.raises(OSError, match=f"port {port}"),
            serve_health(port, Progress("detection").report),
        ):
            pass
