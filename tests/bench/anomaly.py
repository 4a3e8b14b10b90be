"""The anomaly model on real labelled data, beside plain detectors: `make bench-anomaly`."""

import gzip
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from detection.anomaly.budget import Standing
from detection.anomaly.prior import Prior, encode
from detection.anomaly.profile import Profile, read
from detection.anomaly.replay import Replay, read_prior
from detection.anomaly.state import DAY, size_of
from detection.anomaly.views import STANDING, VIEWS, View
from detection.anomaly.watch import Judged
from tests.bench.anomaly_plain import ecod, forest, raw_counts, three_lines
from tests.bench.anomaly_truth import (
    CORPORA,
    HOUR,
    STEPLESS,
    WINDOW,
    Found,
    Place,
    Truth,
    judge,
    rows,
    truth,
)

TENANTS = ("santos", "fox", "russellmitchell", "harrison")
"""In the order of their attacks."""
FEWEST = 100
"""Of which one makes the least share that is looked at."""
BEACON, SECOND_DAY = "73.54.23.243", 1713571200.0

AIT = read(
    b"{entity: host, kind: host, window: 15m, facets: {type: short, change: {follows: short}}}",
    "ait",
)
RITA = read(
    b"{entity: id.orig_h, kind: address, window: 1h, bytes: orig_bytes, facets: {service:"
    b" [proto, id.resp_p], state: conn_state, agent: user_agent,"
    b" request: [method, host, status_code]}}",
    "rita",
)
UNIX = read(
    b"{entity: user, kind: user, window: {events: 100},"
    b" facets: {command: command, change: {follows: command}}}",
    "unix",
)


def replay(profile: Profile, tenant: str, paths: list[Path], budget: float) -> list[Judged]:
    return list(Replay(tenant, profile, budget=budget).run(paths))


def ait(tenant: str, budget: float, share: float = 1.0) -> list[Judged]:
    """`share`: how much of the budget ordinary days may use, in the model's own measure."""
    run = Replay(tenant, AIT, budget=budget)
    run.watch.share = share
    return list(run.run([CORPORA / "ait" / f"{tenant}.csv.gz"]))


def told(judged: Judged) -> bool:
    return judged.alert


def opened(judged: Judged) -> bool:
    return judged.standing is Standing.OPENS


def alerted(judged: list[Judged]) -> set[Place]:
    return {(each.behaviour.entity, each.behaviour.start) for each in judged if each.alert}


def on_alerts(budget: float = 5.0) -> None:
    labels = {tenant: truth(tenant) for tenant in TENANTS}

    def total(flags: Callable[[str], set[Place]]) -> Found:
        return sum((judge(flags(tenant), labels[tenant]) for tenant in TENANTS), Found())

    grid = (0.5, 1.0, 1.5, 2.0)
    judged = {each: {tenant: ait(tenant, budget, each) for tenant in TENANTS} for each in grid}
    print("AIT, all five views:", total(lambda tenant: alerted(judged[1.0][tenant])))
    print("  by tenant:", {t: str(judge(alerted(judged[1.0][t]), labels[t])) for t in TENANTS})
    left_out = Found()
    for tenant in TENANTS:
        others = [each for each in TENANTS if each != tenant]

        def merit(of: float, others: list[str] = others) -> float:
            found = sum((judge(alerted(judged[of][t]), labels[t]) for t in others), Found())
            return found.pairs - found.wrong

        left_out += judge(alerted(judged[max(grid, key=merit)][tenant]), labels[tenant])
    print("AIT, how much of the budget ordinary days may use chosen on the other three:", left_out)
    print("three lines (two new kinds):", total(three_lines))
    print("isolation forest, raw counts:", total(lambda t: raw_counts(t, forest, budget)))
    print("ECOD, raw counts:", total(lambda t: raw_counts(t, ecod, budget)))
    calibration([each for t in TENANTS for each in judged[1.0][t]], labels)
    over_budget(judged[1.0], labels, budget)
    sizes(judged[1.0]["fox"])


