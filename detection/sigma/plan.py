"""How events of one set of log sources are matched: straight-line code and two kinds of memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from detection.sigma.condition import Condition, true_for
from detection.sigma.held import Sets
from detection.sigma.memories import Memories
from detection.sigma.references import pairs_of
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
        memories: Memories,
    ) -> None:
        self._sets = sets = memories.sets
        self._conditions = conditions
        names = sorted({name for source in sources for name in source.lookups})
        self.answers = {
            name: memories.answers([s.lookups[name] for s in sources if name in s.lookups])
            for name in names
        }
        self.pairs = pairs_of([each for source in sources for each in source.references], sets)
        self.names = list(
            dict.fromkeys([*names, *(each for pair in self.pairs for each in pair.names)])
        )
        """Every field that is looked at, but for keywords, which look at all."""
        joined = [each for source in sources for each in source.joined]
        apart = [each for source in sources for each in source.apart]
        self.keywords = memories.keywords(joined, apart) if joined or apart else None
        self.known: dict[Signature, tuple[int, ...]] = {}
        """Numbers of the rules that match, in order; `evaluate` answers for what is not in it."""
        self._always = frozenset(rule for source in sources for rule in source.always)
        self._candidates = _Candidates([source.witnessed for source in sources], sets)
        flat = not any("." in name for name in self.names)
        wide = flat and len(names) > WIDE
        self.wide = WideSigner(self.answers, self.pairs, sets) if wide else None

    @cached_property
    def _sign(self) -> Callable[..., Signature]:
        """Made late, as most plans only ever see lines that a view reads."""
        return self.wide or signer(self.answers, self.pairs)

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
            conditions = self._conditions
            held = frozenset().union(*map(self._sets.sets.__getitem__, numbers))
            found = tuple(rule for rule in sorted(candidates) if true_for(conditions[rule], held))
        self.known[signature] = found
        self._sets.spent += SIGNATURE_BYTES + 8 * len(signature)
        return found

    def candidates(self, numbers: Iterable[int]) -> frozenset[int]:
        """The rules that must be looked at where these numbered sets of predicates hold."""
        return self._always.union(*map(self._candidates.__getitem__, numbers))

    def forget(self) -> None:
        """Drop everything remembered but in the shared memories; the sets are numbered anew."""
        self.known.clear()
        self._candidates.clear()
        for pairs in self.pairs:
            pairs.forget()
        if self.wide is not None:
            self.wide.forget()

    def _sign_slowly(self, event: Mapping[str, Any]) -> Signature:
        def value(name: str) -> Any:
            return find(event, name) if "." in name else plain(event.get(name))

        return (
            *(answers[value(name)] for name, answers in self.answers.items()),
            *(pair[value(pair.names[0]), value(pair.names[1])] for pair in self.pairs),
        )


class _Candidates(dict[int, frozenset[int]]):
    """Number of a set of predicates to the rules of which a witness is in it."""

    def __init__(self, witnessed: Sequence[Mapping[int, Sequence[int]]], sets: Sets) -> None:
        super().__init__()
        self._witnessed = witnessed
        self._sets = sets

    def __missing__(self, number: int) -> frozenset[int]:
        rules: set[int] = set()
        for each in self._sets.sets[number]:
            for witnessed in self._witnessed:
                if each in witnessed:
                    rules.update(witnessed[each])
        found = self[number] = frozenset(rules)
        self._sets.spent += SIGNATURE_BYTES + 32 * len(found)
        return found
