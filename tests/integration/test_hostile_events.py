"""Events made to be slow, through the detection stage: bounded time, counted, and it goes on."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import metrics
from collectors.bus.contract import Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.logsource import LogSource
from detection.sigma import Engine, load
from detection.worker import STAGE
from tests.integration.test_detection_stage import event, read, record, signals, worker

SECONDS = 5.0
"""Of processor time, for what should take a twentieth of it."""
RULES = {
    "end": "{'big|endswith': needle}",
    "regex": "{'big|re': '(a+)+$'}",
    "stars": "{big: 'a*a*a*a*a*a*a*a*z'}",
    "reference": "{'big|fieldref|contains': other}",
    "keyword": "[plain]",
}
LARGE = "a" * 900_000


HEAD = "title: {title}\nid: 00000000-0000-4000-8000-{number:012}\nlevel: high\n"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        for kind in ("signals", "dead"):
            opened.create_topic(f"{kind}.school", partitions=1, retention=Retention())
        yield opened


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    for number, (title, selection) in enumerate(RULES.items()):
        (tmp_path / f"{title}.yml").write_text(
            HEAD.format(title=title, number=number)
            + "logsource:\n    product: linux\n"
            + f"detection:\n    sel: {selection}\n    condition: sel\n"
        )
    loaded = load([tmp_path])
    assert not loaded.faults
    return loaded


@pytest.mark.parametrize(
    "fields",
    [
        {"big": LARGE + "c", "other": "b" * 400_000},
        {"big": "a" * 1_000_000 + "c"},
        {f"field {number}": "x" for number in range(9_990)},
        {f"field {number}": "x" for number in range(30_000)},
        {"big": [["a" * 90 + str(number)] for number in range(3_000)]},
    ],
    ids=[
        "a value of 900 kB",
        "a value of 1 MB",
        "10,000 fields",
        "30,000 fields",
        "a list of lists",
    ],
)
def test_time_is_bounded_and_the_others_get_their_signals(
    fields: dict[str, object], bus: EmbeddedBus, engine: Engine
) -> None:
    lines = [event(0, note="plain"), event(1, **fields), event(2, note="PLAIN")]

    began = time.process_time()
    with worker(bus, engine) as stage:
        stage.handle([record(*lines)])
        stage.flush()

    assert time.process_time() - began < SECONDS
    assert {signal.event for signal in signals(bus)} >= {f"{each:032x}" for each in (0, 2)}


SLOW = (
    "(a+)+$",
    "(.*a){25}",
    "a.{1000}b.{1000}c",
    r"(\w+\s*){1,50}=(\w+\s*){1,50}$",
    r"[\s\S]{1,990}a[\s\S]{1,990}b",
    "([a-z]{1,500}[0-9]{1,500}){2}$",
    "|".join(f"ab{number:04}.*c" for number in range(2_000)),
)


@pytest.mark.parametrize("text", ["a" * 1_000_000 + "!", "ab1 x" * 200_000 + "!"])
def test_no_expression_is_slow_to_load_or_to_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    expressions = "".join(f"        - '{each}'\n" for each in SLOW)
    (tmp_path / "rule.yml").write_text(
        HEAD.format(title="Slow", number=1)
        + "logsource: {product: linux}\n"
        + f"detection:\n    sel:\n      big|re:\n{expressions}    condition: sel\n"
    )

    began = time.process_time()
    loaded = load([tmp_path])
    loaded.match({"big": text}, [LogSource("linux")])

    assert not loaded.faults
    assert time.process_time() - began < SECONDS


def test_a_large_value_is_searched_whole(bus: EmbeddedBus, engine: Engine) -> None:
    with worker(bus, engine) as stage:
        stage.handle([record(event(1, big=LARGE + "NEEDLE"))])
        stage.flush()

    assert [signal.title for signal in signals(bus)] == ["end"]


def test_what_is_out_of_bounds_and_would_match_is_set_aside_and_counted(
    bus: EmbeddedBus, engine: Engine
) -> None:
    many = {f"field {number}": "x" for number in range(10_100)}
    before = metrics.DEAD_LETTERS.labels(STAGE)._value.get()

    with worker(bus, engine) as stage:
        stage.handle([record(event(0, big="needle"), event(1, big="needle", **many))])
        stage.flush()

    assert [signal.event for signal in signals(bus)] == [f"{0:032x}"]
    assert metrics.DEAD_LETTERS.labels(STAGE)._value.get() == before + 1
    assert len(read(bus, "dead.")) == 1
