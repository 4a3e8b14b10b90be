"""Each stage, put together from its parts, run until it is asked to stop."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import structlog

from collectors.bus.contract import Bus, Overloaded
from collectors.bus.loop import run as run_loop
from collectors.health import Progress, serve_health, together
from collectors.route import RouteTable
from collectors.sources.sockets import PortTaken
from deploy import wiring
from deploy.logs import configure
from deploy.refresh import FAILED, follow, guard
from deploy.settings import Settings
from deploy.space import GuardedBus, Space, watch
from deploy.supervise import stop_signal
from tenants.clock import utc_now
from tenants.registry import Registry

LOG = structlog.get_logger()
YOUNG = 50_000
"""New objects before Python looks for cycles: a batch holds many, all of them in use."""


LAST_SECONDS = 3.0
"""A stage that is asked to stop has so long to let go of its servers; supervisors wait longer."""


class Job(NamedTuple):
    """What one process of a stage has been asked to do."""

    stage: str
    settings: Settings
    stop: threading.Event
    worker: int
    """Which of several, counted from 1."""


def run_stage(stage: str, settings: Settings, worker: int = 1) -> int:
    """Run one stage; returns its exit code, 1 where a part of it failed."""
    configure(stage)
    gc.set_threshold(YOUNG)
    stop = stop_signal()
    threading.Thread(target=_end_in_time, args=(stop,), daemon=True).start()
    settings.data.mkdir(parents=True, exist_ok=True)
    LOG.info("stage starts", port=settings.stage_port(stage))
    try:
        _STAGES[stage](Job(stage, settings, stop, worker))
    except PortTaken as taken:
        LOG.error("stage can't start", reason=str(taken))
        return 2
    LOG.info("stage ends")
    return 1 if FAILED.is_set() else 0


def _end_in_time(stop: threading.Event) -> None:
    """End the process where a server that does not answer holds up its stop."""
    stop.wait()
    time.sleep(LAST_SECONDS)
    LOG.warning("stage ends at work, which will come again: something does not answer")
    os._exit(0)


def _collectors(job: Job) -> None:
    from collectors.stage import run_collectors

    bus = wiring.open_bus(job.settings)
    registry = wiring.open_registry(job.settings)
    routes = RouteTable()

    def changed() -> None:
        registry.publish(bus)  # so that a new tenant's log begins with the rules in force
        routes.replace(registry.routes())

    follow(registry, changed, job.stop)
    space = Space(job.settings.data, job.settings.space)
    guard(lambda: watch(space, job.stop), job.stop, "space").start()
    run_collectors(
        GuardedBus(bus, space),
        routes,
        host=job.settings.host,
        ingest_port=job.settings.ingest_port,
        syslog_port=job.settings.syslog_port,
        stop=job.stop,
        ready=lambda ports: LOG.info("doors open", ingest=ports.ingest, syslog=dict(ports.syslog)),
    )


def _detection(job: Job) -> None:
    from detection.worker import Detection

    with _watched(job) as progress:
        bus = wiring.open_bus(job.settings)
        registry = wiring.open_registry(job.settings)
        assets = wiring.follow_assets(registry, job.stop)
        sets = wiring.open_rule_sets(job.settings, registry)
        wiring.follow_releases(registry, sets, job.stop)
        handler = Detection(bus, sets, versions=registry, enrichers=[assets])
        run_loop(
            bus,
            handler,
            group="detection",
            topics="events.",
            stage="detection",
            stop=job.stop,
            progress=progress,
            batch=wiring.DETECTION_BATCH,
        )


def _correlation(job: Job) -> None:
    from detection.correlation import Correlation

    with _watched(job) as progress:
        bus = wiring.open_bus(job.settings)
        scratch = job.settings.data / f"seen-{job.worker}.sqlite"
        registry = wiring.open_registry(job.settings)
        sets = wiring.open_rule_sets(job.settings, registry)
        handler = Correlation(bus, scratch, sets)
        run_loop(
            bus,
            handler,
            group="correlation",
            topics="signals.",
            stage="correlation",
            stop=job.stop,
            progress=progress,
        )


def _anomaly(job: Job) -> None:
    from deploy.behaviour import run_behaviour

    loops = [Progress(name) for name in ("anomaly", "anomaly-alerts", "anomaly-behaviour")]
    port = job.settings.stage_port(job.stage, job.worker)
    with serve_health(port, lambda: together(job.stage, loops)):
        run_behaviour(job.settings, job.stop, loops)


def _indexer(job: Job) -> None:
    from tenants.indexer import Indexer
    from tenants.seen_fields import FieldsSeen

    with _watched(job) as progress:
        bus = wiring.open_bus(job.settings)
        registry = wiring.open_registry(job.settings)
        store = wiring.open_store(job.settings)
        seen = FieldsSeen(wiring.open_database(job.settings))
        indexer = Indexer(bus, store, seen)
        _housekeeping(job.settings, registry, job.stop)
        run_loop(
            bus,
            indexer,
            group="indexer",
            topics="events.",
            stage="indexer",
            stop=job.stop,
            progress=progress,
            batch=wiring.INDEXER_BATCH,
        )
        indexer.close()
        store.close()


def _housekeeping(settings: Settings, registry: Registry, stop: threading.Event) -> None:
    """Drop what retention no longer keeps, of bus and store, once an hour."""
    bus = wiring.open_bus(settings)
    store = wiring.open_store(settings)

    def tidy() -> None:
        removed = bus.enforce_retention()
        dropped = [
            name
            for tenant in registry.tenants()
            for name in store.enforce_retention(
                tenant, months=settings.store.keep_months, now=utc_now()
            )
        ]
        LOG.info("retention enforced", records=removed, slices=dropped)

    def hourly() -> None:
        while not stop.wait(wiring.TIDY_SECONDS):
            try:
                tidy()
            except Overloaded as error:
                LOG.warning("retention put off for an hour", reason=str(error))

    guard(hourly, stop, "housekeeping").start()


def _serve(job: Job) -> None:
    from deploy.serving import serve_app
    from tenants.triage.city import Budgets
    from tenants.triage.intake import Intake

    bus = wiring.open_bus(job.settings)
    database = wiring.open_database(job.settings)
    registry = wiring.registry_of(database, job.settings)
    said = job.settings.anomaly
    budgets = Budgets(said.city_budget, said.budget)
    progress = Progress("serve")
    follow(registry, lambda: _publish(registry, bus), job.stop)

    def triage() -> None:
        run_loop(
            bus,
            Intake(database, bus.producer(), budgets=budgets),
            group="triage",
            topics="alerts.",
            stage="serve",
            stop=job.stop,
            progress=progress,
        )

    worker = guard(triage, job.stop, "triage")
    worker.start()
    serve_app(job.settings, database, progress, job.stop)
    worker.join(timeout=3)


def _publish(registry: Registry, bus: Bus) -> None:
    registry.publish(bus)


@contextlib.contextmanager
def _watched(job: Job) -> Iterator[Progress]:
    progress = Progress(job.stage)
    port = job.settings.stage_port(job.stage, job.worker)
    with serve_health(port, progress.report):
        yield progress


_STAGES: dict[str, Callable[[Job], None]] = {
    "collectors": _collectors,
    "detection": _detection,
    "correlation": _correlation,
    "anomaly": _anomaly,
    "indexer": _indexer,
    "serve": _serve,
}
