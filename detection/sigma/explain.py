"""Says why a rule did or did not match an event, part by part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from sigma.processing.pipeline import ProcessingPipeline

from collectors.logsource import LogSource
from detection.sigma.compile import MissingListError, Predicates, RuleCompiler
from detection.sigma.condition import true_for, used
from detection.sigma.parts import How, Node, take_apart
from detection.sigma.predicates import Kind, Predicate, tester
from detection.sigma.ruleset import asked_by
from detection.sigma.values import OBJECT, find, text_of, texts
from detection.sigma.written import Written
from rules.catalog import Rule, RuleInfo

MAX_FOUND = 64
"""Values of one field that a part shows."""
AN_OBJECT = "{…}"


class Reason(msgspec.Struct, frozen=True):
    """Values of an event that a part of a rule holds for."""

    field: str | None
    """None where they may stand anywhere."""
    values: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a rule, judged for one event."""

    how: How
    says: str
    """As the author wrote it: `not filter`, `Image|endswith: '\\cmd.exe'`."""
    held: bool
    parts: tuple["Part", ...] = ()
    listed: bool = False
    """Whether the parts are values of one line of the rule."""
    field: str | None = None
    """Which field was looked up; None for keywords and for what is more than one value."""
    found: tuple[str, ...] = ()
    """The texts that the event has there, the first MAX_FOUND."""
    reasons: tuple[Reason, ...] = ()
    """Of a value that holds: what it holds for."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule makes of one event."""

    rule: RuleInfo
    asked: LogSource
    served: bool
    """Whether the event is of the log source that the rule asks for."""
    root: Part | None
    """None where the rule can match nothing, and `note` says why."""
    note: str = ""

    @property
    def matches(self) -> bool:
        """What the engine says."""
        return self.served and self.root is not None and self.root.held

    @property
    def failing(self) -> Sequence[Part]:
        """The way down to the part that failed first in the order of the rule, if one did."""
        return () if self.root is None or self.root.held else tuple(_failing(self.root, True))

    @property
    def missing(self) -> int:
        """The fewest values that would have to go otherwise for the condition to be true."""
        return 0 if self.root is None else _missing(self.root, True)

    @property
    def reasons(self) -> Sequence[Reason]:
        """The values that made the condition true."""
        return () if self.root is None else tuple(_reasons(self.root, True))


