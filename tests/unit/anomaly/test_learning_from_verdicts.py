"""What is learned from verdicts: rates and rule ids, with no one's word weighing too much."""

import numpy as np
import pytest

from detection.anomaly.ranking import (
    MOST,
    NOTHING_LEARNED,
    Group,
    Judged,
    Line,
    Memory,
    Trees,
    _cap,
    digest,
    learn,
)

KEY = b"k" * 32


def group(rate: float, *, rule: str = "scan", tenant: str = "t1", entity: str = "e1") -> Group:
    """A group with one rate that tells and one that does not."""
    return Group(tenant=tenant, entity=entity, rule=rule, rates=(rate, 0.5))


def verdicts(attacks: int, harmless: int, *, analyst: str = "a1") -> list[Judged]:
    """Attacks have high rates; tenants and analysts take turns."""
    made = []
    for number in range(attacks + harmless):
        attack = number % 2 == 0 if number < 2 * min(attacks, harmless) else attacks > harmless
        made.append(
            Judged(
                group=group((3.0 if attack else 1.0) + number % 7 / 10, tenant=f"t{number % 4}"),
                attack=attack,
                analyst=f"{analyst}{number % 3}",
            )
        )
    return made


def test_without_verdicts_all_groups_are_equal() -> None:
    odds = NOTHING_LEARNED.odds([group(1.0), group(9.0)])

    assert list(odds) == [0.0, 0.0]


@pytest.mark.parametrize(("attacks", "kind"), [(20, Line), (60, Trees)])
def test_what_looks_like_confirmed_attacks_comes_first(attacks: int, kind: type) -> None:
    ranking = learn(verdicts(attacks, attacks), unseen=[group(0.8)] * 30)

    odds = ranking.odds([group(3.2), group(1.1)])

    assert isinstance(ranking.model, kind)
    assert odds[0] > odds[1]


def test_verdicts_of_one_kind_only_teach_no_order() -> None:
    ranking = learn(verdicts(0, 30))

    assert ranking.model is None


def test_a_rule_that_was_harmless_in_one_tenant_sinks_in_another() -> None:
    calm = [
        Judged(
            group=group(2.0, rule="noisy", tenant=f"t{n % 3}"), attack=False, analyst=f"a{n % 3}"
        )
        for n in range(40)
    ]
    ranking = learn([*verdicts(20, 20), *calm])

    odds = ranking.odds(
        [group(2.0, rule="noisy", tenant="t9"), group(2.0, rule="scan", tenant="t9")]
    )

    assert odds[0] < odds[1]


def test_a_verdict_is_learned_with_the_memory_of_those_before_it_only() -> None:
    told = verdicts(20, 20)
    later = [Judged(group=group(1.0, rule="other"), attack=True, analyst="a9")]

    first, second = learn(told), learn([*told, *later])

    assert first.memory.rates(group(1.0)) == second.memory.rates(group(1.0))


def test_nobody_has_more_than_the_most_of_all_weight() -> None:
    totals = [1000.0, 30.0, 20.0, 10.0]

    cap = _cap(totals)

    left = [min(total, cap) for total in totals]
    assert max(left) <= MOST * sum(left) + 1e-9
    assert left[2:] == totals[2:]


def test_one_analyst_who_calls_everything_harmless_does_not_turn_the_order() -> None:
    saboteur = [
        Judged(group=group(3.0 + n % 7 / 10, rule=f"r{n}"), attack=False, analyst="x")
        for n in range(400)
    ]
    honest = verdicts(45, 45)

    odds = learn([*honest, *saboteur]).odds([group(3.3), group(1.3)])

    assert odds[0] > odds[1]


def test_no_name_can_be_read_in_what_is_kept() -> None:
    tenant, entity = digest(KEY, "nhstrust"), digest(KEY, "nhstrust", "rnt-epr01")
    judged = Judged(
        group=group(1.0, tenant=tenant, entity=entity), attack=True, analyst=digest(KEY, "e.ward")
    )
    memory = Memory()

    memory.learn(judged)

    kept = repr(memory.counts)
    assert not any(name in kept for name in ("nhstrust", "rnt-epr01", "e.ward"))
    assert digest(b"another key", "nhstrust") != tenant


def test_a_tenant_that_leaves_is_forgotten_and_the_rule_is_not() -> None:
    memory = learn(verdicts(20, 20)).memory

    memory.forget("t1")

    assert not any(key.startswith("t1/") for key in memory.counts)
    assert any(key.startswith("/") for key in memory.counts)


def test_learning_twice_from_the_same_verdicts_gives_the_same_order() -> None:
    told, probes = verdicts(60, 60), [group(n / 10) for n in range(40)]

    first, second = learn(told).odds(probes), learn(told).odds(probes)

    assert np.array_equal(first, second)
