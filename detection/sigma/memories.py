"""What the plans of one engine remember together: fields and keywords that several look at."""

from collections.abc import Sequence

from detection.sigma.held import Answers, Sets
from detection.sigma.keywords import Keywords
from detection.sigma.lookup import Lookup, Numbered
from detection.sigma.scan import Scanners


class Memories:
    """Gives plans that ask the same of a field one memory. Not shared between threads."""

    def __init__(self, scanners: Scanners) -> None:
        self.sets = Sets()
        """Of predicates that hold, by the numbers that signatures are made of."""
        self._scanners = scanners
        self._answers: dict[tuple[int, ...], Answers] = {}
        """By the identities of lookups, which live as long as the engine does."""
        self._keywords: dict[tuple[int, ...], Keywords] = {}
        """By the numbers of their predicates."""

    def answers(self, lookups: Sequence[Lookup]) -> Answers:
        """The memory of a field that these lookups answer for."""
        key = tuple(map(id, lookups))
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = Answers(lookups, self.sets)
        return found

    def keywords(self, joined: Sequence[Numbered], apart: Sequence[Numbered]) -> Keywords:
        """What finds these keywords, those that can be joined and those that can't."""
        key = tuple(number for number, _ in (*joined, *apart))
        found = self._keywords.get(key)
        if found is None:
            found = self._keywords[key] = Keywords(joined, apart, self.sets, self._scanners)
        return found

    def drop(self) -> None:
        """Let go of every memory; nobody may use one any more."""
        self._answers.clear()
        self._keywords.clear()

    def forget(self) -> None:
        """Start afresh: numbers of sets are given anew, whoever else holds one must drop it."""
        self.sets.clear()
        for answers in self._answers.values():
            answers.forget()
        for keywords in self._keywords.values():
            keywords.forget()
