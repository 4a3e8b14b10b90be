"""An organisation's first day: what others lend to it, and what is never lent."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Malformed
from detection.anomaly.prior import (
    FEWEST,
    Borrowed,
    Habits,
    decode_habits,
    decode_prior,
    encode,
    lend,
)
from detection.anomaly.profile import Profile, read
from detection.anomaly.replay import Replay, read_prior
from detection.anomaly.state import key_of
from detection.anomaly.views import VIEWS
from detection.anomaly.watch import Judged

START = 1_764_201_600.0
DAY = 86_400
PROFILE = read(
    b"{entity: host, kind: host, window: 15m, facets: {type: kind, owner: owner}}", "doors"
)
USUAL = ("open", "close", "close", "check")
NOVEL = ("implant", "beacon", "exfiltrate", "wipe", "ransom", "encrypt")
NOVELTY = VIEWS.index("novelty")


def events(name: str, days: float = 2.0, begin: float = 0.0) -> list[dict[str, Any]]:
    """Doors of one organisation; what they do is common, who owns them is its own affair."""
    chance = random.Random(name)
    return [
        {
            "time": START + quarter * 900 + chance.random() * 800,
            "host": f"{name}-{host}",
            "kind": chance.choice(USUAL) if chance.random() < 0.98 else "jam",
            "owner": f"{name}-owner-{chance.randrange(4)}",
        }
        for quarter in range(round(begin * 96), round((begin + days) * 96))
        for host in range(4)
        for _ in range(3)
    ]


def attack(hour: float, host: str = "docks-2") -> list[dict[str, Any]]:
    return [
        {"time": START + hour * 3600 + 60 * number, "host": host, "kind": kind}
        for number, kind in enumerate(NOVEL)
    ]


def run(
    folder: Path, name: str, what: Sequence[dict[str, Any]], **options: Any
) -> tuple[Replay, list[Judged]]:
    path = folder / f"{name}.ndjson"
    path.write_text("\n".join(map(json.dumps, what)))
    replay = Replay(name, PROFILE, budget=5.0, **options)
    return replay, list(replay.run([path]))


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> list[Habits]:
    folder = tmp_path_factory.mktemp("others")
    return [run(folder, name, events(name))[0].habits() for name in ("tram", "pool", "zoo")]


def test_the_first_day_has_alerts_where_others_lend_and_says_what_it_was_compared_with(
    habits: list[Habits], tmp_path: Path
) -> None:
    what = events("docks", 1.0) + attack(5)
    prior = lend(habits)

    _, alone = run(tmp_path, "docks", what)
    _, helped = run(tmp_path, "docks", what, prior=prior)

    assert prior is not None
    assert not any(each.alert for each in alone)
    [alert] = [each for each in helped if each.alert]
    assert (alert.behaviour.entity, alert.learning) == ("docks-2", True)
    assert (alert.model, alert.windows) == (prior.version, prior.windows)
    assert all("ordinary windows of other organisations" in each.text for each in alert.reasons)


def test_a_computer_that_is_first_seen_attacked_is_alerted(
    habits: list[Habits], tmp_path: Path
) -> None:
    what = events("docks", 0.5) + attack(5, host="docks-9")

    _, found = run(tmp_path, "docks", what, prior=lend(habits))

    assert [each.behaviour.entity for each in found if each.alert] == ["docks-9"]


def test_nothing_that_was_lent_stays_after_the_first_day(
    habits: list[Habits], tmp_path: Path
) -> None:
    what = events("docks", 2.5)

    alone, plain = run(tmp_path, "docks", what)
    helped, judged = run(tmp_path, "docks", what, prior=lend(habits))

    assert helped.watch.kept.prior is None
    assert helped.watch.kept.state == alone.watch.kept.state
    assert helped.watch.kept.model == alone.watch.kept.model
    later = [(each.raw, each.p) for each in judged if not each.learning]
    assert later == [(each.raw, each.p) for each in plain if not each.learning]
    assert later


def test_fewer_than_three_others_lend_nothing(habits: list[Habits], tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, each in zip(paths, habits, strict=False):
        path.write_bytes(encode(each))

    assert lend(habits[:2]) is None
    with pytest.raises(Malformed, match="at least 3 others, got 2"):
        read_prior(paths, PROFILE)


def test_the_same_habits_do_not_count_twice(habits: list[Habits], tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(encode(habits[0]))

    with pytest.raises(Malformed, match="the same habits twice"):
        read_prior([path] * FEWEST, PROFILE)


def test_what_fewer_than_three_show_is_not_lent(habits: list[Habits]) -> None:
    prior = lend([*habits, _with(habits[0], facets=[{7: 1}, {8: 1}])])

    assert prior is not None
    kinds, owners = prior.facets
    assert kinds.keys == sorted(map(key_of, {*USUAL, "jam"}))
    assert owners.keys == []


def test_where_every_organisation_has_names_of_its_own_a_new_name_does_not_surprise(
    habits: list[Habits],
) -> None:
    prior = lend(habits)
    assert prior is not None
    borrowed = Borrowed(prior)

    assert borrowed.weigh(0, key_of("wipe")) == 1.0
    assert 0.0 < borrowed.weigh(0, key_of("jam")) < 0.5
    assert borrowed.weigh(1, key_of("docks-owner-1")) == 0.0


def test_one_organisation_s_extremes_do_not_show(habits: list[Habits]) -> None:
    """However far beyond all others one goes, what is lent ends where three of them are."""
    tail = habits[0].views[NOVELTY]
    far = msgspec.structs.replace(
        tail, points=[*tail.points, 987.0], above=[*tail.above, tail.above[-1] / 2]
    )
    views = [far if view == NOVELTY else each for view, each in enumerate(habits[0].views)]

    one, other = lend(habits), lend([_with(habits[0], views=views), *habits[1:]])

    assert one is not None
    assert other is not None
    ends = sorted(each.views[NOVELTY].points[-1] for each in habits)
    assert other.views[NOVELTY].points[-1] <= round(ends[-FEWEST], 2) + 0.005
    assert other.views[NOVELTY].points[-1] == one.views[NOVELTY].points[-1]


def test_whose_habits_come_first_does_not_matter(habits: list[Habits]) -> None:
    assert lend(habits) == lend(habits[::-1])


def test_a_day_is_too_short_to_have_habits(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="a day and a half"):
        run(tmp_path, "tram", events("tram", 1.0))[0].habits()


def test_habits_and_what_is_lent_survive_the_disk_and_nothing_else_is_taken_for_them(
    habits: list[Habits], tmp_path: Path
) -> None:
    prior = lend(habits)
    assert prior is not None

    assert decode_habits(encode(habits[0])) == habits[0]
    assert decode_prior(encode(prior)) == prior
    for wrong in (b"", b"[]", b"{}", encode(prior), encode(_with(habits[0], views=[]))):
        with pytest.raises(ValueError, match="expected"):
            decode_habits(wrong)
    path = tmp_path / "other"
    path.write_bytes(encode(_with(habits[0], schema="other")))
    with pytest.raises(Malformed, match="other facets"):
        read_prior([path] * FEWEST, PROFILE)


def test_habits_hold_no_name_and_no_value(habits: list[Habits]) -> None:
    for each in habits:
        assert not any(text in encode(each) for text in (b"tram", b"pool", b"zoo", b"owner-"))
        assert not any(kind.encode() in encode(each) for kind in {*USUAL, "jam"})


def _with(habits: Habits, **changes: Any) -> Habits:
    return msgspec.structs.replace(habits, **changes)


def test_a_profile_without_time_has_no_first_day(habits: list[Habits], tmp_path: Path) -> None:
    prior = lend(habits)
    profile: Profile = read(
        b"{entity: user, kind: user, window: {events: 10}, facets: {a: command, b: command}}",
        "unix",
    )

    replay = Replay("docks", profile, budget=1.0, prior=prior)

    assert replay.watch.kept.prior is None
