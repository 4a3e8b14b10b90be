"""The second half of the stage: a tenant's counts meet, windows close, alerts are written."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from collectors import metrics
from collectors.bus.contract import (
    Bus,
    Consumer,
    Malformed,
    Overloaded,
    Partition,
    Position,
    Record,
)
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Letter, Outbox
from detection.alert import Alert
from detection.anomaly import borrowing, going_back, lessons
from detection.anomaly.checkpoint import Checkpoints
from detection.anomaly.counting import BEHAVIOUR
from detection.anomaly.lessons import Names
from detection.anomaly.library import Watched, library
from detection.anomaly.nights import Fitted
from detection.anomaly.part import decode
from detection.anomaly.shelf import Shelf
from detection.anomaly.tenant import Kept, TenantBehaviour
from detection.anomaly.watch import Calendar
from detection.correlation import ALERTS
from detection.packing import pack

log = structlog.get_logger()

STAGE = "anomaly"


class Behaviour:
    """Handler of the group `anomaly-behaviour` (see collectors.bus.loop).

    What it knows is on disk with its place in the log; from there on it reads the log again, and
    alerts that come out once more have the id and the revision that they had.
    """

    def __init__(
        self,
        bus: Bus,
        checkpoints: Checkpoints,
        *,
        calendar: Callable[[str], Calendar],
        lateness: float,
        every: float,
        watched: Sequence[Watched] | None = None,
        shelf: Shelf,
        key: bytes,
        contributes: Callable[[str], bool] = lambda _tenant: True,
    ) -> None:
        """`every`: seconds of the log after which a checkpoint is due; `key` is the installation's,
        under which names become digests; `contributes`: whether others may learn of a tenant."""
        self._producer = bus.producer()
        self._outbox = Outbox(self._producer)
        self._checkpoints = checkpoints
        self._calendar = calendar
        self._lateness = lateness
        self._every = every
        self._watched = {each.profile.name: each for each in watched or library()}
        self._shelf = shelf
        self._key = key
        self._contributes = contributes
        self._tenants: dict[str, TenantBehaviour] = {}
        self._due: dict[str, float] = {}
        self._fitted: list[tuple[str, Fitted]] = []
        self._asked: dict[tuple[str, str], float] = {}

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:
        """Go on from what is on disk, or from the log's beginning."""
        for partition in positions:
            tenant = _tenant(partition)
            behaviour = self._open(self._checkpoints.load(tenant) or Kept(tenant))
            self._tenants[tenant] = behaviour
            self._due[tenant] = behaviour.time + self._every
            consumer.seek(partition, behaviour.offset)

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Put on disk what is known of these."""
        for partition in partitions:
            tenant = _tenant(partition)
            behaviour = self._tenants.pop(tenant, None)
            if behaviour is not None:
                self._save(behaviour)

    def handle(self, records: Sequence[Record]) -> None:
        """Take every part; a line that is none is set aside and the others go on."""
        for record in records:
            behaviour = self._tenants[_tenant(record.partition)]
            if record.offset < behaviour.offset:
                continue
            try:
                self._take(behaviour, record)
            except ValueError as error:
                metrics.DEAD_LETTERS.labels(STAGE).inc()
                self._outbox.put(dead_letter(record, str(error), stage=STAGE))
            behaviour.read_to(record.offset + 1)

    def flush(self) -> None:
        """Shelve models, send alerts, and keep what they came from where that is due."""
        for tenant, fitted in self._fitted:
            profile, contributes = self._watched[fitted.profile].profile, self._contributes(tenant)
            self._shelf.put(tenant, profile, fitted, contributes=contributes)
        self._fitted.clear()
        for behaviour in self._tenants.values():
            self._help(behaviour)
        self._outbox.flush()
        for tenant, behaviour in self._tenants.items():
            if behaviour.time >= self._due[tenant]:
                self._checkpoints.save(behaviour.keep())
                self._due[tenant] = behaviour.time + self._every

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - the loop's contract
        """Nothing: the checkpoint knows its own place."""
        return ""

    def close(self) -> None:
        """Put everything on disk and let go of the bus."""
        for behaviour in self._tenants.values():
            self._save(behaviour)
        self._producer.close()

    def _take(self, behaviour: TenantBehaviour, record: Record) -> None:
        """Raises ValueError for what is none of ours."""
        if record.kind == going_back.KIND:
            self._go_back(behaviour, record)
        elif record.kind == borrowing.KIND:
            self._borrow(behaviour, record)
        elif record.kind == lessons.VERDICTS:
            self._hear(behaviour, record)
        elif record.kind == lessons.LESSONS:
            behaviour.teach(lessons.lessons(record.value))
        else:
            self._count(behaviour, record)

    def _count(self, behaviour: TenantBehaviour, record: Record) -> None:
        tenant, revision = behaviour.tenant, record.offset + 1
        alerts: dict[str, Alert] = {}
        for part in [decode(line) for line in record.value.split(b"\n")]:
            alerts.update({alert.id: alert for alert in behaviour.take(part, revision)})
        for value in pack(map(msgspec.json.encode, alerts.values())):
            self._outbox.put(Letter(ALERTS + tenant, value, key=tenant))
        self._fitted += [(tenant, each) for each in behaviour.take_fitted()]

    def _hear(self, behaviour: TenantBehaviour, record: Record) -> None:
        """Bring what the verdicts teach to every tenant, or to their own where it keeps that."""
        said = list(lessons.verdicts(record.value))
        taught = [found for each in said if (found := behaviour.hear(each)) is not None]
        shared = self._contributes(behaviour.tenant)
        for tenant in self._tenants if shared else (behaviour.tenant,):
            for value in pack(map(lessons.encode, taught)):
                headers = {"kind": lessons.LESSONS}
                self._outbox.put(Letter(BEHAVIOUR + tenant, value, key=tenant, headers=headers))

    def _go_back(self, behaviour: TenantBehaviour, record: Record) -> None:
        """What can't be gone back to leaves the model in force where it is."""
        tenant = behaviour.tenant
        try:
            asked = going_back.decode(record.value)
            profile, version = self._watched[asked.profile].profile, asked.version
            model = self._shelf.take(tenant, profile, version) if version else None
        except (ValueError, KeyError, Malformed) as error:
            log.error("model_not_gone_back_to", tenant=tenant, reason=str(error))
            return
        behaviour.go_back(profile.name, model)
        if model is not None:
            self._shelf.artefacts.put_in_force(tenant, profile.name, version)

    def _help(self, behaviour: TenantBehaviour) -> None:
        """Where a first day goes on without help, see what others can lend; once an hour."""
        tenant = behaviour.tenant
        for name in behaviour.wanting():
            asked = self._asked.get((tenant, name), float("-inf"))
            if behaviour.time < asked + borrowing.ASK_EVERY:
                continue
            lenders = filter(self._contributes, self._shelf.artefacts.tenants())
            prior = self._shelf.lend(tenant, self._watched[name].profile, lenders)
            self._asked[tenant, name] = behaviour.time
            if prior is not None:
                value = borrowing.encode(borrowing.Borrow(profile=name, version=prior.version))
                headers = {"kind": borrowing.KIND}
                self._outbox.put(Letter(BEHAVIOUR + tenant, value, key=tenant, headers=headers))

    def _borrow(self, behaviour: TenantBehaviour, record: Record) -> None:
        """What can't be trusted leaves the first day without help."""
        try:
            told = borrowing.decode(record.value)
            profile = self._watched[told.profile].profile
            prior = self._shelf.lent(behaviour.tenant, profile, told.version)
        except (ValueError, KeyError, Malformed) as error:
            log.error("first_day_not_helped", tenant=behaviour.tenant, reason=str(error))
            return
        behaviour.borrow(profile.name, prior)

    def _open(self, kept: Kept) -> TenantBehaviour:
        return TenantBehaviour(
            kept,
            watched=self._watched,
            calendar=self._calendar(kept.tenant),
            lateness=self._lateness,
            names=Names(self._key, kept.tenant),
        )

    def _save(self, behaviour: TenantBehaviour) -> None:
        try:
            self._checkpoints.save(behaviour.keep())
        except Overloaded as error:
            # nothing is lost: the log is read again from the checkpoint before
            log.warning("checkpoint_left_out", tenant=behaviour.tenant, reason=str(error))


def _tenant(partition: Partition) -> str:
    return partition.topic.removeprefix(BEHAVIOUR)
