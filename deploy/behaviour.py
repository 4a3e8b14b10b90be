"""The anomaly stage, put together: three loops, one folder, and what settings say of tenants."""

import contextlib
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from collectors.bus.contract import Bus, Malformed, Overloaded
from collectors.bus.loop import Handler
from collectors.bus.loop import run as run_loop
from collectors.health import Progress
from deploy import wiring
from deploy.installation_key import FOLDER, open_key
from deploy.refresh import follow, guard
from deploy.settings import AnomalySettings, Settings
from detection.anomaly import lessons
from detection.anomaly.artefacts import Artefacts
from detection.anomaly.budget import Purse
from detection.anomaly.calendar import Calendar, Nation, breaks_of
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.counting import BEHAVIOUR, Counting
from detection.anomaly.going_back import KIND, GoBack, encode
from detection.anomaly.library import library
from detection.anomaly.shelf import Shelf, Version
from detection.anomaly.stage import Behaviour
from detection.packing import pack
from tenants.clock import stamp, utc_now
from tenants.database import Database
from tenants.registry import Registry
from tenants.triage.unusual import unusual_verdicts

LOG = structlog.get_logger()

VERDICT_SECONDS: Final = 2.0
REMEMBERED: Final = timedelta(days=30)
"""How old a verdict may be that a stage brings in when it starts."""
SCHOOLS: Final = ("school", "college", "university")
"""Kinds of organisations that keep terms."""


class Tenants:
    """What the stage asks of the tenants; follows the registry."""

    def __init__(self, settings: AnomalySettings) -> None:
        self._settings = settings
        self._kinds: dict[str, str] = {}

    def replace(self, kinds: dict[str, str]) -> None:
        """These are the tenants now."""
        self._kinds = kinds

    def purse(self, tenant: str) -> Purse:
        """Its own budget; thresholds are stricter where all tenants' come to more than the city's.

        So each may spend all of its own in an attack, and ordinary days of all fit into the city's.
        """
        budgets = {each: self._settings.budget(each) for each in {*self._kinds, tenant}}
        share = self._settings.city_budget / max(sum(budgets.values()), 1e-9)
        return Purse(budgets[tenant], min(1.0, share))

    def calendar(self, tenant: str) -> Calendar:
        """When it works."""
        said = self._settings.of(tenant).calendar
        kind = self._kinds.get(tenant, "").lower()
        keeps_terms = any(word in kind for word in SCHOOLS)
        return Calendar(
            zone=said.zone,
            nation=Nation(said.nation),
            terms=keeps_terms if said.terms is None else said.terms,
            breaks=breaks_of(said.breaks),
        )


def run_behaviour(settings: Settings, stop: threading.Event, loops: Sequence[Progress]) -> None:
    """Count events and alerts, and watch what comes of it, until `stop` is set."""
    registry = wiring.open_registry(settings)
    checkpoints = CheckpointFiles(settings.data / FOLDER / "state")
    shelf, key = open_shelf(settings), open_key(settings)
    tenants = Tenants(settings.anomaly)
    follow(registry, lambda: _changed(registry, tenants, checkpoints, shelf.artefacts), stop)

    def run(handler: Handler, topics: str, progress: Progress, group: str) -> None:
        run_loop(
            wiring.open_bus(settings),
            handler,
            group=group,
            topics=topics,
            stage=group,
            stop=stop,
            progress=progress,
            batch=wiring.DETECTION_BATCH,
        )

    def count(topics: str, progress: Progress, group: str) -> None:
        bus = wiring.open_bus(settings)
        counting = Counting(
            bus, policies=registry, purse=tenants.purse, pipelines=settings.detection.pipelines
        )
        run(counting, topics, progress, group)
        counting.close()

    def watch() -> None:
        behaviour = Behaviour(
            wiring.open_bus(settings),
            checkpoints,
            calendar=lambda tenant: tenants.calendar(tenant).hour,
            lateness=settings.anomaly.lateness,
            every=settings.anomaly.checkpoint,
            shelf=shelf,
            key=key,
            contributes=lambda tenant: settings.anomaly.of(tenant).contributes,
        )
        run(behaviour, "behaviour.", loops[2], "anomaly-behaviour")
        behaviour.close()

    def carry() -> None:
        carry_verdicts(wiring.open_database(settings), wiring.open_bus(settings), stop)

    others = [
        guard(carry, stop, "verdicts"),
        guard(watch, stop, "behaviour"),
        guard(lambda: count("alerts.", loops[1], "anomaly-alerts"), stop, "alerts"),
    ]
    for other in others:
        other.start()
    count("events.", loops[0], "anomaly")
    for other in others:
        other.join()


def go_back(
    settings: Settings, tenant: str, profile: str, version: str, *, release: bool
) -> GoBack:
    """Write the record that the stage goes back by. Raises Malformed for what it could not."""
    shelf = open_shelf(settings)
    watched = {each.profile.name: each.profile for each in library()}
    if profile not in watched:
        raise Malformed(f"no profile called {profile!r}; known: {', '.join(watched)}")
    if not release:
        version = version or _one_before(shelf.versions(tenant, profile))
        shelf.take(tenant, watched[profile], version)
    asked = GoBack(profile=profile, version="" if release else version)
    with contextlib.closing(wiring.open_bus(settings).producer()) as producer:
        producer.send(BEHAVIOUR + tenant, encode(asked), key=tenant, headers={"kind": KIND})
        producer.flush()
    return asked


def _one_before(versions: Sequence[Version]) -> str:
    names = [each.version for each in versions]
    places = [place for place, each in enumerate(versions) if each.in_force]
    older = names[places[0] + 1 :] if places else []
    if not older:
        raise Malformed("there is no earlier model to go back to")
    return older[0]


def carry_verdicts(database: Database, bus: Bus, stop: threading.Event) -> None:
    """Bring what people say of our alerts to the log, again and again; the log knows repeats."""
    after = stamp(utc_now() - REMEMBERED)
    producer = bus.producer()
    while not stop.wait(VERDICT_SECONDS):
        try:
            found = unusual_verdicts(database, after)
            for tenant, said in found.items():
                for value in pack(map(lessons.encode, said)):
                    producer.send(
                        BEHAVIOUR + tenant, value, key=tenant, headers={"kind": lessons.VERDICTS}
                    )
            producer.flush()
        except Overloaded as error:
            LOG.warning("verdicts come later", reason=str(error))
        else:
            after = max([after, *(each.closed for said in found.values() for each in said)])
    producer.close()


def open_shelf(settings: Settings) -> Shelf:
    """Where models are kept, under the key that this installation made for itself."""
    return Shelf(Artefacts(settings.data / FOLDER / "models", open_key(settings)))


def _changed(
    registry: Registry, tenants: Tenants, checkpoints: CheckpointFiles, artefacts: Artefacts
) -> None:
    """Bring in the tenants as they are, and forget those that have left."""
    kinds = dict(registry.kinds())
    tenants.replace(kinds)
    for gone in {*checkpoints.tenants(), *artefacts.tenants()} - kinds.keys():
        LOG.info("behaviour forgotten", tenant=gone)
        checkpoints.erase(gone)
        artefacts.erase(gone)
