"""A scan for many texts at once overlooks none of them, wherever in a value they stand."""

import random

import pytest

from detection.sigma import predicates
from detection.sigma.compile import SIMPLE
from detection.sigma.lookup import Group
from detection.sigma.predicates import Kind, Predicate
from detection.sigma.scan import Scanners

LETTERS, OTHERS = "ak01b", "xyz:."
KINDS = (Kind.CONTAINS, Kind.CONTAINS, Kind.CONTAINS, Kind.STARTS, Kind.ENDS)


def found(asked: list[Predicate], text: str) -> list[int]:
    """Positions of those that one scan finds."""
    group = Group(list(enumerate(asked)), Scanners(None), few=0)
    return sorted(group.exactly(text, text.encode()))


def one_by_one(asked: list[Predicate], text: str) -> list[int]:
    """The same, each asked for itself."""
    return [at for at, each in enumerate(asked) if predicates.tester(each)(text)]


@pytest.mark.parametrize(
    ("patterns", "text"),
    [
        ("*1* *aab* *kk*", "::ffff:10.1.2.3\x1f\x1f\x1f\x1f0€€\x1f\x1f00kk"),
        ("*10* *ba* *k*", "yxa.kb:k011x1za.:.xz1k1yy:zb10"),
        ("*1k *0k* 10* *ab", "yzxa.ab.1k.bzyxzb10k011byk11ak::a:yxbkkyk1aka1ab"),
    ],
)
def test_what_a_scanner_once_overlooked_is_found(patterns: str, text: str) -> None:
    asked = [
        Predicate("f", SIMPLE[p[0] == "*", p[-1] == "*"], p.strip("*")) for p in patterns.split()
    ]

    assert found(asked, text) == one_by_one(asked, text)


@pytest.mark.parametrize(
    ("least", "most", "number"), [(1, 3, 6), (2, 3, 6), (4, 8, 10), (4, 8, 60)]
)
def test_a_scan_finds_what_is_found_one_by_one(least: int, most: int, number: int) -> None:
    chance = random.Random(f"{least} {most} {number}")

    def word(letters: str, least: int, most: int) -> str:
        return "".join(chance.choices(letters, k=chance.randint(least, most)))

    for _ in range(100):
        words = [word(LETTERS, least, most) for _ in range(chance.randint(2, number))]
        asked = [Predicate("f", chance.choice(KINDS), each) for each in dict.fromkeys(words)]
        group = Group(list(enumerate(asked)), Scanners(None), few=0)
        for _ in range(30):
            parts = [
                chance.choice(words) if chance.random() < 0.4 else word(LETTERS + OTHERS, 1, 20)
                for _ in range(chance.randint(1, 8))
            ]
            text = "".join(parts)

            assert sorted(group.exactly(text, text.encode())) == one_by_one(asked, text)
