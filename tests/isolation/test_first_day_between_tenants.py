"""Others' habits help a first day, and nothing of any one of them can be read off it."""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from detection.alert import Alert
from detection.anomaly.artefacts import Artefacts
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.library import library
from detection.anomaly.prior import Borrowed, Prior
from detection.anomaly.shelf import Shelf
from detection.anomaly.state import key_of
from tests.behaviour import (
    KEY,
    START,
    behaviour,
    counting,
    days,
    event,
    opened,
    publish,
    said,
    work,
)
from tests.buses import Clock

LENDERS = ("school", "council", "library")
NEWCOMER = "docks"
PROFILE = next(
    each.profile for each in library() if each.profile.name == "windows_security"
)  # fmt: skip
PROGRAM = [each.name for each in PROFILE.facets].index("program")
ODD = 40
SECRETS = {
    "school": "C:\\Zq\\grades.exe",
    "council": "C:\\Zq\\rents.exe",
    "library": "C:\\Zq\\loans.exe",
}
"""A program that one lender alone runs, every day."""
SHARED = "C:\\Zq\\payroll.exe"
"""One that two of them run."""
COMMON = "C:\\Apps\\outlook.exe"
UNHEARD = "C:\\Zq\\never.exe"
TEXTS = (*(name.encode() for name in LENDERS), b"grades", b"rents", b"loans", b"payroll")

Quarters = list[tuple[datetime, list[bytes]]]


def runs(program: str, start: datetime, number: int, tenant: str, host: str = "ws-01") -> bytes:
    return event(
        start,
        host,
        number,
        tenant=tenant,
        NewProcessName=program,
        ParentProcessName="C:\\Windows\\explorer.exe",
    )


def lender(tenant: str) -> Quarters:
    programs = [SECRETS[tenant], *([SHARED] if tenant != "library" else [])]
    return [
        (start, lines + [runs(each, start, 500 + n, tenant) for n, each in enumerate(programs)])
        for start, lines in days(3, hosts=4, tenant=tenant)
    ]


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation in which three organisations have had three days."""
    folder, clock = tmp_path_factory.mktemp("lenders"), Clock(START)
    with opened(folder / "bus.db", clock, *LENDERS) as bus:
        for tenant in LENDERS:
            publish(bus, clock, iter(lender(tenant)), tenant)
        work(bus, counting(bus), "events.")
        stage = behaviour(bus, folder)
        work(bus, stage, "behaviour.")
        stage.close()
    return folder


def first_day(
    folder: Path,
    quarters: Quarters,
    contributes: Callable[[str], bool] = lambda _tenant: True,
) -> dict[str, Alert]:
    """A newcomer's first quarter, and when it has been heard of the others."""
    clock = Clock(START)
    with opened(folder / "newcomer.db", clock, NEWCOMER) as bus:
        for part in (quarters[:1], quarters[1:]):
            publish(bus, clock, iter(part), NEWCOMER)
            work(bus, counting(bus), "events.")
            stage = behaviour(bus, folder, contributes=contributes)
            work(bus, stage, "behaviour.")
            stage.close()
        return said(bus, NEWCOMER)


def installation(lent: Path, folder: Path) -> Path:
    shutil.copytree(lent / "models", folder / "models")
    return folder


def newcomer(planted: Sequence[int] = (ODD,)) -> Quarters:
    """A first day with something odd at ten."""
    return list(days(1, hosts=4, tenant=NEWCOMER, planted=planted))


def trying(program: str) -> Quarters:
    """A first day on which, at ten, a computer runs a program beside two that nobody knows."""
    quarters = newcomer(planted=())
    start, lines = quarters[ODD]
    tried = (program, "C:\\Zq\\x1.exe", "C:\\Zq\\x2.exe")
    more = [runs(each, start, 700 + n, NEWCOMER, "ws-03") for n, each in enumerate(tried)]
    quarters[ODD] = start, lines + more
    return quarters


def prior(folder: Path) -> Prior | None:
    shelf = Shelf(Artefacts(folder / "models", KEY))
    return shelf.lend(NEWCOMER, PROFILE, LENDERS)


def test_a_newcomer_is_alerted_on_its_first_day_and_told_that_it_is_still_learning(
    lent: Path, tmp_path: Path
) -> None:
    alerts = first_day(installation(lent, tmp_path), newcomer())

    [alert] = alerts.values()
    assert alert.entity.name == "ws-03.docks.example"
    assert alert.unusual is not None
    assert alert.unusual.learning
    made = prior(tmp_path)
    assert made is not None
    assert alert.unusual.model == made.version
    assert alert.unusual.windows == made.windows


def test_an_ordinary_first_day_has_none(lent: Path, tmp_path: Path) -> None:
    assert not first_day(installation(lent, tmp_path), newcomer(planted=()))


