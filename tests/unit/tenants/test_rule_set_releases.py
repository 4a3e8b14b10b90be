"""Rule sets are kept once, put in force one after another, and any of them comes back."""

import pytest

from detection.rule_sets import SETTINGS, Release
from rules.bundle import Bundle, unpack
from tenants.access import Conflict, Denied, Invalid, NotFound, Principal
from tenants.audit import Audit
from tenants.database import Database
from tenants.registry import Registry
from tenants.rule_sets import Figures, RuleSetBook

FIGURES = Figures(files=1, rules=1, correlations=0, refused=0, bytes=1)
A, B, C = (Bundle({"rules/one.yml": text}) for text in (b"a", b"b", b"c"))


@pytest.fixture
def book(database: Database, root: Principal) -> RuleSetBook:
    return RuleSetBook(database, root)


def names(book: RuleSetBook, **asked: int) -> list[tuple[int, str, int | None, bool]]:
    known = {A.version: "a", B.version: "b", C.version: "c", "settings": "settings"}
    found = book.releases(**asked)
    return [(each.number, known[each.version], each.restores, each.in_force) for each in found]


def test_an_import_is_kept_and_in_force(database: Database, book: RuleSetBook) -> None:
    registry = Registry(database)
    before = registry.version()

    release = book.release(A, "a team's rules", FIGURES)

    assert release == registry.latest_release() == Release(1, A.version)
    assert unpack(registry.bundle(A.version)) == A
    assert registry.version() > before
    found = book.releases()[0]
    assert (found.author, found.origin, found.figures) == ("root", "a team's rules", FIGURES)
    with pytest.raises(KeyError, match="no rule set"):
        registry.bundle(B.version)


def test_the_very_set_in_force_is_not_released_again(book: RuleSetBook) -> None:
    book.release(A, "here", FIGURES)

    with pytest.raises(Conflict, match="in force already"):
        book.release(A, "there", FIGURES)

    assert names(book) == [(1, "a", None, True)]


def test_going_back_undoes_one_import_after_another(book: RuleSetBook) -> None:
    for bundle in (A, B):
        book.release(bundle, "here", FIGURES)

    restored = [book.roll_back().version for _ in range(2)]

    assert restored == [A.version, SETTINGS]
    with pytest.raises(Conflict, match="as at the beginning"):
        book.roll_back()
    assert names(book) == [
        (4, "settings", 0, True),
        (3, "a", 1, False),
        (2, "b", None, False),
        (1, "a", None, False),
    ]


def test_an_import_after_going_back_is_undone_to_what_was_there(book: RuleSetBook) -> None:
    for bundle in (A, B):
        book.release(bundle, "here", FIGURES)
    book.roll_back()
    book.release(C, "here", FIGURES)

    restored = [book.roll_back().version for _ in range(2)]

    assert restored == [A.version, SETTINGS]


def test_a_version_is_named_by_its_first_digits(book: RuleSetBook) -> None:
    for bundle in (A, B, C):
        book.release(bundle, "here", FIGURES)

    release = book.roll_back(A.version[:8])

    assert release == Release(4, A.version)
    assert names(book)[0] == (4, "a", 1, True)
    assert book.roll_back("settings") == Release(5, SETTINGS)
    with pytest.raises(Conflict, match="in force already"):
        book.roll_back("settings")
    for unknown in ("00000000", A.version[:5], "%%%%%%%%", ""):
        with pytest.raises(NotFound):
            book.roll_back(unknown)


def test_nothing_imported_is_nothing_to_go_back_to(book: RuleSetBook) -> None:
    with pytest.raises(Conflict, match="settings name"):
        book.roll_back()


def test_releases_come_in_pages(book: RuleSetBook) -> None:
    for bundle in (A, B, C):
        book.release(bundle, "here", FIGURES)

    first = names(book, limit=2)
    rest = names(book, limit=2, before=2)

    assert [each[0] for each in (*first, *rest)] == [3, 2, 1]


def test_only_administrators_decide_and_partners_see_nothing(
    database: Database, kim: Principal, pat: Principal
) -> None:
    for principal in (kim, pat):
        with pytest.raises(Denied):
            RuleSetBook(database, principal).release(A, "here", FIGURES)
        with pytest.raises(Denied):
            RuleSetBook(database, principal).roll_back()
    with pytest.raises(Denied):
        RuleSetBook(database, pat).releases()
    assert RuleSetBook(database, kim).releases() == []


def test_a_set_too_large_to_keep_is_refused(
    book: RuleSetBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.rule_sets.MAX_PACKED", 3)

    with pytest.raises(Invalid, match="at most 3"):
        book.release(A, "here", FIGURES)


def test_releases_are_in_the_audit(database: Database, root: Principal, book: RuleSetBook) -> None:
    book.release(A, "here", FIGURES)
    book.roll_back()

    entries = Audit(database, root).of_everything().entries[:2]

    assert [(each.who, each.what) for each in entries] == [("root", "rules released")] * 2
    assert entries[0].detail == "2: settings (rolled back)"
    assert entries[1].detail == f"1: {A.version} (here)"
