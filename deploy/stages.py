"""Each stage, put together from its parts, run until it is asked to stop."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import structlog

from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run as run_loop
from collectors.health import Progress, serve_health
from collectors.route import RouteTable
from collectors.sources.sockets import PortTaken
from deploy import wiring
from deploy.logs import configure
from deploy.refresh import FAILED, follow, guard
from deploy.settings import Settings
from deploy.supervise import stop_signal
from tenants.clock import utc_now
from tenants.registry import Registry

LOG = structlog.get_logger()


def run_stage(stage: str, settings: Settings) -> int:
    """Run one stage; returns its exit code, 1 where a part of it failed."""
    configure(stage)
    stop = stop_signal()
    settings.data.mkdir(parents=True, exist_ok=True)
    LOG.info("stage starts", port=settings.stage_port(stage))
    try:
        _STAGES[stage](settings, stop)
    except PortTaken as taken:
        LOG.error("stage can't start", reason=str(taken))
        return 2
    LOG.info("stage ends")
    return 1 if FAILED.is_set() else 0


def _collectors(settings: Settings, stop: threading.Event) -> None:
    from collectors.stage import run_collectors

    bus = wiring.open_bus(settings)
    registry = wiring.open_registry(settings)
    routes = RouteTable()

    def changed() -> None:
        registry.ensure_topics(bus)
        routes.replace(registry.routes())

    follow(registry, changed, stop)
    run_collectors(
        bus,
        routes,
        host=settings.host,
        ingest_port=settings.ingest_port,
        syslog_port=settings.syslog_port,
        stop=stop,
        ready=lambda ports: LOG.info("doors open", ingest=ports.ingest, syslog=dict(ports.syslog)),
    )


def _detection(settings: Settings, stop: threading.Event) -> None:
    from detection.worker import Detection

    with _watched("detection", settings) as progress:
        bus = wiring.open_bus(settings)
        registry = wiring.open_registry(settings)
        assets = wiring.follow_assets(registry, stop)
        engine = wiring.load_engine(settings)
        handler = Detection(bus, engine, policies=registry, enrichers=[assets])
        run_loop(
            bus,
            handler,
            group="detection",
            topics="events.",
            stage="detection",
            stop=stop,
            progress=progress,
            batch=wiring.DETECTION_BATCH,
        )


def _correlation(settings: Settings, stop: threading.Event) -> None:
    from detection.correlation import Correlation

    with _watched("correlation", settings) as progress:
        bus = wiring.open_bus(settings)
        handler = Correlation(bus, settings.data / "seen.sqlite")
        run_loop(
            bus,
            handler,
            group="correlation",
            topics="signals.",
            stage="correlation",
            stop=stop,
            progress=progress,
        )


def _indexer(settings: Settings, stop: threading.Event) -> None:
    from tenants.indexer import Indexer

    with _watched("indexer", settings) as progress:
        bus = wiring.open_bus(settings)
        registry = wiring.open_registry(settings)
        store = wiring.open_store(settings)
        indexer = Indexer(bus, store)
        _housekeeping(settings, registry, stop)
        run_loop(
            bus,
            indexer,
            group="indexer",
            topics="events.",
            stage="indexer",
            stop=stop,
            progress=progress,
            batch=wiring.INDEXER_BATCH,
        )
        indexer.close()
        store.close()


def _housekeeping(settings: Settings, registry: Registry, stop: threading.Event) -> None:
    """Drop what retention no longer keeps, of bus and store, once an hour."""
    bus = EmbeddedBus(settings.data / wiring.BUS_FILE)
    store = wiring.open_store(settings)

    def tidy() -> None:
        while not stop.wait(wiring.TIDY_SECONDS):
            removed = bus.enforce_retention()
            dropped = [
                name
                for tenant in registry.tenants()
                for name in store.enforce_retention(
                    tenant, months=settings.store.keep_months, now=utc_now()
                )
            ]
            LOG.info("retention enforced", records=removed, slices=dropped)

    guard(tidy, stop, "housekeeping").start()


def _serve(settings: Settings, stop: threading.Event) -> None:
    from tenants.triage.intake import Intake

    bus = wiring.open_bus(settings)
    database = wiring.open_database(settings)
    registry = wiring.registry_of(database, settings)
    progress = Progress("serve")
    follow(registry, lambda: _publish(registry, bus), stop)

    def triage() -> None:
        run_loop(
            bus,
            Intake(database, bus.producer()),
            group="triage",
            topics="alerts.",
            stage="serve",
            stop=stop,
            progress=progress,
        )

    worker = guard(triage, stop, "triage")
    worker.start()
    wiring.serve_app(settings, database, progress, stop)
    worker.join(timeout=3)


def _publish(registry: Registry, bus: EmbeddedBus) -> None:
    registry.publish(bus)


@contextlib.contextmanager
def _watched(stage: str, settings: Settings) -> Iterator[Progress]:
    progress = Progress(stage)
    with serve_health(settings.stage_port(stage), progress.report):
        yield progress


_STAGES: dict[str, Callable[[Settings, threading.Event], None]] = {
    "collectors": _collectors,
    "detection": _detection,
    "correlation": _correlation,
    "indexer": _indexer,
    "serve": _serve,
}
