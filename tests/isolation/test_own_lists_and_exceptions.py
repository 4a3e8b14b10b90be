"""An organisation's lists and exceptions are for its own events, and nobody else's."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode
from detection.own_rules import OwnRules, check_exception
from detection.policy import Policy
from detection.rule_sets import Rules
from detection.sigma import Engine, load
from detection.signal import Signal
from detection.worker import Detection
from rules.placeholders import files_that_expand
from tests.rule_sets import Announced, Sets

LISTED, WHOAMI, NET = (f"00000000-0000-4000-8000-{number:012}" for number in (1, 2, 3))
HEAD = """title: {title}
id: {id}
name: {title}
level: high
logsource: {{product: windows, category: process_creation}}
detection:
    selection: {{{selection}}}
    condition: selection
"""
RULES = {
    "listed.yml": HEAD.format(title="listed", id=LISTED, selection="User|expand: '%admins%'"),
    "whoami.yml": HEAD.format(title="whoami", id=WHOAMI, selection="Image|endswith: whoami.exe"),
    "net.yml": HEAD.format(title="net", id=NET, selection="Image|endswith: net.exe"),
    "filter.yml": """title: Not the robot
logsource: {product: windows}
filter:
    rules: any
    robot: {User: robot}
    condition: not robot
""",
}
EXCEPTION = """title: Our backup
logsource: {{product: windows}}
filter:
    rules: {rules}
    selection: {{{selection}}}
    condition: not selection
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "rules").mkdir()
    for name, text in RULES.items():
        (tmp_path / "rules" / name).write_text(text)
    return tmp_path / "rules"


@pytest.fixture
def engine(folder: Path) -> Engine:
    return load([folder])


@pytest.fixture
def own(folder: Path, engine: Engine) -> OwnRules:
    return OwnRules(Sets(engine, rules=[folder]))


def line(program: str, user: str, tenant: str = "school", number: int = 0, **more: str) -> bytes:
    soc = Soc(
        v=1,
        id=f"{number:032x}",
        tenant=tenant,
        source="dc-1",
        received="2026-11-24T13:47:03.000000Z",
        time="2026-11-24T13:47:03.000000Z",
        logsources=("windows/process_creation/sysmon",),
    )
    return encode({"Image": f"C:\\{program}.exe", "User": user, **more}, soc)


def titles(rules: Rules, *lines: bytes) -> list[tuple[int, str]]:
    return [(at, rule.title) for at, rule in rules.match_lines(lines)]


def exception(rules: str = "any", selection: str = "User: backup") -> str:
    return EXCEPTION.format(rules=rules, selection=selection)


def school(**settings: object) -> Policy:
    return Policy(tenant="school", version=1, **settings)  # type: ignore[arg-type]


def test_without_lists_and_exceptions_everybody_has_the_shared_engine(
    own: OwnRules, engine: Engine
) -> None:
    assert own.of("", school()) is engine


def test_a_list_brings_its_rules_to_life_with_the_filters_of_the_set(own: OwnRules) -> None:
    rules = own.of("", school(lists={"admins": ("root", "adm_*", "robot")}))

    found = titles(rules, line("whoami", "ROOT"), line("x", "adm_j"), line("x", "robot"))

    assert found == [(0, "listed"), (0, "whoami"), (1, "listed")]


def test_a_list_of_another_name_changes_nothing(own: OwnRules) -> None:
    rules = own.of("", school(lists={"hosts": ("root",)}))

    assert titles(rules, line("whoami", "root")) == [(0, "whoami")]


@pytest.mark.parametrize("rules", ["any", "whoami", f"[{WHOAMI}]", f"[{WHOAMI}, gone]"])
def test_an_exception_holds_back_what_it_concerns(own: OwnRules, rules: str) -> None:
    excepted = own.of("", school(filters={"backup": exception(rules)}))

    found = titles(
        excepted, line("whoami", "backup"), line("whoami", "jane"), line("net", "backup")
    )

    others = [] if rules == "any" else [(2, "net")]
    assert found == [(1, "whoami"), *others]


def test_all_exceptions_must_let_a_match_pass(own: OwnRules) -> None:
    filters = {"one": exception("any", "User: backup"), "two": exception("net", "Shift: night")}
    rules = own.of("", school(filters=filters))

    found = titles(
        rules,
        line("net", "jane", Shift="night"),
        line("net", "backup"),
        line("net", "jane"),
        line("whoami", "jane", Shift="night"),
    )

    assert found == [(2, "net"), (3, "whoami")]


def test_exceptions_use_the_lists_of_the_organisation(own: OwnRules) -> None:
    filters = {"ours": exception("any", "User|expand: '%ours%'")}
    rules = own.of("", school(filters=filters, lists={"ours": ("jane", "svc_*")}))

    found = titles(rules, line("net", "jane"), line("net", "SVC_1"), line("net", "mallory"))

    assert found == [(2, "net")]


@pytest.mark.parametrize(
    "text",
    ["no filter", exception("any", "User|expand: '%nobody%'"), exception("any", "U|re: '('")],
)
def test_an_exception_that_does_not_work_holds_nothing_back(own: OwnRules, text: str) -> None:
    rules = own.of("", school(filters={"broken": text}))

    assert titles(rules, line("net", "jane")) == [(0, "net")]


