"""How events of one set of log sources are matched: straight-line code and two kinds of memory."""

from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

from detection.sigma.condition import Condition, true_for
from detection.sigma.held import Answers, Sets
from detection.sigma.keywords import Keywords
from detection.sigma.scan import Scanners
from detection.sigma.source import Source, references_held
from detection.sigma.values import find, plain

Signature = tuple[int, ...]
"""For each field the number of the set of predicates that hold; so for keywords and references."""


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
        self._known: dict[Signature, tuple[int, ...]] = {}
        names = sorted({name for source in sources for name in source.lookups})
        self._answers = {
            name: Answers([s.lookups[name] for s in sources if name in s.lookups], sets)
            for name in names
        }
        joined = [each for source in sources for each in source.joined]
        apart = [each for source in sources for each in source.apart]
        self._keywords = Keywords(joined, apart, sets, scanners) if joined or apart else None
        self._references = [each for source in sources for each in source.references]
        self._always = frozenset(rule for source in sources for rule in source.always)
        self._witnessed = [source.witnessed for source in sources]
        self._sign = signer(self._answers)

    def match(self, event: Mapping[str, Any], line: bytes = b"") -> tuple[int, ...]:
        """Numbers of the rules that match, in order. The event is without `soc`.

        `line`, if given, is the JSON that holds all of the event's values.
        """
        try:
            signature = self._sign(event.get, event)
        except TypeError:  # a list or an object where a rule looks
            signature = self._sign_slowly(event)
        if self._keywords is not None:
            signature += (self._keywords.number(event, line),)
        if self._references:
            held = references_held(self._references, event)
            signature += (self._sets.number(held),)
        found = self._known.get(signature)
        return self._evaluate(signature) if found is None else found

    def forget(self) -> None:
        """Drop everything remembered; the sets' numbers are about to be given anew."""
        self._known.clear()
        for answers in self._answers.values():
            answers.forget()
        if self._keywords is not None:
            self._keywords.forget()

    def _sign_slowly(self, event: Mapping[str, Any]) -> Signature:
        return tuple(
            answers[find(event, name) if "." in name else plain(event.get(name))]
            for name, answers in self._answers.items()
        )

    def _evaluate(self, signature: Signature) -> tuple[int, ...]:
        sets = self._sets.sets
        held = frozenset().union(*(sets[number] for number in set(signature)))
        candidates = set(self._always)
        for witnessed in self._witnessed:
            for number in held:
                if number in witnessed:
                    candidates.update(witnessed[number])
        conditions = self._conditions
        found = tuple(rule for rule in sorted(candidates) if true_for(conditions[rule], held))
        self._known[signature] = found
        self._sets.spent += 160 + 8 * len(signature)
        return found


def signer(answers: Mapping[str, Answers]) -> Callable[..., Signature]:
    """A function of `(event.get, event)` that looks every field up, one after another.

    Field names reach it as data; the code itself is made of our own names and integers. It raises
    TypeError for a list or an object in a field without a dot.
    """
    dotted = tuple("." in name for name in answers)
    namespace: dict[str, Any] = {"find": find}
    for position, (name, each) in enumerate(answers.items()):
        namespace[f"n{position}"] = name
        namespace[f"a{position}"] = each
    exec(_code(dotted), namespace)  # noqa: S102 - no outside text in it
    made: Callable[..., Signature] = namespace["sign"]
    return made


def _code(dotted: tuple[bool, ...]) -> CodeType:
    look = [
        f"a{at}[find(event, n{at})]" if is_path else f"a{at}[get(n{at})]"
        for at, is_path in enumerate(dotted)
    ]
    body = "".join(f"{each}, " for each in look)
    return compile(f"def sign(get, event):\n    return ({body})\n", "<signer>", "exec")
