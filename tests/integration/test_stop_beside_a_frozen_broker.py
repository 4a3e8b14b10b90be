"""A stage ends in time though its broker does not answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from deploy.local.servers import Running
from deploy.proof.run import free_ports
from deploy.settings import BusSettings, KafkaSettings, Settings
from tests.leash import leashed


def runs(port: int) -> bool:
    """Whether the stage reads; 503 while it has yet to."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except URLError:
        return False


def test_a_stage_stops_within_seconds_beside_a_broker_that_is_frozen(
    own_servers: Callable[..., Running], tmp_path: Path
) -> None:
    broker = own_servers("kafka")
    kafka = BusSettings(kafka=KafkaSettings(servers=broker.kafka))
    settings = Settings(data=tmp_path, port=free_ports(), bus=kafka)
    config = tmp_path / "settings.yml"
    config.write_text(settings.dump())
    command = [sys.executable, "-m", "deploy", "run", "correlation", "--config", str(config)]
    command = leashed(command)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stage:
        deadline = time.monotonic() + 60
        while not runs(settings.stage_port("correlation")):
            assert stage.poll() is None
            assert time.monotonic() < deadline, "the stage did not start"

        os.kill(broker.pids["kafka"], signal.SIGSTOP)
        began = time.monotonic()
        stage.terminate()
        stage.wait(30)

    took = time.monotonic() - began
    os.kill(broker.pids["kafka"], signal.SIGCONT)
    assert stage.returncode == 0
    assert took < 6
