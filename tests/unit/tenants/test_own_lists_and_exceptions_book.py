"""Who may set an organisation's lists and exceptions, what is refused, and what is kept."""

import contextlib
from pathlib import Path

import msgspec
import pytest

from collectors.bus.embedded import EmbeddedBus
from detection.policy import Policy, State
from tenants.access import Conflict, Invalid, NotFound, Principal
from tenants.audit import Audit
from tenants.database import Database
from tenants.own_rules import OwnRulesBook
from tenants.policies import PolicyBook
from tenants.registry import Registry

EXCEPTION = """title: Backups may
logsource: {product: windows}
filter:
  rules: any
  account: {User|expand: '%backups%'}
  condition: not account
"""

EXCEPTION_WITH = """title: Wide
logsource: {{product: linux}}
filter: {{rules: any, who: {{{selection}}}, condition: not who}}
"""


@pytest.fixture
def book(database: Database, pat: Principal) -> OwnRulesBook:
    return OwnRulesBook(database, pat)


def test_a_partner_sets_its_own_and_it_stands_in_the_audit(
    database: Database, book: OwnRulesBook, pat: Principal
) -> None:
    book.set_lists("school", {"backups": [" svc_1 ", "", "svc_2", "svc_1"]})
    own = book.set_exceptions("school", {"backup": EXCEPTION})

    assert own.lists == {"backups": ("svc_1", "svc_2")}
    assert own.exceptions == {"backup": EXCEPTION}
    assert own.version == 2
    entries = Audit(database, pat).of_tenant("school").entries[:2]
    assert [(each.who, each.what, each.detail) for each in entries] == [
        ("pat", "exceptions set", "backup"),
        ("pat", "lists set", "backups"),
    ]


def test_another_tenants_are_not_there(book: OwnRulesBook) -> None:
    for call in (
        lambda: book.own("council"),
        lambda: book.set_lists("council", {"x": ["y"]}),
        lambda: book.set_exceptions("council", {"x": None}),
    ):
        with pytest.raises(NotFound):
            call()


def test_they_reach_the_bus_with_the_states_and_no_change_loses_another(
    database: Database, book: OwnRulesBook, kim: Principal, tmp_path: Path
) -> None:
    states = PolicyBook(database, kim, {})
    states.set_states("school", {"r1": State.OFF})
    book.set_lists("school", {"backups": ["svc"]})
    book.set_exceptions("school", {"backup": EXCEPTION})
    states.set_states("school", {"r2": State.ALERT})

    with contextlib.closing(EmbeddedBus(tmp_path / "bus.sqlite")) as bus:
        Registry(database).publish(bus)
        with contextlib.closing(bus.consumer("reader", "events.school")) as consumer:
            told = {each.value for each in consumer.poll(0.2)}

    expected = Policy(
        tenant="school",
        version=4,
        states={"r1": State.OFF, "r2": State.ALERT},
        lists={"backups": ("svc",)},
        filters={"backup": EXCEPTION},
    )
    assert [msgspec.json.decode(value, type=Policy) for value in told] == [expected]
    assert Registry(database).policy("school") == expected


def test_what_changes_nothing_makes_no_version(book: OwnRulesBook) -> None:
    book.set_lists("school", {"backups": ["svc"]})

    assert book.set_lists("school", {"backups": ["svc"], "gone": None}).version == 1


def test_a_list_that_an_exception_asks_for_stays(book: OwnRulesBook) -> None:
    book.set_lists("school", {"backups": ["svc"]})
    book.set_exceptions("school", {"backup": EXCEPTION})

    with pytest.raises(Conflict, match="remove the exception first"):
        book.set_lists("school", {"backups": None})
    book.set_exceptions("school", {"backup": None})

    assert book.set_lists("school", {"backups": None}).lists == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title: x\nlogsource: [\n", "line 3: not YAML"),
        (EXCEPTION, "line 3: no list for the placeholder %backups%; set the list first"),
        (EXCEPTION.replace("not account", "not nobody"), "line 6: "),
        ("x" * 20_001, "at most 20,000"),
    ],
)
def test_an_exception_that_would_not_work_is_refused_with_its_line(
    book: OwnRulesBook, text: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        book.set_exceptions("school", {"backup": text})

    assert book.own("school").version == 0


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ({"a b": ["x"]}, "letters, digits"),
        ({"": ["x"]}, "letters, digits"),
        ({"a": ["x" * 1001]}, "one line"),
        ({"a": ["x\x00y"]}, "one line"),
        ({"a": ["", " "]}, "or its removal"),
        ({"a": [str(number) for number in range(10_001)]}, "at most 10,000"),
        ({f"l{number}": ["x"] for number in range(101)}, "at most 100"),
        ({f"l{number}": ["y" * 1000 + str(number)][:1] for number in range(2)}, "one line"),
    ],
)
def test_lists_are_bounded(book: OwnRulesBook, lists: dict[str, list[str]], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        book.set_lists("school", lists)


def test_a_policy_larger_than_a_record_is_refused(book: OwnRulesBook) -> None:
    with pytest.raises(Invalid, match="at most 900,000"):
        book.set_lists("school", {"a": [f"{number:0990}" for number in range(1000)]})


def test_what_placeholders_become_is_bounded(book: OwnRulesBook) -> None:
    many = [str(number) for number in range(9_000)]
    fields = "".join(f"f{number}|expand: '%long%', " for number in range(6))
    text = EXCEPTION_WITH.format(selection=f"{fields}g|expand: '%short%'")
    both = EXCEPTION_WITH.format(selection="g|expand: '%long%-%short%'")
    book.set_lists("school", {"long": many, "short": ["x"]})

    with pytest.raises(Invalid, match=r"54,001 values .*at most 50,000"):
        book.set_exceptions("school", {"wide": text})
    book.set_exceptions("school", {"both": both})
    with pytest.raises(Invalid, match=r"54,000 values .*at most 50,000"):
        book.set_lists("school", {"short": ["a", "b", "c", "d", "e", "f"]})

    own = book.own("school")
    assert (list(own.exceptions), own.lists["short"]) == (["both"], ("x",))