class Explainer:
    """One rule, taken apart once to explain any number of events."""

    def __init__(
        self,
        rule: Rule,
        *,
        pipeline: ProcessingPipeline | None = None,
        lists: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Applies the pipeline to the rule's own pySigma object.

        Raises what RuleCompiler.compile and pipelines raise, except for a missing list.
        """
        written = Written(rule)
        if pipeline is not None:
            pipeline.apply(rule.sigma)
        self.rule = rule.info
        self._asked = asked_by(rule)
        self._predicates = Predicates()
        self._root: Node | None = None
        self._note = ""
        try:
            compiler = RuleCompiler(self._predicates, lists or {})
            self._root = take_apart(rule, written, compiler)
        except MissingListError as error:
            self._note = f"{error}, so this rule matches nothing"

    @property
    def size(self) -> int:
        """How many questions it asks of an event."""
        return len(self._predicates.all)

    def explain(self, fields: Mapping[str, Any], logsources: Iterable[LogSource]) -> Explanation:
        """Judge every part for an event; in time proportional to `size` and the event's length."""
        lowered = [LogSource(*map(str.lower, each)) for each in logsources]
        judge = _Judge(_Values(fields), self._predicates.all)
        return Explanation(
            rule=self.rule,
            asked=self._asked,
            served=any(each.serves(self._asked) for each in lowered),
            root=None if self._root is None else judge.part(self._root),
            note=self._note,
        )


class _Values:
    """An event's values as predicates see them, each worked out once."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self._fields: dict[str, tuple[bool, list[str]]] = {}
        self._folded: dict[str, str] = {}

    @cached_property
    def anywhere(self) -> list[str]:
        return list(texts(self._event))

    def of(self, field: str) -> tuple[bool, list[str]]:
        """Whether there is anything, and the texts of it."""
        known = self._fields.get(field)
        if known is None:
            found = find(self._event, field)
            values = found if isinstance(found, tuple) else () if found is None else (found,)
            there = [text_of(value) for value in values if value is not OBJECT]
            known = self._fields[field] = (bool(values), there)
        return known

    def shown(self, field: str) -> tuple[str, ...]:
        present, there = self.of(field)
        return tuple(there[:MAX_FOUND]) if there or not present else (AN_OBJECT,)

    def folded(self, text: str) -> str:
        known = self._folded.get(text)
        if known is None:
            known = self._folded[text] = text.lower()
        return known


class _Judge:
    """Answers predicates for one event, one at a time and each once."""

    def __init__(self, values: _Values, predicates: Sequence[Predicate]) -> None:
        self._values = values
        self._predicates = predicates
        self._answers: dict[int, tuple[Reason, ...] | None] = {}

    def part(self, node: Node) -> Part:
        if node.how is How.VALUE:
            return self._value(node)
        parts = tuple(self.part(each) for each in node.nodes)
        if node.how is How.NOT:
            held = not parts[0].held
        else:
            held = (all if node.how is How.ALL else any)(part.held for part in parts)
        found = () if node.field is None else self._values.shown(node.field)
        return Part(
            how=node.how,
            says=node.says,
            held=held,
            parts=parts,
            listed=node.listed,
            field=node.field,
            found=found,
        )

    def _value(self, node: Node) -> Part:
        answers = {number: self._answer(number) for number in sorted(set(used(node.condition)))}
        holding = [reasons for reasons in answers.values() if reasons is not None]
        held = frozenset(number for number, reasons in answers.items() if reasons is not None)
        true = true_for(node.condition, held)
        return Part(
            how=How.VALUE,
            says=node.says,
            held=true,
            field=node.field,
            found=() if node.field is None else self._values.shown(node.field),
            reasons=tuple(each for reasons in holding for each in reasons) if true else (),
        )

    def _answer(self, number: int) -> tuple[Reason, ...] | None:
        """None where it does not hold, else what it holds for, which may be nothing."""
        if number not in self._answers:
            self._answers[number] = self._ask(self._predicates[number])
        return self._answers[number]

    def _ask(self, predicate: Predicate) -> tuple[Reason, ...] | None:
        field = predicate.field
        if field is None:
            return self._among(predicate, self._values.anywhere)
        present, there = self._values.of(field)
        if predicate.kind is Kind.ABSENT:
            return None if present else ()
        if predicate.kind is Kind.PRESENT:
            return (Reason(field, tuple(there)),) if present else None
        if predicate.kind is Kind.REFERENCE:
            return self._referred(predicate, there)
        return self._among(predicate, there)

    def _among(self, predicate: Predicate, there: Sequence[str]) -> tuple[Reason, ...] | None:
        if predicate.kind is Kind.PRESENT:
            return (Reason(None, ()),) if there else None
        test = tester(predicate)
        raw = predicate.cased or predicate.kind in _RAW
        holding = [text for text in there if test(text if raw else self._values.folded(text))]
        return (Reason(predicate.field, tuple(holding)),) if holding else None

    def _referred(self, predicate: Predicate, there: Sequence[str]) -> tuple[Reason, ...] | None:
        how, other = predicate.value
        for wanted in self._values.of(other)[1]:
            same = Predicate(predicate.field, how, self._values.folded(wanted))
            found = self._among(same, there)
            if found is not None:
                return (*found, Reason(other, (wanted,)))
        return None


_RAW = frozenset({Kind.REGEX, Kind.CIDR, Kind.NUMBER, Kind.TIME})


def _failing(part: Part, wanted: bool) -> Iterator[Part]:
    yield part
    if part.how is How.NOT:
        yield from _failing(part.parts[0], not wanted)
        return
    wrong = [each for each in part.parts if each.held is not wanted]
    if wrong and ((part.how is How.ALL) is wanted or len(part.parts) == 1):
        yield from _failing(wrong[0], wanted)


def _missing(part: Part, wanted: bool) -> int:
    if part.held is wanted:
        return 0
    if part.how is How.NOT:
        return _missing(part.parts[0], not wanted)
    costs = [_missing(each, wanted) for each in part.parts]
    if not costs:
        return 1
    return sum(costs) if (part.how is How.ALL) is wanted else min(costs)


def _reasons(part: Part, wanted: bool) -> Iterator[Reason]:
    if part.held is not wanted:
        return
    if part.how is How.NOT:
        yield from _reasons(part.parts[0], not wanted)
    elif part.how is not How.VALUE:
        for each in part.parts:
            yield from _reasons(each, wanted)
    elif wanted:
        yield from part.reasons
