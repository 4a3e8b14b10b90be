"""Which predicates of one field hold for one text, for the rules of one log source."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

import hyperscan

from detection.sigma.predicates import TEXT_KINDS, Kind, Predicate, tester
from detection.sigma.scan import Scanner, Scanners, compiles, expression, is_hint
from detection.sigma.values import address_of

FEW = 6
"""Up to so many patterns, asking each in turn is quicker than one pass of Hyperscan."""
Numbered = tuple[int, Predicate]
Test = tuple[int, Callable[[str], bool]]
_NONE: list[int] = []


class Lookup:
    """Answers all predicates of a field at once. Immutable; holds no cache.

    Folded text kinds come from a dictionary (exact) or one scan (the others); regular expressions
    are looked for in one scan too and confirmed one by one; the rest is asked one by one.
    """

    def __init__(self, predicates: Iterable[Numbered], scanners: Scanners) -> None:
        self.present: list[int] = []
        self.absent: list[int] = []
        self._exact: dict[str, list[int]] = {}
        folded: list[Numbered] = []
        regexes: list[Numbered] = []
        self._networks: list[tuple[int, IPv4Network | IPv6Network]] = []
        self._raw: list[Test] = []
        for number, predicate in predicates:
            kind = predicate.kind
            if kind is Kind.PRESENT:
                self.present.append(number)
            elif kind is Kind.ABSENT:
                self.absent.append(number)
            elif kind is Kind.EXACT and not predicate.cased:
                self._exact.setdefault(predicate.value, []).append(number)
            elif kind in TEXT_KINDS and not predicate.cased:
                folded.append((number, predicate))
            elif kind is Kind.REGEX:
                regexes.append((number, predicate))
            elif kind is Kind.CIDR:
                self._networks.append((number, predicate.value))
            else:
                self._raw.append((number, tester(predicate)))
        self._folded = Group(folded, scanners) if folded else None
        self._regexes = Group(regexes, scanners, few=0) if regexes else None

    def holding(self, text: str) -> Sequence[int]:
        """The numbers of the predicates that hold for a text (those on presence are apart)."""
        low = text.lower()
        held = self._exact.get(low, _NONE)
        if self._folded is not None and (found := self._folded.exactly(low)):
            held = [*held, *found]
        if self._regexes is not None and (found := self._regexes.confirmed(text)):
            held = [*held, *found]
        if self._networks and (address := address_of(text)) is not None:
            held = [*held, *(number for number, each in self._networks if address in each)]
        if self._raw:
            held = [*held, *(number for number, test in self._raw if test(text))]
        return held


class Group:
    """Predicates that one scan looks for, with the tests that say the same one by one."""

    def __init__(
        self, predicates: Sequence[Numbered], scanners: Scanners, few: int | None = None
    ) -> None:
        self._tests: list[Test] = [(number, tester(predicate)) for number, predicate in predicates]
        self._unscanned = self._tests
        self._scanned: list[Test] = []
        self._hints: set[int] = set()
        self._scanner: Scanner | None = None
        if len(predicates) > (FEW if few is None else few):
            self._prepare(predicates, scanners)

    def exactly(self, text: str) -> list[int]:
        """What holds for a text, taking the scan at its word."""
        if self._scanner is None or not text:  # Hyperscan sees nothing in nothing
            return [number for number, test in self._tests if test(text)]
        found = self._scanner.found(text.encode("utf-8", "surrogatepass"))
        held = [self._scanned[position][0] for position in found] if found else found
        if self._unscanned:
            held += [number for number, test in self._unscanned if test(text)]
        return held

    def confirmed(self, text: str) -> list[int]:
        """What holds for a text, taking the scan as a mere hint where it may say too much.

        Beyond ASCII, and with vertical tabs, Hyperscan and RE2 may differ: then RE2 alone is asked.
        """
        if self._scanner is None or not text or not text.isascii() or "\v" in text:
            return [number for number, test in self._tests if test(text)]
        found = self._scanner.found(text.encode("ascii"))
        if not found and not self._unscanned:
            return found
        held = [number for number, test in self._unscanned if test(text)]
        for position in found:
            number, test = self._scanned[position]
            if position not in self._hints or test(text):
                held.append(number)
        return held

    def _prepare(self, predicates: Sequence[Numbered], scanners: Scanners) -> None:
        patterns = [expression(predicate) for _, predicate in predicates]
        usable = [pattern for pattern in patterns if pattern is not None]
        try:
            self._scanner = scanners.scanner(usable)
        except hyperscan.error:  # one of them is too much for it: find out which
            patterns = [each if each and compiles(each) else None for each in patterns]
            usable = [pattern for pattern in patterns if pattern is not None]
            self._scanner = scanners.scanner(usable) if usable else None
        pairs = list(zip(self._tests, patterns, strict=True))
        self._scanned = [test for test, pattern in pairs if pattern is not None]
        self._hints = {at for at, (pattern, _) in enumerate(usable) if is_hint(pattern)}
        self._unscanned = [test for test, pattern in pairs if pattern is None]
