"""The stage that fills the queue from `alerts.*`: each alert once, whatever is redelivered."""

from collections.abc import Sequence

import structlog

from collectors import metrics
from collectors.bus.contract import Partition, Producer, Record
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Outbox
from detection.alert import Alert
from tenants.access import EVERY_TENANT
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.triage.chains import refresh
from tenants.triage.city import UNBOUNDED, Budgets, wants_a_place
from tenants.triage.reading import read_alert
from tenants.triage.tray_load import load, tenants
from tenants.triage.tray_store import store

log = structlog.get_logger()

STAGE = "triage"


class Intake:
    """Handler of the group `triage` (see collectors.bus.loop); one transaction a batch."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        *,
        budgets: Budgets = UNBOUNDED,
        clock: Clock = utc_now,
    ) -> None:
        """`budgets`: how much may be in the queue a day of what no rule describes."""
        self._database = database
        self._budgets = budgets
        self._dead = Outbox(producer)
        self._clock = clock
        self._alerts: list[Alert] = []

    def handle(self, records: Sequence[Record]) -> None:
        """Read the alerts; a line that is none goes to the dead letters, the others go on."""
        for record in records:
            tenant = record.partition.topic.partition(".")[2]
            for number, line in enumerate(record.value.split(b"\n")):
                if line.strip():
                    self._read(record, tenant, number, line)

    def flush(self) -> None:
        """Take them into the queue. Raises Overloaded and keeps everything then."""
        self._dead.flush()
        if self._alerts:
            opened = take(self._database, self._alerts, self._clock, self._budgets)
            self._alerts.clear()
            metrics.ITEMS.inc(opened)

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - the loop's contract
        """Nothing: the database remembers which revision of an alert it has."""
        return ""

    def _read(self, record: Record, tenant: str, number: int, line: bytes) -> None:
        try:
            self._alerts.append(read_alert(line, tenant))
        except ValueError as error:
            metrics.DEAD_LETTERS.labels(STAGE).inc()
            letter = dead_letter(record, str(error), stage=STAGE, line=number, content=line)
            self._dead.put(letter)


def take(
    database: Database,
    alerts: Sequence[Alert],
    clock: Clock = utc_now,
    budgets: Budgets = UNBOUNDED,
) -> int:
    """Take alerts into the queue in one transaction; returns how many items were opened.

    Of each alert the highest revision wins, in whatever order they come. What no rule describes
    has to find a place within the budgets, the city's among them: a matter between all tenants.
    """
    newest: dict[str, Alert] = {}
    for alert in alerts:
        if alert.id not in newest or newest[alert.id].revision < alert.revision:
            newest[alert.id] = alert
    city = any(map(wants_a_place, newest.values()))
    concerned = EVERY_TENANT if city else {alert.tenant for alert in newest.values()}
    with database.write(concerned) as connection:
        known_tenants = tenants(connection)
        theirs = [alert for alert in newest.values() if alert.tenant in known_tenants]
        if len(theirs) < len(newest):
            log.error("alerts of no known tenant left out", alerts=len(newest) - len(theirs))
        tray = load(connection, theirs, budgets)
        for alert in theirs:
            tray.take(alert)
        store(connection, tray, stamp(clock()))
        refresh(connection, (item.entity_key for item in tray.touched.values()))
    return sum(item.fresh for item in tray.touched.values())