def test_no_name_and_no_value_of_a_lender_is_in_what_the_newcomer_has(
    lent: Path, tmp_path: Path
) -> None:
    alerts = first_day(installation(lent, tmp_path), newcomer())

    checkpoint = (tmp_path / "state" / f"{NEWCOMER}.checkpoint").read_bytes()
    files = [each for each in (tmp_path / "models" / NEWCOMER).rglob("*") if each.is_file()]
    for data in (checkpoint, msgspec.json.encode(alerts), *(each.read_bytes() for each in files)):
        assert [text for text in TEXTS if text in data] == []
    assert any(each.suffix == ".prior" for each in files)


@pytest.mark.parametrize("program", [*SECRETS.values(), SHARED])
def test_trying_a_program_of_one_or_two_others_says_what_trying_an_unheard_one_says(
    program: str, lent: Path, tmp_path: Path
) -> None:
    """The attack: a newcomer runs what it thinks that another runs, and reads its own alert."""
    first, second = tmp_path / "tried", tmp_path / "unheard"
    for folder in (first, second):
        folder.mkdir()

    tried = first_day(installation(lent, first), trying(program))
    unheard = first_day(installation(lent, second), trying(UNHEARD))

    assert tried
    assert _numbers(tried) == _numbers(unheard)
    assert _words(tried, program) == _words(unheard, UNHEARD)


def test_only_what_three_others_show_weighs_less(lent: Path, tmp_path: Path) -> None:
    made = prior(installation(lent, tmp_path))
    assert made is not None
    weigh = Borrowed(made).weigh

    alone = {weigh(PROGRAM, key_of(each)) for each in (*SECRETS.values(), SHARED, UNHEARD)}

    assert len(alone) == 1
    assert weigh(PROGRAM, key_of(COMMON)) < min(alone)


def test_what_one_alone_does_leaves_no_trace_in_what_is_lent(lent: Path, tmp_path: Path) -> None:
    """Digests that nobody else has can't be guessed from it: they are not there."""
    made = prior(installation(lent, tmp_path))
    assert made is not None

    keys = {key for facet in made.facets for key in facet.keys}

    assert key_of(COMMON) in keys
    assert not keys & {key_of(each) for each in (*SECRETS.values(), SHARED)}
    for each in made.views:
        assert all(point == round(point, 2) for point in each.points)
        assert all(above == float(f"{above:.2g}") for above in each.above)


def test_who_declines_lends_nothing_and_too_few_lend_nothing(lent: Path, tmp_path: Path) -> None:
    folder = installation(lent, tmp_path)

    alerts = first_day(folder, newcomer(), contributes=lambda tenant: tenant != "library")

    assert not alerts
    assert not list((folder / "models" / NEWCOMER).rglob("*.prior"))


def test_habits_go_with_the_tenant(lent: Path, tmp_path: Path) -> None:
    folder = installation(lent, tmp_path)
    assert list((folder / "models" / "school").rglob("*.habits"))

    Artefacts(folder / "models", KEY).erase("school")

    assert prior(folder) is None


def test_habits_that_were_changed_are_not_lent(lent: Path, tmp_path: Path) -> None:
    folder = installation(lent, tmp_path)
    [path] = (folder / "models" / "school").rglob("*.habits")
    path.write_bytes(path.read_bytes().replace(b'"windows":', b'"windowz":', 1))

    assert prior(folder) is None


def test_a_first_day_that_begins_anew_knows_and_says_the_same(lent: Path, tmp_path: Path) -> None:
    """The log names what was lent: whoever reads it again judges by the same."""
    folder, clock = installation(lent, tmp_path), Clock(START)
    with opened(folder / "newcomer.db", clock, NEWCOMER) as bus:
        for part in (newcomer()[:1], newcomer()[1:]):
            publish(bus, clock, iter(part), NEWCOMER)
            work(bus, counting(bus), "events.")
            stage = behaviour(bus, folder)
            work(bus, stage, "behaviour.")
            stage.close()
        told, known = said(bus, NEWCOMER), CheckpointFiles(folder / "state").load(NEWCOMER)
        CheckpointFiles(folder / "state").erase(NEWCOMER)

        stage = behaviour(bus, folder)
        work(bus, stage, "behaviour.")
        stage.close()

        again = CheckpointFiles(folder / "state").load(NEWCOMER)
        assert known is not None
        assert again is not None
        assert again.profiles == known.profiles
        assert said(bus, NEWCOMER) == told


def _numbers(alerts: dict[str, Alert]) -> list[tuple[float, float, int, str]]:
    found = [each.unusual for each in alerts.values() if each.unusual is not None]
    return sorted((each.score, each.p, each.windows, each.start) for each in found)


def _words(alerts: dict[str, Alert], program: str) -> list[list[str]]:
    found = [each.unusual for each in alerts.values() if each.unusual is not None]
    return sorted([one.sentence.replace(program, "…") for one in each.aspects] for each in found)
