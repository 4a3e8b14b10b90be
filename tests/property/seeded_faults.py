"""Thirty small mistakes in the engine, each of which the oracle must find: a test of the tests.

`python -m tests.property.seeded_faults NUMBER` puts one of them into the source of a module as that
is imported, runs the property tests that are told, and ends with 0 once one of them fails.
"""

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings

ROOT = Path(__file__).parents[2]
RULES = "test_engine_agrees_with_oracle.test_one_rule_matches_what_the_specification_says"
TEXTS = "test_engine_agrees_with_oracle.test_texts_made_from_patterns_match_as_they_should"
MADE = "test_events_made_for_rules.test_a_rule_matches_what_is_made_for_it"
FLAGGED = "test_events_made_for_rules.test_flags_of_regular_expressions_count"
WILD = "test_events_made_for_rules.test_wildcards_cover_the_whole_text"
FORMS = "test_conditions_agree_with_oracle.test_a_condition_of_any_form"
SCALARS = "test_events_made_for_rules.test_every_scalar_has_one_text"
NETWORKS = "test_every_modifier_agrees_with_oracle.test_networks"
NUMBERS = "test_every_modifier_agrees_with_oracle.test_numbers"
TIMES = "test_every_modifier_agrees_with_oracle.test_parts_of_times"
LISTS = "test_every_modifier_agrees_with_oracle.test_lists_in_the_place_of_their_names"
ENCODED = "test_every_modifier_agrees_with_oracle.test_encoded_texts"
BASE64 = "test_every_modifier_agrees_with_oracle.test_texts_in_base64"


@dataclass(frozen=True)
class Fault:
    """One text of a module, which stands there once, and the mistake in its place."""

    module: str
    right: str
    wrong: str
    found_by: str

    @property
    def path(self) -> Path:
        """The module's file."""
        return ROOT / (self.module.replace(".", "/") + ".py")

    def seeded(self) -> str:
        """The module's source with the mistake in it. Raises ValueError if it can't be made."""
        source = self.path.read_text("utf-8")
        if source.count(self.right) != 1:
            found = source.count(self.right)
            message = f"{self.path}: expected this once, found it {found} times: {self.right!r}"
            raise ValueError(message)
        return source.replace(self.right, self.wrong)


COMPILE = "detection.sigma.compile"
CONDITION = "detection.sigma.condition"
PREDICATES = "detection.sigma.predicates"
VALUES = "detection.sigma.values"
SCAN = "detection.sigma.scan"
LOOKUP = "detection.sigma.lookup"
HELD = "detection.sigma.held"

FAULTS = (
    # What a rule is compiled to
    Fault(COMPILE, "part.lower() for part", "part.casefold() for part", TEXTS),
    Fault(COMPILE, "return Predicate(field, Kind.PRESENT)\n    first", "pass\n    first", RULES),
    Fault(COMPILE, "merged[-1] += part", "merged[-1] = part", LISTS),
    Fault(COMPILE, "(False, True): Kind.STARTS", "(False, True): Kind.CONTAINS", TEXTS),
    Fault(
        COMPILE, "return join(All, [self._tree(part)", "return join(Any, [self._tree(part)", MADE
    ),
    Fault(
        COMPILE,
        "if isinstance(value, SigmaExists) and not value.exists",
        "if isinstance(value, SigmaExists)",
        RULES,
    ),
    Fault(COMPILE, "cased=isinstance(value, SigmaCasedString)", "cased=False", TEXTS),
    Fault(
        COMPILE,
        "return join(Any, [self._tree(tree) for tree in parsed])",
        "return self._tree(parsed[0])",
        MADE,
    ),
    # What is true of it
    Fault(CONDITION, "if not condition.predicates <= held:", "if not held:", RULES),
    Fault(
        CONDITION,
        "condition.predicates.union(*(each for each in found if each is not None))",
        "condition.predicates",
        MADE,
    ),
    Fault(
        CONDITION, "if any(each is None for each in found):\n            return None", "pass", FORMS
    ),
    Fault(
        CONDITION,
        "return not true_for(condition.part, held)",
        "return bool(held) and not true_for(condition.part, held)",
        RULES,
    ),
    # What one value is asked
    Fault(
        PREDICATES,
        "if len(runs) == 1:\n        return _run_at(runs[0], text, 0) == len(text)",
        "if len(runs) == 1:\n        return _run_at(runs[0], text, 0) >= 0",
        TEXTS,
    ),
    Fault(PREDICATES, "last >= start and", "last >= 0 and", WILD),
    Fault(PREDICATES, '"lte": le', '"lte": lt', NUMBERS),
    Fault(PREDICATES, "moment.isocalendar().week", 'moment.strftime("%W")', TIMES),
    Fault(PREDICATES, "return found + len(first) if found", "return found if found", WILD),
    Fault("rules.refusals", 'f"(?{flags}){pattern}" if flags else pattern', "pattern", FLAGGED),
    # What a value is
    Fault(VALUES, 'return "true" if value else "false"', 'return "1" if value else "0"', SCALARS),
    Fault(VALUES, "value = int(value)\n", "pass\n", NUMBERS),
    Fault(VALUES, 'getattr(address, "ipv4_mapped", None) or address', "address", NETWORKS),
    Fault(
        VALUES,
        "moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)",
        "moment.replace(tzinfo=UTC)",
        TIMES,
    ),
    Fault(
        VALUES,
        "_collect(child, name[dot + 1 :], found)",
        "_collect(child, name[dot:], found)",
        MADE,
    ),
    Fault(VALUES, 'dot = name.find(".", dot + 1)', "dot = -1", MADE),
    # How many are looked for at once
    Fault(HELD, "if how(low, affix):", "if affix:", TEXTS),
    Fault(SCAN, r'rb"(?:[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*)"', 'rb"."', WILD),
    Fault(SCAN, r'(b"$", rb"\s"', r'(rb"\s"', FLAGGED),
    Fault(
        LOOKUP,
        "for number, network, mask in networks if",
        "for number, network, mask in networks[:1] if",
        NETWORKS,
    ),
    # What bytes a text is
    Fault("rules.encodings", r'mark = b"\xff\xfe"', r'mark = b"\xef\xbb\xbf"', ENCODED),
    Fault("rules.encodings", "(len(data) + shift) % 3", "(len(val) + shift) % 3", BASE64),
)


class _Seeding(MetaPathFinder):
    """Imports one module with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._fault.module:
            return None
        return importlib.util.spec_from_loader(fullname, _Seeded(self._fault))


class _Seeded(importlib.machinery.SourceFileLoader):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.module, str(fault.path))
        self._fault = fault

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002
        return compile(self._fault.seeded(), self.path, "exec")


def finds(fault: Fault) -> bool:
    """Whether the test that is named fails with the fault in the engine. For a fresh process."""
    settings.register_profile(
        "seeking", derandomize=True, database=None, deadline=None, phases=[Phase.generate]
    )
    settings.load_profile("seeking")
    sys.meta_path.insert(0, _Seeding(fault))
    module, _, name = fault.found_by.partition(".")
    tests = importlib.import_module(f"tests.property.{module}")
    compiling = importlib.import_module("detection.sigma.ruleset")
    compiling.cache_folder = lambda: None  # what was compiled rightly is no use here
    try:
        getattr(tests, name)()
    except AssertionError:
        return True
    return False


if __name__ == "__main__":
    sys.exit(0 if finds(FAULTS[int(sys.argv[1])]) else 1)
