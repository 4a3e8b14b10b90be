"""Rules that were compiled before are taken from disk, and nothing can be told from it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from collectors.logsource import LogSource
from detection.sigma import Engine, load
from detection.sigma.stored import sealed
from rules import catalog

SOURCE = LogSource("windows", "process_creation", "sysmon")
IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(9)]
EVERY_KIND = """\
a: [exact, 'a*b?c', '*in*', 'st*', '*end', 1]
b|re|i: '^x\\d+$'
c|cidr: [10.0.0.0/8, 'fe80::/10']
d|gte: 1.5
e|hour: 13
f|fieldref|endswith: g
h: null
i|exists: true
j|cased: 'Q*R'
"""
EVENTS: list[dict[str, Any]] = [
    {"a": "EXACT"},
    {"a": "a--bxc"},
    {"b": "X12"},
    {"c": "10.1.2.3"},
    {"d": "2"},
    {"e": "2026-11-24T13:00:00Z"},
    {"f": "abc", "g": "C"},
    {"h": "there"},
    {"i": ""},
    {"j": "QxR"},
    {"j": "qxr"},
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CITYSOC_CACHE", str(folder))
    return folder


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the rule files whose YAML was read."""
    names: list[str] = []
    documents = catalog.documents

    def noting(path: str, *rest: Any) -> Iterator[Any]:
        names.append(Path(path).name)
        return documents(path, *rest)

    monkeypatch.setattr(catalog, "documents", noting)
    return names


def write(folder: Path, number: int, detection: str, *, end: str = "") -> None:
    head = f"title: Rule {number}\nid: {IDS[number]}\nlogsource:\n    product: windows\n"
    body = dedent(detection).replace("\n", "\n    ")
    (folder / f"{number}.yml").write_text(f"{head}level: high\ndetection:\n    {body}\n{end}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, line in enumerate(EVERY_KIND.splitlines()[:8]):
        write(tmp_path, number, f"sel:\n    {line}\ncondition: sel")
    return tmp_path


def found(engine: Engine) -> list[list[str]]:
    return [[rule.title for rule in engine.match(event, [SOURCE])] for event in EVENTS]


def test_the_second_load_reads_no_rule_and_matches_the_same(
    folder: Path, read_files: list[str]
) -> None:
    first = load([folder])
    read_files.clear()

    second = load([folder])

    assert read_files == []
    assert (second.version, second.rules) == (first.version, first.rules)
    assert found(second) == found(first)
    assert sum(map(bool, found(first))) >= 8


def test_only_a_changed_rule_is_read_again(folder: Path, read_files: list[str]) -> None:
    load([folder])
    read_files.clear()
    write(folder, 3, "sel:\n    d: none\ncondition: sel")

    engine = load([folder])

    assert read_files == ["3.yml"]
    assert found(engine)[4] == ["Rule 6"]


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _with_other_entries(data: bytes) -> bytes:
    return sealed(msgspec.msgpack.encode({mark: [1] for mark in msgspec.msgpack.decode(data[16:])}))


@pytest.mark.parametrize(
    "spoil",
    [
        _flipped,
        lambda data: data[: len(data) // 2],
        lambda data: data[:0],
        lambda data: sealed(data[:1]),
        lambda data: sealed(msgspec.msgpack.encode(["another", len(data)])),
        _with_other_entries,
    ],
    ids=["damaged", "cut off", "empty", "no map", "another kind", "foreign entries"],
)
def test_a_file_that_is_not_ours_is_written_anew(
    spoil: Callable[[bytes], bytes], folder: Path, cache: Path, read_files: list[str]
) -> None:
    expected = found(load([folder]))
    [stored] = cache.rglob("rules-*")
    stored.write_bytes(spoil(stored.read_bytes()))
    read_files.clear()

    engine = load([folder])

    assert found(engine) == expected
    assert len(read_files) == 8
    read_files.clear()
    load([folder])
    assert read_files == []


def test_a_rule_in_another_file_is_told_to_stand_there(folder: Path, tmp_path: Path) -> None:
    load([folder])
    moved = tmp_path / "below"
    moved.mkdir()
    (folder / "0.yml").rename(moved / "moved.yml")

    engine = load([folder])

    assert Path(engine.rules[IDS[0]].path) == moved / "moved.yml"


def test_faults_notices_and_filters_are_as_they_were(folder: Path) -> None:
    write(folder, 8, "sel:\n    a|expand: '%nobody%'\ncondition: sel")
    (folder / "copy.yml").write_text((folder / "1.yml").read_text())
    (folder / "filter.yml").write_text(
        f"title: F\nid: {IDS[8][:-1]}f\nlogsource:\n    product: windows\n"
        f"filter:\n    rules:\n        - {IDS[2]}\n    sel:\n        c: 10.1.2.3\n"
        "    condition: not sel\n"
    )
    first = load([folder])

    second = load([folder])

    assert found(second) == found(first)
    assert found(first)[3] == ["Rule 6"]
    assert (second.faults, second.notices) == (first.faults, first.notices)
    assert [Path(fault.path).name for fault in second.faults] == ["copy.yml"]
    assert "%nobody%" in second.notices[0].message


def test_lists_and_pipelines_are_remembered_apart(folder: Path) -> None:
    write(folder, 8, "sel:\n    a|expand: '%words%'\ncondition: sel")

    said = [load([folder], lists={"words": [word]}) for word in ("exact", "other", "exact")]

    assert ["Rule 8" in found(engine)[0] for engine in said] == [True, False, True]


def test_what_was_not_used_for_longest_makes_room(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load([folder])
    [kept] = cache.rglob("rules-*")
    for number in range(5):
        old = kept.with_name(f"old-{number}")
        old.write_bytes(b"x" * 10)
        os.utime(old, (number, number))
    monkeypatch.setattr("detection.sigma.stored.MAX_FILES", 3)
    write(folder, 3, "sel:\n    d: new\ncondition: sel")

    load([folder])

    left = {path.name for path in kept.parent.iterdir()}
    assert len(left) == 3
    assert {kept.name, "old-4"} <= left
