"""What loads, what is refused and why, with file and line."""

from pathlib import Path
from textwrap import dedent

import pytest

from collectors.logsource import LogSource
from detection.sigma import Engine, load
from rules.checks import check

PROCESS = LogSource("windows", "process_creation", "sysmon")
HEAD = """\
title: {title}
id: {id}
logsource:
    product: windows
    category: process_creation
level: high
"""
IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(9)]


def write(folder: Path, name: str, body: str, *, identity: str = IDS[0]) -> Path:
    path = folder / name
    path.write_text(HEAD.format(title=name, id=identity) + dedent(body), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CITYSOC_CACHE", str(folder))
    return folder


WHOAMI = """\
detection:
    selection:
        Image|endswith: '\\whoami.exe'
    condition: selection
"""


def matched(engine: Engine, **fields: object) -> list[str]:
    return [rule.title for rule in engine.match(fields, [PROCESS])]


def test_a_bad_rule_hides_no_good_one(tmp_path: Path) -> None:
    write(tmp_path, "good.yml", WHOAMI)
    write(
        tmp_path,
        "bad.yml",
        """\
        detection:
            selection:
                Image|ends: 'x'
            condition: selection
        """,
        identity=IDS[1],
    )

    engine = load([tmp_path])

    assert matched(engine, Image="C:\\whoami.exe") == ["good.yml"]
    assert engine.failed == 1
    [fault] = engine.faults
    assert (Path(fault.path).name, fault.line) == ("bad.yml", 9)
    assert "ends" in fault.message


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("detection:\n    a: x\n    condition: a | near b\n", 9, "`| near` never said"),
        ("detection:\n    a: x\n    condition: a | min(b) > 1\n", 9, "`min()`"),
        ("filter:\n    rules: any\n", 7, "filter"),
        ("detection:\n    a: x\n    condition: b\n", 9, "'b' not defined"),
        ("detection:\n    a:\n        Image|re: '(?=a)'\n    condition: a\n", 9, "(?=a)"),
        ("detection:\n    a:\n        - null\n    condition: a\n", 8, "not null; name a field"),
        ("detection:\n    a:\n        '|cidr': '10.0.0.0/8'\n    condition: a\n", 9, "not cidr"),
        ("detection:\n    a: {b|re: null}\n    condition: a\n", 8, "got None"),
        ("detection:\n    1: {b: x}\n    condition: 1\n", 7, "got 1; quote it"),
        ("detection:\n    a: {b: x}\n    condition: [a, 1]\n", 9, "got 1; quote it"),
        ("detection: [\n", 8, "not YAML"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_where_it_stands(
    body: str, line: int, message: str, tmp_path: Path
) -> None:
    write(tmp_path, "rule.yml", body)

    engine = load([tmp_path])

    assert not engine.rules
    assert [(fault.line, message in fault.message) for fault in engine.faults] == [(line, True)]
    assert any(message in fault.message for fault in check([tmp_path]))


def test_an_id_given_twice_is_a_fault_of_the_second(tmp_path: Path) -> None:
    write(tmp_path, "a.yml", WHOAMI)
    write(tmp_path, "b.yml", WHOAMI)

    engine = load([tmp_path])

    assert len(engine.rules) == 1
    assert [(Path(each.path).name, each.line) for each in engine.faults] == [("b.yml", 2)]


def test_a_rule_named_by_file_and_folder_is_one_rule(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yml", WHOAMI)

    engine = load([tmp_path, path])

    assert (len(engine.rules), engine.faults) == (1, ())


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no rules at"):
        load([tmp_path / "nothing"])


PLACEHOLDER = """\
detection:
    selection:
        User|expand: '%admins%'
    other:
        User: nobody
    condition: not selection or other
"""


def test_a_placeholder_without_a_list_matches_nothing_and_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "rule.yml", PLACEHOLDER)

    engine = load([tmp_path])

    assert matched(engine, User="nobody") == []
    assert (engine.failed, len(engine.rules)) == (0, 1)
    assert "%admins%" in engine.notices[0].message


def test_a_placeholder_stands_for_each_value_of_its_list(tmp_path: Path) -> None:
    write(tmp_path, "rule.yml", PLACEHOLDER)

    engine = load([tmp_path], lists={"admins": ["root", "adm*"]})

    assert [matched(engine, User=name) for name in ("ROOT", "admin", "x", "nobody")] == [
        [],
        [],
        ["rule.yml"],
        ["rule.yml"],
    ]


def test_a_pipeline_renames_fields(tmp_path: Path) -> None:
    write(tmp_path, "rule.yml", WHOAMI)
    pipeline = tmp_path / "ecs.pipeline"
    pipeline.write_text(
        "name: ecs\npriority: 1\ntransformations:\n"
        "  - {id: names, type: field_name_mapping, mapping: {Image: process.executable}}\n"
    )

    engine = load([tmp_path / "rule.yml"], pipelines=[pipeline])

    assert engine.match({"process": {"executable": "c:\\WHOAMI.exe"}}, [PROCESS])
    assert not engine.match({"Image": "c:\\whoami.exe"}, [PROCESS])


def test_the_version_changes_with_the_rules_and_the_lists_only(tmp_path: Path) -> None:
    path = write(tmp_path, "rule.yml", PLACEHOLDER)

    first, again, listed = load([path]), load([path]), load([path], lists={"admins": ["root"]})
    path.write_text(path.read_text().replace("nobody", "anybody"))
    changed = load([path])

    assert first.version == again.version
    assert len({first.version, listed.version, changed.version}) == 3


MANY = (
    "detection:\n    selection:\n        Image|contains:\n"
    + "".join(f"            - '\\tool{number}.exe'\n" for number in range(20))
    + "    condition: selection\n"
)


def test_databases_come_from_disk_the_second_time_and_match_the_same(
    tmp_path: Path, own_cache: Path
) -> None:
    path = write(tmp_path, "rule.yml", MANY)
    load([path])
    stored = {each: each.stat().st_ino for each in own_cache.rglob("*.hsdb")}

    engine = load([path])

    assert stored == {each: each.stat().st_ino for each in own_cache.rglob("*.hsdb")}
    assert len(stored) == 1
    assert matched(engine, Image="C:\\TOOL19.exe")


def test_a_text_more_for_a_field_with_many_leaves_other_databases_as_they_are(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detection.sigma.lookup.MANY", 8)
    path = write(tmp_path, "rule.yml", MANY)
    load([path])
    stored = set(own_cache.rglob("*.hsdb"))

    path.write_text(path.read_text().replace("tool19", "tool20"))
    engine = load([path])

    assert len(stored) == 2
    assert len(set(own_cache.rglob("*.hsdb")) - stored) == 1
    found = [len(matched(engine, Image=f"C:\\TOOL{number}.exe")) for number in (1, 19, 20)]
    assert found == [1, 0, 1]


def test_a_damaged_stored_database_is_compiled_again(tmp_path: Path, own_cache: Path) -> None:
    path = write(tmp_path, "rule.yml", MANY)
    load([path])
    for stored in own_cache.rglob("*.hsdb"):
        data = bytearray(stored.read_bytes())
        data[100] ^= 1
        stored.write_bytes(data)

    engine = load([path])

    assert matched(engine, Image="C:\\tool7.exe")


def test_a_cache_that_others_may_write_to_is_not_used(tmp_path: Path, own_cache: Path) -> None:
    path = write(tmp_path, "rule.yml", MANY)
    shared = own_cache / "hyperscan"
    shared.mkdir()
    shared.chmod(0o777)

    engine = load([path])

    assert not list(shared.iterdir())
    assert matched(engine, Image="C:\\tool7.exe")


def test_a_rule_says_who_it_is(tmp_path: Path) -> None:
    write(
        tmp_path,
        "rule.yml",
        WHOAMI + "advice: Ask its user.\ntags: [attack.t1033, detection.threat-hunting]\n",
    )

    [rule] = load([tmp_path]).rules.values()

    assert (rule.level, rule.ruleset, rule.advice) == ("high", "hunting", "Ask its user.")
    assert rule.tags == ("attack.t1033", "detection.threat-hunting")
    assert rule.logsource == LogSource("windows", "process_creation", "")
