"""How events of one set of log sources are matched: straight-line code and two kinds of memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detection.sigma.condition import Condition, true_for
from detection.sigma.held import Answers, Sets
from detection.sigma.keywords import Keywords
from detection.sigma.references import pairs_of
from detection.sigma.scan import Scanners
from detection.sigma.signing import WIDE, Signature, WideSigner, signer
from detection.sigma.source import Source
from detection.sigma.values import find, plain

SIGNATURE_BYTES = 160


class Plan:
    """Matches events that one set of log sources is true of. Not shared between threads.

    The set for each field's value is remembered, and so is what matches for a signature: an event
    made of values seen before, in a combination seen before, costs look-ups only.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        conditions: Sequence[Condition],
        sets: Sets,
        scanners: Scanners,
    ) -> None:
        self._sets = sets
        self._conditions = conditions
        names = sorted({name for source in sources for name in source.lookups})
        self.answers = {
            name: Answers([s.lookups[name] for s in sources if name in s.lookups], sets)
            for name in names
        }
        self.pairs = pairs_of([each for source in sources for each in source.references], sets)
        self.names = list(
            dict.fromkeys([*names, *(each for pair in self.pairs for each in pair.names)])
        )
        """Every field that is looked at, but for keywords, which look at all."""
        joined = [each for source in sources for each in source.joined]
        apart = [each for source in sources for each in source.apart]
        self.keywords = Keywords(joined, apart, sets, scanners) if joined or apart else None
        self.known: dict[Signature, tuple[int, ...]] = {}
        """Numbers of the rules that match, in order; `evaluate` answers for what is not in it."""
        self._always = frozenset(rule for source in sources for rule in source.always)
        self._witnessed = [source.witnessed for source in sources]
        self._candidates: dict[int, frozenset[int]] = {}
        flat = not any("." in name for name in self.names)
        wide = flat and len(names) > WIDE
        self.wide = WideSigner(self.answers, self.pairs, sets) if wide else None
        self._sign = self.wide or signer(self.answers, self.pairs)

    def match(self, event: Mapping[str, Any], line: bytes = b"") -> tuple[int, ...]:
        """Numbers of the rules that match, in order. The event is without `soc`.

        `line`, if given, is the JSON that holds all of the event's values.
        """
        try:
            signature = self._sign(event.get, event)
        except TypeError:  # a list or an object where a rule looks
            signature = self._sign_slowly(event)
        if self.keywords is not None and (number := self.keywords.number(event, line)):
            signature += (number,)
        found = self.known.get(signature)
        return self.evaluate(signature) if found is None else found

    def evaluate(self, signature: Signature) -> tuple[int, ...]:
        """Work out, and remember, what matches for a signature that is not known."""
        numbers = set(signature)
        candidates = self.candidates(numbers)
        found: tuple[int, ...] = ()
        if candidates:
            sets, conditions = self._sets.sets, self._conditions
            held = frozenset().union(*(sets[number] for number in numbers))
            found = tuple(rule for rule in sorted(candidates) if true_for(conditions[rule], held))
        self.known[signature] = found
        self._sets.spent += SIGNATURE_BYTES + 8 * len(signature)
        return found

    def candidates(self, numbers: Iterable[int]) -> frozenset[int]:
        """The rules that must be looked at where these numbered sets of predicates hold."""
        return self._always.union(*map(self._candidates_for, numbers))

    def forget(self) -> None:
        """Drop everything remembered; the sets' numbers are about to be given anew."""
        self.known.clear()
        self._candidates.clear()
        for answers in self.answers.values():
            answers.forget()
        for pairs in self.pairs:
            pairs.forget()
        if self.keywords is not None:
            self.keywords.forget()
        if self.wide is not None:
            self.wide.forget()

    def _candidates_for(self, number: int) -> frozenset[int]:
        """The rules of which a witness is in the set of this number."""
        found = self._candidates.get(number)
        if found is None:
            held = self._sets.sets[number]
            rules = (
                witnessed[each] for witnessed in self._witnessed for each in held & witnessed.keys()
            )
            found = self._candidates[number] = frozenset().union(*rules)
            self._sets.spent += SIGNATURE_BYTES + 32 * len(found)
        return found

    def _sign_slowly(self, event: Mapping[str, Any]) -> Signature:
        def value(name: str) -> Any:
            return find(event, name) if "." in name else plain(event.get(name))

        return (
            *(answers[value(name)] for name, answers in self.answers.items()),
            *(pair[value(pair.names[0]), value(pair.names[1])] for pair in self.pairs),
        )
