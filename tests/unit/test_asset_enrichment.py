"""What a tenant's register adds to a match, and how a register is read."""

import pytest

from enrichment.enrichers.add_asset import AddAsset
from enrichment.register import MAX_BYTES, Asset, AssetRegister, RowFault, parse_csv

ROWS = [
    Asset(kind="host", name="WS-014.council.example", owner="Housing", criticality="normal"),
    Asset(kind="host", name="DC-01", owner="IT", criticality="critical"),
    Asset(kind="ip", name="10.0.0.7", owner="Networks", criticality="high"),
    Asset(kind="user", name=r"COUNCIL\Jane", criticality="high"),
]


def enricher() -> AddAsset:
    return AddAsset({"council": AssetRegister(ROWS)})


def test_an_asset_is_found_in_the_spelling_that_events_have() -> None:
    facts = enricher().add("council", {"host": ["ws-014.council.example", "ws-014"]})

    assert facts == {
        "asset": "WS-014.council.example",
        "kind": "host",
        "owner": "Housing",
        "criticality": "normal",
    }
    assert enricher().add("council", {"host": ["ws-014"]}) == facts


def test_the_asset_that_most_hangs_on_is_the_one_named() -> None:
    facts = enricher().add("council", {"host": ["ws-014"], "ip": ["10.0.0.7"], "user": ["jane"]})

    assert (facts["asset"], facts["criticality"]) == ("10.0.0.7", "high")


def test_an_asset_without_an_owner_has_none() -> None:
    assert "owner" not in enricher().add("council", {"user": ["jane"]})


def test_nothing_is_known_of_others() -> None:
    assert enricher().add("council", {"host": ["elsewhere"], "hash": ["ws-014"]}) == {}


def test_one_tenant_never_sees_anothers_register() -> None:
    assert enricher().add("school", {"host": ["dc-01"]}) == {}


def test_a_new_register_is_in_force_at_once() -> None:
    assets = enricher()

    assets.replace({"school": AssetRegister([Asset(kind="host", name="dc-01", owner="Office")])})

    assert assets.add("council", {"host": ["dc-01"]}) == {}
    assert assets.add("school", {"host": ["dc-01"]})["owner"] == "Office"


def test_a_short_name_belongs_to_the_asset_that_bears_exactly_it() -> None:
    register = AssetRegister(
        [
            Asset(kind="host", name="web", owner="the short one"),
            Asset(kind="host", name="web.council.example", owner="the long one"),
        ]
    )

    assert register.find({"host": ["web"]}).owner == "the short one"  # type: ignore[union-attr]


def test_a_register_is_read_from_csv() -> None:
    content = (
        "\ufeffKind,Name,Owner,Criticality\r\n"
        'host,WS-014,"Housing, Estates",HIGH\r\n'
        "\r\n"
        "ip,10.0.0.7,,\r\n"
    )

    assets, faults = parse_csv(content.encode())

    assert not faults
    assert list(assets) == [
        Asset(kind="host", name="WS-014", owner="Housing, Estates", criticality="high"),
        Asset(kind="ip", name="10.0.0.7", owner="", criticality="normal"),
    ]


def test_columns_may_come_in_any_order_and_only_two_are_needed() -> None:
    assets, faults = parse_csv(b"name,kind\nws-014,host\n")

    assert not faults
    assert list(assets) == [Asset(kind="host", name="ws-014")]


def test_every_fault_is_told_with_its_line_and_good_lines_are_read() -> None:
    content = (
        b"kind,name,owner,criticality\n"
        b'host,"two\nlines",,\n'
        b"printer,lp-1,,\n"
        b"host,ws-1,,urgent\n"
        b"host,ws-1\n"
        b"ip,300.1.1.1,,\n"
        b"host,ws-2,,\n"
        b"host,ws-2,,\n"
        b"host,-,,\n"
    )

    assets, faults = parse_csv(content)

    assert [asset.name for asset in assets] == ["ws-2"]
    assert [fault.line for fault in faults] == [2, 4, 5, 6, 7, 9, 10]
    assert "printable" in faults[0].message
    assert "'printer'; expected host, ip, user" in faults[1].message
    assert "'urgent'" in faults[2].message
    assert "expected 4 columns, got 2" in faults[3].message
    assert "names no ip" in faults[4].message
    assert "twice" in faults[5].message


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b"", 1, "expected the columns"),
        (b"kind;name;owner\nhost;ws-1;x\n", 1, "kind;name;owner"),
        (b"kind,kind,name\n", 1, "expected the columns"),
        (b"kind,name\nhost,a\nhost,\xff\n", 3, "UTF-8"),
        (b'kind,name\nhost,"a"b\n', 2, "no CSV"),
        (b'kind,name\nhost,"open\n', 2, "no CSV"),
        (b"x" * (MAX_BYTES + 1), 1, "at most"),
    ],
)
def test_what_is_no_register_is_refused_with_a_line(content: bytes, line: int, word: str) -> None:
    _, faults = parse_csv(content)

    assert len(faults) == 1
    assert faults[0].line == line
    assert word in faults[0].message


def test_faults_are_bounded() -> None:
    _, faults = parse_csv(b"kind,name\n" + b"printer,x\n" * 5000)

    assert len(faults) == 100
    assert faults[0] == RowFault(2, "kind 'printer'; expected host, ip, user")
