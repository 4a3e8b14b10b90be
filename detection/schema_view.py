"""Events of another schema, shown by the names that Sigma rules use."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from types import NoneType
from typing import Any, NamedTuple

from collectors.logsource import LogSource
from detection.sigma.values import OBJECT, find, text_of
from rules.schemas import NATIVE, Schema, Step, schemas


class Place(NamedTuple):
    """Where an event keeps what rules call by a name."""

    name: str
    path: str
    words: tuple[tuple[str, str], ...] = ()
    """The schema's words, lower case, and the rules' for them; others stay as they are."""


class Plan(NamedTuple):
    """What to look for in events of one set of log sources."""

    roots: Mapping[str, tuple[Place, ...]]
    """By the top-level key that a path begins with, or is."""
    lifted: tuple[str, ...]
    """Paths of objects whose members rules call by their own names."""


class View:
    """One schema's events as rules see them. Shared by threads.

    The sender's own fields stay; Sigma's names come beside them. Where an event keeps several
    values for one name they are a list, so that none of them can hide another.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._plan = lru_cache(maxsize=4096)(self._planned)

    def __call__(
        self, fields: Mapping[str, Any], logsources: Iterable[LogSource]
    ) -> dict[str, Any]:
        """What the fields are to rules, then the fields themselves; `fields` is not changed."""
        plan = self._plan(tuple(logsources))
        seen: dict[str, Any] = {}
        for prefix in plan.lifted:
            for inner in _objects(fields, prefix):
                for name, value in inner.items():
                    _add(seen, name, _listed(value))
        for key, places in plan.roots.items():
            if key in fields:
                for place in places:
                    _add(seen, place.name, _values(fields, place))
        for name in [each for each in seen if each in fields]:
            own = _listed(fields[name])
            _add(seen, name, own)
            if objects := [each for each in own if isinstance(each, dict | list)]:
                seen[name] = [*objects, *_listed(seen[name])]
        return {**fields, **seen}

    def paths(self, name: str, logsources: Iterable[LogSource]) -> frozenset[str]:
        """All fields of such an event that a rule which asks for `name` looks at."""
        plan = self._plan(tuple(logsources))
        places = {each.path for found in plan.roots.values() for each in found if each.name == name}
        return frozenset({name, *places, *(f"{prefix}.{name}" for prefix in plan.lifted)})

    def _planned(self, logsources: tuple[LogSource, ...]) -> Plan:
        roots: dict[str, dict[Place, None]] = {}
        for place in (each for source in logsources or (LogSource(),) for each in self._of(source)):
            for key in (place.path, place.path.partition(".")[0]):
                roots.setdefault(key, {})[place] = None
        lifted = {
            step.prefix.removesuffix("."): None
            for step in self._schema.transformations
            if step.type == "field_name_prefix" and any(map(step.fits, logsources))
        }
        return Plan({key: tuple(places) for key, places in roots.items()}, tuple(lifted))

    def _of(self, source: LogSource) -> Iterator[Place]:
        """The first step that fits and knows a name says where it is, as in a pipeline."""
        steps = [step for step in self._schema.transformations if step.fits(source)]
        taken: set[str] = set()
        for step in steps:
            for name, paths in step.pairs() if step.type == "field_name_mapping" else ():
                if name not in taken:
                    taken.add(name)
                    words = tuple(_words(steps, name))
                    yield from (Place(name, path, words) for path in paths)


@cache
def view(schema: str) -> View | None:
    """The view of a schema; None for the native one, and for one that this version has not."""
    known = schemas().get(schema)
    return None if known is None else View(known)


def known_view(schema: str) -> View | None:
    """The same for a name that a person gave. Raises ValueError if there is none of that name."""
    if schema not in (NATIVE, *schemas()):
        raise ValueError(f"no schema called {schema!r}; known: {', '.join(schemas())}")
    return view(schema)


def _words(steps: Iterable[Step], name: str) -> Iterator[tuple[str, str]]:
    for step in steps:
        named = (name in each.fields for each in step.field_name_conditions)
        if step.type == "map_string" and any(named):
            for rules_word, words in step.pairs():
                yield from ((word.lower(), rules_word) for word in words)


def _values(fields: Mapping[str, Any], place: Place) -> list[Any]:
    found = find(fields, place.path)
    values = found if isinstance(found, tuple) else (found,)
    kept = [value for value in values if value is not None and value is not OBJECT]
    if not place.words:
        return kept
    words = dict(place.words)
    return [words.get(text_of(value).lower(), value) for value in kept]


def _objects(fields: Mapping[str, Any], path: str) -> Iterator[Mapping[str, Any]]:
    """The objects at a path, of which the first steps may be one key."""
    if isinstance(inner := fields.get(path), dict):
        yield inner
    head, dot, rest = path.partition(".")
    if dot and isinstance(inner := fields.get(head), dict):
        yield from _objects(inner, rest)


def _add(seen: dict[str, Any], name: str, values: Iterable[Any]) -> None:
    """Add what is not there yet under the name; objects and nothing add nothing."""
    new = [each for each in values if not isinstance(each, dict | list | NoneType)]
    if new:
        held = seen.get(name)
        together = {text_of(each): each for each in (*_listed(held), *new)}
        seen[name] = new[0] if len(together) == 1 else list(together.values())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
