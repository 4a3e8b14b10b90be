"""Which predicates of one field hold for one text, for the rules of one log source."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import hyperscan

from detection.sigma.affixes import tables
from detection.sigma.predicates import TEXT_KINDS, Kind, Predicate, tester
from detection.sigma.scan import Scanner, Scanners, compiles, expression, is_hint
from detection.sigma.values import address_of

FEW = 6
"""Up to so many patterns, asking each in turn is quicker than one pass of Hyperscan."""
MANY = 4_000
"""Of more patterns than this several databases are made, so that a new one costs seconds less."""
Numbered = tuple[int, Predicate]
Test = tuple[int, Callable[[str], bool]]


class Lookup:
    """Answers all predicates of a field at once. Immutable; holds no cache.

    Folded text kinds come from dictionaries (exact; begins and ends too, where few others are
    left) or one scan; regular expressions are looked for in one scan too and confirmed one by
    one; the rest is asked one by one.
    """

    def __init__(self, predicates: Iterable[Numbered], scanners: Scanners) -> None:
        self.present: list[int] = []
        self.absent: list[int] = []
        self.exact: dict[str, list[int]] = {}
        """Folded text to the predicates that ask for just that."""
        affixes: list[Numbered] = []
        within: list[Numbered] = []
        regexes: list[Numbered] = []
        self._networks: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        """Predicate, address and mask of networks, by the version of the protocol."""
        self._raw: list[Test] = []
        for number, predicate in predicates:
            kind = predicate.kind
            if kind is Kind.PRESENT:
                self.present.append(number)
            elif kind is Kind.ABSENT:
                self.absent.append(number)
            elif kind is Kind.EXACT and not predicate.cased:
                self.exact.setdefault(predicate.value, []).append(number)
            elif kind in (Kind.STARTS, Kind.ENDS) and not predicate.cased:
                affixes.append((number, predicate))
            elif kind in TEXT_KINDS and not predicate.cased:
                within.append((number, predicate))
            elif kind is Kind.REGEX:
                regexes.append((number, predicate))
            elif kind is Kind.CIDR:
                network = predicate.value
                ones = int(network.netmask)
                self._networks[network.version].append((number, int(network.network_address), ones))
            else:
                self._raw.append((number, tester(predicate)))
        if len(within) > FEW:  # it is scanned anyway, and the scan sees these for nothing
            within, affixes = within + affixes, []
        self.affixes = tables(affixes)
        """How the folded text begins and ends, where that needs no scan."""
        self.within = [Group(part, scanners) for part in _divided(within)]
        """What is looked for in the folded text."""
        self._regexes = Group(regexes, scanners, few=0) if regexes else None
        self._has_networks = any(self._networks.values())
        self.looks_at_raw = bool(regexes or self._has_networks or self._raw)
        """Whether `raw` can find anything."""

    def raw(self, text: str) -> list[int]:
        """What holds for a text as it stands: all that does not go by the folded one."""
        held = self._regexes.confirmed(text) if self._regexes is not None else []
        if self._has_networks and (address := address_of(text)) is not None:
            bits = int(address)
            networks = self._networks[address.version]
            held += [number for number, network, mask in networks if bits & mask == network]
        if self._raw:
            held += [number for number, test in self._raw if test(text)]
        return held


class Group:
    """Predicates that one scan looks for, with the tests that say the same one by one."""

    def __init__(
        self, predicates: Sequence[Numbered], scanners: Scanners, few: int | None = None
    ) -> None:
        self._predicates = predicates
        self._unscanned = predicates
        self._scanned: list[Numbered] = []
        self._hints: set[int] = set()
        self._hint_tests: dict[int, Callable[[str], bool]] = {}
        self.scanner: Scanner | None = None
        if len(predicates) > (FEW if few is None else few):
            self._prepare(predicates, scanners)
        self.numbers = [number for number, _ in self._scanned]
        """For what the scan finds at each position."""
        parts = [each for each in self._unscanned if each[1].kind is Kind.CONTAINS]
        self.parts = [(number, str(predicate.value)) for number, predicate in parts]
        """What it does not look for: texts within the text, and others by their tests."""
        self.others = [(n, tester(each)) for n, each in self._unscanned if (n, each) not in parts]

    def exactly(self, text: str, data: bytes) -> list[int]:
        """What holds for a text, whose bytes are `data`, taking the scan at its word."""
        held: list[int] = []
        if self.scanner is not None and (found := self.scanner.found(data)):
            numbers = self.numbers
            held = [numbers[position] for position in found]
        held += [number for number, part in self.parts if part in text]
        if self.others:
            held += [number for number, test in self.others if test(text)]
        return held

    def confirmed(self, text: str) -> list[int]:
        """What holds for a text, taking the scan as a mere hint where it may say too much.

        Beyond ASCII, and with vertical tabs, Hyperscan and RE2 may differ: then RE2 alone is asked.
        """
        if self.scanner is None or not text or not text.isascii() or "\v" in text:
            return [number for number, test in self._tests if test(text)]
        found = self.scanner.found(text.encode("ascii"))
        if not found and not self.others:
            return found
        return [
            *(number for number, test in self.others if test(text)),
            *(self.numbers[each] for each in found if self._stands(each, text)),
        ]

    def _stands(self, position: int, text: str) -> bool:
        if position not in self._hints:
            return True
        test = self._hint_tests.get(position)
        if test is None:
            test = self._hint_tests[position] = tester(self._scanned[position][1])
        return test(text)

    @cached_property
    def _tests(self) -> list[Test]:
        return [(number, tester(predicate)) for number, predicate in self._predicates]

    def _prepare(self, predicates: Sequence[Numbered], scanners: Scanners) -> None:
        patterns = [expression(predicate) for _, predicate in predicates]
        usable = [pattern for pattern in patterns if pattern is not None]
        try:
            self.scanner = scanners.scanner(usable)
        except hyperscan.error:  # one of them is too much for it: find out which
            patterns = [each if each and compiles(each) else None for each in patterns]
            usable = [pattern for pattern in patterns if pattern is not None]
            self.scanner = scanners.scanner(usable) if usable else None
        pairs = list(zip(predicates, patterns, strict=True))
        self._scanned = [each for each, pattern in pairs if pattern is not None]
        self._unscanned = [each for each, pattern in pairs if pattern is None]
        told = enumerate(zip(self._scanned, usable, strict=True))
        self._hints = {
            at for at, ((_, p), (text, _)) in told if p.kind is Kind.REGEX and is_hint(text)
        }


def _divided(predicates: Sequence[Numbered]) -> list[list[Numbered]]:
    """The predicates in parts, each in the same one whatever others there are (but for MANY)."""
    parts: list[list[Numbered]] = [[] for _ in range(1 << (len(predicates) // MANY).bit_length())]
    for each in predicates:
        parts[len(each[1].value) % len(parts)].append(each)
    return [part for part in parts if part]
