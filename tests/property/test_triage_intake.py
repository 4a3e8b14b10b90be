"""However alerts are delivered – again, late, in any order – the queue ends up the same."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.alert import Alert
from tenants.access import EVERY_TENANT, OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tenants.triage.queue import QueueFilter
from tenants.triage.verdicts import Verdict
from tests.alerts import alert
from tests.databases import KINDS, empty


@pytest.fixture(scope="module", params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with empty(request.param, tmp_path_factory.mktemp("intake")) as place:
        database = Database.open(place.migrated().program)
        for tenant in ("council", "school"):
            Onboarding(database, OPERATOR, Endpoints()).add_tenant(tenant, tenant)
        yield database
        database.close()


def amendments(tenant: str, rule: str, host: str, hour: int, counts: list[int]) -> list[Alert]:
    """One alert as correlation sends it over time, each whole, with a growing count."""
    bucket = f"2026-11-24T{hour:02}"
    totals = itertools.accumulate(counts)
    return [
        alert(
            host,
            bucket,
            tenant=tenant,
            rule=rule,
            title=rule,
            revision=revision * 7,
            count=total,
            last=f"{bucket}:{min(total, 59):02}:00.000000Z",
            events=tuple(f"{number:032x}" for number in range(min(total, 20))),
            bodies=tuple(msgspec.Raw(b"%d" % number) for number in range(min(total, 20))),
        )
        for revision, total in enumerate(totals)
    ]


LOG = st.dictionaries(
    st.tuples(
        st.sampled_from(["council", "school"]),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from(["h1", "h2"]),
        st.integers(0, 3),
    ),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=LOG, seed=st.integers(0, 1 << 30))
def test_any_delivery_gives_the_queue_of_a_naive_reading(
    database: Database, log: dict[tuple[str, str, str, int], list[int]], seed: int
) -> None:
    shuffle = random.Random(seed)
    sent = [alert for key, counts in log.items() for alert in amendments(*key, counts)]
    delivered = sent + shuffle.choices(sent, k=len(sent))
    shuffle.shuffle(delivered)
    _empty(database)

    while delivered:
        size = shuffle.randint(1, 6)
        batch, delivered = delivered[:size], delivered[size:]
        take(database, batch)
        if shuffle.random() < 0.3:
            take(database, batch)  # it was cut off before it could say that it was done

    assert _queue(database) == _naive(log)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=LOG, seed=st.integers(0, 1 << 30))
def test_no_match_is_lost_or_counted_twice_whatever_people_do_meanwhile(
    database: Database, log: dict[tuple[str, str, str, int], list[int]], seed: int
) -> None:
    chance = random.Random(seed)
    sent = [alert for key, counts in log.items() for alert in amendments(*key, counts)]
    chance.shuffle(sent)
    _empty(database)
    desk = Desk(database, OPERATOR_WITH_A_USER)

    for one in sent:
        take(database, [one])
        items = desk.list().items
        if items and chance.random() < 0.5:
            item = chance.choice(items)
            desk.verdict(item.id, chance.choice(list(Verdict)), "Chance.")

    items = desk.list(QueueFilter(states=frozenset()), limit=200).items
    assert sum(item.count for item in items) == sum(sum(counts) for counts in log.values())
    open_subjects = [(i.tenant, i.rule, i.entity) for i in items if i.state != "closed"]
    assert len(open_subjects) == len(set(open_subjects))


OPERATOR_WITH_A_USER = msgspec.structs.replace(OPERATOR, user="chance")


def _empty(database: Database) -> None:
    with database.write(EVERY_TENANT) as connection:
        for table in ("alert_events", "alerts", "history", "notes", "items"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql(
            "INSERT INTO users VALUES ('chance', 'Chance', 'analyst', '', true, '')"
            " ON CONFLICT DO NOTHING"
        )


def _queue(database: Database) -> dict[tuple[str, str, str], tuple[int, str, str, list[int]]]:
    desk = Desk(database, OPERATOR_WITH_A_USER)
    found = {}
    for item in desk.list(limit=200).items:
        bodies = [evidence.body for evidence in desk.get(item.id).evidence]
        key = (item.tenant, item.rule, item.entity.name)
        assert key not in found
        found[key] = (item.count, item.first, item.last, sorted(bodies))
    return found


def _naive(
    log: dict[tuple[str, str, str, int], list[int]],
) -> dict[tuple[str, str, str], tuple[int, str, str, list[int]]]:
    newest: defaultdict[tuple[str, str, str], list[Alert]] = defaultdict(list)
    for (tenant, rule, host, hour), counts in log.items():
        newest[tenant, rule, host].append(amendments(tenant, rule, host, hour, counts)[-1])
    return {
        key: (
            sum(alert.count for alert in alerts),
            min(alert.first for alert in alerts),
            max(alert.last for alert in alerts),
            sorted(number for alert in alerts for number in range(len(alert.bodies))),
        )
        for key, alerts in newest.items()
    }
