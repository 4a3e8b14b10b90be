"""The register of assets as its tenant keeps it."""

import pytest

from enrichment.register import Asset
from tenants.access import Invalid, NotFound, Principal
from tenants.assets import AssetBook
from tenants.database import Database
from tenants.registry import Registry

LAPTOP = Asset(kind="host", name="WS-014", owner="Finance", criticality="high")


def test_a_register_is_replaced_whole_and_seen_by_the_stages(
    database: Database, pat: Principal
) -> None:
    book, registry = AssetBook(database, pat), Registry(database)
    book.replace("school", [Asset(kind="ip", name="192.0.2.1"), LAPTOP])
    version = registry.version()

    book.replace("school", [LAPTOP])

    assert book.assets("school") == [LAPTOP]
    assert registry.assets("school") == [LAPTOP]
    assert registry.assets("council") == []
    assert registry.version() > version


def test_csv_does_the_same(database: Database, pat: Principal) -> None:
    book = AssetBook(database, pat)

    size = book.replace_csv("school", b"kind,name,owner,criticality\nhost,WS-014,Finance,high\n")

    assert size == 1
    assert book.assets("school") == [LAPTOP]


def test_faults_name_their_lines_and_leave_the_register_alone(
    database: Database, pat: Principal
) -> None:
    book = AssetBook(database, pat)
    book.replace("school", [LAPTOP])

    with pytest.raises(Invalid, match=r"line 3: kind 'moon'.*line 4: expected 2 columns"):
        book.replace_csv("school", b"kind,name\nhost,a\nmoon,b\nhost\n")
    with pytest.raises(Invalid, match=r"row 2: stands there twice"):
        book.replace("school", [LAPTOP, LAPTOP])
    with pytest.raises(Invalid, match=r"row 1: criticality 'huge'"):
        book.replace("school", [Asset(kind="host", name="a", criticality="huge")])

    assert book.assets("school") == [LAPTOP]


def test_another_tenants_register_is_not_there(database: Database, pat: Principal) -> None:
    book = AssetBook(database, pat)

    with pytest.raises(NotFound):
        book.assets("council")
    with pytest.raises(NotFound):
        book.replace("council", [LAPTOP])