def test_one_tenants_lists_and_exceptions_never_change_anothers_signals(
    folder: Path, engine: Engine, tmp_path: Path
) -> None:
    policies = [
        Policy(tenant="school", version=1, lists={"admins": ("jane",)}),
        Policy(tenant="council", version=1, filters={"jane": exception("any", "User: jane")}),
        Policy(tenant="museum", version=1, lists={"admins": ("jim",)}),
    ]
    tenants = [*(each.tenant for each in policies), "nobody"]
    alone = {
        tenant: _signals(tmp_path / tenant, folder, engine, [tenant], policies)[tenant]
        for tenant in tenants
    }

    together = _signals(tmp_path / "all", folder, load([folder]), tenants, policies)

    assert together == alone
    assert alone == {
        "school": [(0, "listed"), (0, "whoami"), (1, "net")],
        "council": [(1, "net")],
        "museum": [(0, "whoami"), (1, "listed"), (1, "net")],
        "nobody": [(0, "whoami"), (1, "net")],
    }


def test_no_value_of_a_list_or_an_exception_is_kept_on_disk(own: OwnRules, tmp_path: Path) -> None:
    rules = own.of(
        "",
        school(
            lists={"admins": ("*secretvalue*",)}, filters={"x": exception("any", "User|re: s.q")}
        ),
    )
    before = _kept(tmp_path)

    titles(rules, line("net", "a secretvalue"), line("whoami", "seq"))

    assert _kept(tmp_path) == before
    assert not any(b"secretvalue" in data for data in before.values())


def test_memory_is_bounded_by_organisations_and_by_rule_sets(own: OwnRules) -> None:
    for number in range(100):
        policy = Policy(tenant=f"t{number}", version=1, filters={"x": exception()})
        own.of("", policy)

    assert len(own._made) == 64


@pytest.mark.parametrize(
    ("text", "line_number", "says"),
    [
        (exception("any", "User|begins: x"), 3, "begins"),
        ("title: x\n  bad: [\n", 2, "not YAML"),
        ("- a\n- b\n", 1, "one Sigma filter document"),
        (f"{exception()}---\n{exception()}", 1, "one Sigma filter document"),
        (RULES["net.yml"], 1, "key `filter`"),
        (exception("any", "User|expand: '%nobody%'"), 3, "set the list first"),
        (exception("any", "User|re: '(?=a)'"), 5, "(?=a)"),
        (exception("any", "User: '\\ud800'").encode().decode("unicode_escape"), 1, "UTF-8"),
        ("", 1, "one Sigma filter document"),
    ],
)
def test_what_is_wrong_with_an_exception_is_said_with_its_line(
    text: str, line_number: int, says: str
) -> None:
    faults = check_exception("ours", text, {"ours": ["jane"]})

    assert [(fault.path, fault.line) for fault in faults] == [("ours", line_number)]
    assert says in faults[0].message


def test_an_exception_in_order_has_no_faults() -> None:
    assert check_exception("ours", exception("any", "User|expand: '%ours%'"), {"ours": ["x"]}) == []


def test_only_files_with_placeholders_or_filters_are_read_again(folder: Path) -> None:
    assert [each.name for each in files_that_expand([folder])] == ["filter.yml", "listed.yml"]


def _signals(
    place: Path, folder: Path, engine: Engine, tenants: Sequence[str], policies: Sequence[Policy]
) -> dict[str, list[tuple[int, str]]]:
    """Line and rule of every signal, when these tenants' records come in turns."""
    place.mkdir()
    sets = Sets(engine, rules=[folder])
    with contextlib.closing(EmbeddedBus(place / "bus.db")) as bus:
        for tenant in tenants:
            for kind in ("signals", "dead"):
                bus.create_topic(f"{kind}.{tenant}", partitions=1, retention=Retention())
        with contextlib.closing(Detection(bus, sets, versions=Announced(*policies))) as stage:
            stage.handle(list(_records(tenants, policies)))
            stage.flush()
        return {tenant: _read(bus, tenant) for tenant in tenants}


def _records(tenants: Sequence[str], policies: Sequence[Policy]) -> Iterator[Record]:
    for each in policies:
        if each.tenant in tenants:
            value = msgspec.json.encode(each)
            yield _record(each.tenant, 0, value, kind="policy")
    for tenant in tenants:
        value = b"\n".join(
            line(program, user, tenant, number)
            for number, (program, user) in enumerate((("whoami", "jane"), ("net", "jim")))
        )
        yield _record(tenant, 1, value)


def _record(tenant: str, offset: int, value: bytes, **headers: str) -> Record:
    place = Partition(f"events.{tenant}", 0)
    return Record(partition=place, offset=offset, time=1.0, value=value, headers=headers)


def _read(bus: EmbeddedBus, tenant: str) -> list[tuple[int, str]]:
    with contextlib.closing(bus.consumer("reader", f"signals.{tenant}")) as consumer:
        lines = [each for record in consumer.poll(0.2) for each in record.value.split(b"\n")]
    found = [msgspec.json.decode(each, type=Signal) for each in lines]
    assert {each.tenant for each in found} <= {tenant}
    return [(each.place.line, each.title) for each in found]


def _kept(place: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in place.rglob("*") if each.suffix == ".hsdb"}
