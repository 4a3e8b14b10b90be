"""The live counters that `citysoc up` shows: what each stage says of itself, once a second."""

import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from deploy.settings import Settings
from deploy.supervise import Supervisor

Samples = Mapping[str, float]
"""Metric name to its value, summed over its labels."""


def read_metrics(port: int) -> Samples | None:
    """What the stage on this loopback port says, None if it does not answer, or not to the end."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
            text = answer.read().decode()
    except (OSError, HTTPException):
        return None
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


class Counters:
    """Counts of one run of the installation, kept over restarts of its stages."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._settings = settings
        self._supervisor = supervisor

    def table(self) -> Table:
        """A row a stage, as they are now."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("stage")
        for title in ("done", "", "waiting", "oldest"):
            table.add_column(title, justify="right")
        table.add_column("restarts", justify="right")
        for child in self._supervisor.children:
            samples = read_metrics(self._settings.stage_port(child.stage, child.worker))
            table.add_row(child.name, *_cells(child.stage, samples), str(child.restarts or ""))
        return table


_DONE = {
    "collectors": ("citysoc_events_accepted_total", "events in"),
    "detection": ("citysoc_signals_total", "signals"),
    "correlation": ("citysoc_alerts_total", "alerts"),
    "anomaly": ("citysoc_behaviour_windows_total", "windows"),
    "indexer": ("citysoc_events_stored_total", "searchable"),
    "serve": ("citysoc_queue_items_total", "queue items"),
}


def _cells(stage: str, samples: Samples | None) -> tuple[str, str, str, str]:
    if samples is None:
        return "", "[yellow]starting[/]", "", ""
    metric, unit = _DONE[stage]
    done = f"{samples.get(metric, 0):,.0f}"
    if stage == "collectors":
        return done, unit, "", ""
    waiting = f"{samples.get('citysoc_lag_records', 0):,.0f}"
    oldest = f"{samples.get('citysoc_lag_seconds', 0):.1f} s"
    return done, unit, waiting, oldest


def all_answer(settings: Settings, supervisor: Supervisor) -> bool:
    """Whether every worker of every stage answers."""
    ports = [settings.stage_port(child.stage, child.worker) for child in supervisor.children]
    return all(read_metrics(port) is not None for port in ports)