def calibration(judged: list[Judged], labels: dict[str, Truth]) -> None:
    """Of days without an attack."""
    attack = {day for each in labels.values() for day in each.days - each.benign_days}
    realised(
        each for each in judged if each.model and int(each.behaviour.start // DAY) not in attack
    )


def realised(benign: Iterable[Judged]) -> None:
    """Share of benign windows with a p-value of at most 1 and 5 %, over what it should be.

    A view of what goes on for days says how rare an entity is, so there the least of each counts.
    """
    found: dict[View, dict[object, float]] = {view: {} for view in VIEWS}
    for number, each in enumerate(benign):
        for view, p in each.p_views.items():
            key = each.behaviour.entity if view in STANDING else number
            found[view][key] = min(p, found[view].get(key, 1.0))
    for view, least in found.items():
        p = np.asarray(list(least.values()))
        ratios = {level: round(float((p <= level).mean() / level), 2) for level in (0.01, 0.05)}
        of = "entities" if view in STANDING else "windows"
        if len(p) < FEWEST:
            print(f"calibration, {view}: {len(p)} {of} are too few to say")
        else:
            print(f"calibration, {view}: realised over nominal {ratios}, {len(p)} {of}")


def over_budget(judged: dict[str, list[Judged]], labels: dict[str, Truth], budget: float) -> None:
    days = []
    for tenant, each in judged.items():
        hours = {(host, int(start // HOUR)) for host, start in alerted(each)}
        benign = sorted(labels[tenant].benign_days)
        days += [sum(hour // 24 == day for _, hour in hours) for day in benign]
    print(f"alerts on {len(days)} benign days: p90 {np.quantile(days, 0.9):.1f} of {budget}")
    print(
        f"any day, attacks included: at most {_most(judged, opened)} opened, {_most(judged)} told"
    )


def _most(judged: dict[str, list[Judged]], kept: Callable[[Judged], bool] = told) -> int:
    """Distinct host-hours of the busiest day of any network."""
    places = {
        (tenant, each.behaviour.entity, int(each.behaviour.start // HOUR))
        for tenant, windows in judged.items()
        for each in windows
        if kept(each)
    }
    return max(Counter((tenant, hour // 24) for tenant, _, hour in places).values())


def sizes(judged: list[Judged]) -> None:
    run = Replay("fox", AIT, budget=5.0)
    list(run.run([CORPORA / "ait" / "fox.csv.gz"]))
    largest = max(map(size_of, run.watch.kept.state.entities.values()))
    past = [each for each in judged if each.views]
    from detection.anomaly.reasons import reason  # the sentence alone is timed

    began = time.perf_counter()
    for _ in range(100):
        for each in past:
            for view in each.views:
                reason(view, each.behaviour, each.measured, AIT, each.p_views[view], 1000)
    spent = (time.perf_counter() - began) / 100 / len(past)
    print(f"largest entity {largest} bytes; explanation {spent * 1000:.3f} ms a window")


def cut(tenant: str, since: float, until: float, folder: Path) -> Path:
    """The network's lines of [since, until)."""
    path = folder / f"{tenant}-{since:.0f}-{until:.0f}.csv"
    with gzip.open(CORPORA / "ait" / f"{tenant}.csv.gz", "rt") as lines, path.open("w") as out:
        header = next(lines)
        column = header.strip().split(",").index("time")
        out.write(header)
        out.writelines(
            line for line in lines if since <= float(line.split(",", column + 1)[column]) < until
        )
    return path


def habits(tenant: str, folder: Path) -> Path:
    """What two days without an attack teach, for others to borrow."""
    first = float(next(rows(tenant))["time"]) // DAY * DAY
    run = Replay(tenant, AIT, budget=5.0)
    list(run.run([cut(tenant, first, first + 2 * DAY, folder)]))
    path = folder / f"{tenant}.habits"
    path.write_bytes(encode(run.habits()))
    return path


def on_first_day(hours: Sequence[float] = (0.25, 1, 6, 12), budget: float = 5.0) -> None:
    """A network that is watched for so many hours when its attack begins, with what others lend.

    Average precision of the windows of the 12 hours from the attack's first step on, by the score
    of all views, mean of four; and the alerts of attack-free first days, begun at any sixth hour.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learned = {tenant: habits(tenant, folder) for tenant in TENANTS}
        lent = {
            tenant: read_prior([learned[each] for each in TENANTS if each != tenant], AIT)
            for tenant in TENANTS
        }
        for history in hours:
            pairs = [after_attack(tenant, history, prior, folder) for tenant, prior in lent.items()]
            alone, helped = np.mean(pairs, axis=0)
            by_network = ", ".join(f"{each[1]:.2f}" for each in pairs)
            print(
                f"first day, {history} h of history: average precision {helped:.3f} ({by_network}) "
                f"with what others lend, {alone:.3f} without"
            )
        counts = [n for tenant, prior in lent.items() for n in quiet(tenant, prior, budget, folder)]
    print(
        f"first day without an attack, {len(counts)} of them: alerts mean {np.mean(counts):.2f}, "
        f"p90 {np.quantile(counts, 0.9):.1f}, at most {max(counts)} of {budget}"
    )


def after_attack(tenant: str, history: float, prior: Prior, folder: Path) -> tuple[float, float]:
    """Average precision without and with what others lend."""
    labels = truth(tenant)
    begins = min(
        float(row["time"]) for row in rows(tenant) if row["event_label"] not in STEPLESS
    )  # fmt: skip
    path = cut(tenant, begins - history * HOUR, begins + 12 * HOUR + WINDOW, folder)
    found = []
    for lent in (None, prior):
        judged = [
            (place in labels.steps, each.score)
            for each in Replay(tenant, AIT, budget=5.0, prior=lent).run([path])
            if (place := (each.behaviour.entity, each.behaviour.start)) in labels.steps
            or place not in labels.ignored
            if begins // WINDOW * WINDOW <= each.behaviour.start < begins + 12 * HOUR
        ]
        found.append(float(average_precision_score(*zip(*judged, strict=True))))
    path.unlink()
    return found[0], found[1]


def quiet(tenant: str, prior: Prior, budget: float, folder: Path) -> Iterator[int]:
    """Distinct host-hours alerted in first days that hold no attack."""
    labels = truth(tenant)
    attack = min(start for _, start in labels.steps)
    first = min(labels.days) * DAY
    for start in np.arange(first, attack - DAY, 6 * HOUR):
        path = cut(tenant, start, start + DAY, folder)
        judged = Replay(tenant, AIT, budget=budget, prior=prior).run([path])
        yield len({(host, int(at // HOUR)) for host, at in alerted(list(judged))})
        path.unlink()


def on_beacon(budget: float = 5.0) -> None:
    paths = sorted((CORPORA / "rita").glob("*/*.gz"))
    judged = replay(RITA, "rita", paths, budget)
    second = [each for each in judged if each.behaviour.start >= SECOND_DAY]
    alerts = {each.behaviour.entity for each in second if each.alert}
    wanted = [each.behaviour.entity == BEACON for each in second]
    precision = average_precision_score(wanted, [-each.p_views["population"] for each in second])
    overall = average_precision_score(wanted, [each.score for each in second])
    entities = len({each.behaviour.entity for each in second})
    print(
        f"RITA, second day: beacon {'alerted' if BEACON in alerts else 'missed'}, "
        f"{len(alerts)} of {entities} entities alerted, average precision of its windows "
        f"{precision:.3f} by population, {overall:.3f} by the score of all views"
    )
    realised(each for each in second if each.behaviour.entity != BEACON)


def masquerade(masquerader: str, seed: int) -> Iterator[tuple[str, list[str], bool]]:
    """The other users abreast; in the latter half of each, 5.5 % of blocks are another's."""
    chance = random.Random(f"{masquerader}{seed}")
    blocks = {}
    for path in sorted((CORPORA / "unix").glob("*.gz")):
        with gzip.open(path, "rt", errors="replace") as lines:
            commands = [line.strip() for line in lines if line.strip()]
        full = range(0, len(commands) // 100 * 100, 100)
        blocks[path.name.split(".")[0]] = [commands[first : first + 100] for first in full]
    users = [user for user in blocks if user != masquerader]
    longest = max(len(blocks[user]) for user in users)
    for number in range(longest):
        for user in users:
            step = len(blocks[user]) / longest
            for index in range(int(number * step), int((number + 1) * step)):
                dirty = index >= len(blocks[user]) // 2 and chance.random() < 0.055
                own = blocks[user][index]
                yield user, chance.choice(blocks[masquerader]) if dirty else own, dirty


def on_masquerade(seeds: int = 3) -> None:
    counts, benign = np.zeros((2, 2), dtype=int), list[Judged]()
    for masquerader in ("user1", "user2", "user3", "user4"):
        for seed in range(seeds):
            stream = list(masquerade(masquerader, seed))
            judged = _judged_blocks([(user, block) for user, block, _ in stream])
            tested: dict[str, int] = {}
            total = {user: sum(each[0] == user for each in stream) for user, _, _ in stream}
            for (user, _, dirty), each in zip(stream, judged, strict=True):
                tested[user] = tested.get(user, 0) + 1
                if tested[user] > total[user] // 2:
                    counts[int(dirty), int(each.alert)] += 1
                    benign += [] if dirty else [each]
    (quiet, false), (missed, found) = counts.tolist()
    print(
        f"Unix: {found} of {found + missed} masqueraded blocks alerted "
        f"({found / (found + missed):.2f}), {false} of {false + quiet} true ones "
        f"({false / (false + quiet):.4f})"
    )
    realised(benign)


def _judged_blocks(stream: list[tuple[str, list[str]]]) -> list[Judged]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "commands.ndjson"
        lines = (
            json.dumps({"user": user, "command": command, "time": 1e9 + 100 * number + index})
            for number, (user, block) in enumerate(stream)
            for index, command in enumerate(block)
        )
        path.write_text("\n".join(lines))
        return replay(UNIX, "unix", [path], 5.0)


if __name__ == "__main__":
    sections = {
        "alerts": on_alerts,
        "first-day": on_first_day,
        "beacon": on_beacon,
        "masquerade": on_masquerade,
    }
    for section in sys.argv[1:] or sections:
        sections[section]()
