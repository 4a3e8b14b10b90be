"""Compiled rules kept on disk by the digest of the files that they stand in."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import msgspec

from collectors.logsource import LogSource
from detection.sigma.condition import Condition
from detection.sigma.predicates import Kind, Predicate, Wild, regex
from detection.sigma.stored import prune, recalled, store
from rules.info import RuleInfo

KEPT_RULES = 20_000
"""More are forgotten, those first that were not in the last rule set."""


class Compiled(msgspec.Struct, frozen=True, array_like=True):
    """What became of one rule: a condition over predicates of its own, numbered by position."""

    info: RuleInfo
    asked: LogSource
    """A pipeline may have changed what the rule itself asks for."""
    predicates: tuple[Predicate, ...]
    condition: Condition
    notice: str = ""
    """Why it will not work as its author may think."""


class Remembered:
    """What is known of rules from before, for one recipe (engine, pipelines, lists).

    Best effort: a file that is damaged, foreign or of another recipe is as good as none.
    """

    def __init__(self, folder: Path | None, recipe: str) -> None:
        self._path = folder / f"rules-{recipe}.msgpack" if folder is not None else None
        self._stored: Mapping[str, msgspec.Raw] = _read(self._path) if self._path else {}
        self._found: dict[str, Compiled | None] = {}
        self._new: dict[str, msgspec.Raw] = {}

    def info(self, mark: str) -> RuleInfo | None:
        """What is known of the one rule in the file of this digest."""
        found = self.get(mark)
        return None if found is None else found.info

    def get(self, mark: str) -> Compiled | None:
        """What became of it."""
        if mark not in self._found:
            stored = self._stored.get(mark)
            self._found[mark] = None if stored is None else _compiled(stored)
        return self._found[mark]

    def put(self, mark: str, compiled: Compiled) -> None:
        """Keep what became of a rule; not if it holds what cannot be written."""
        try:
            predicates = tuple(map(_written, compiled.predicates))
            self._new[mark] = msgspec.Raw(
                _encode(msgspec.structs.replace(compiled, predicates=predicates))
            )
        except (UnicodeEncodeError, OverflowError):
            return

    def store(self) -> None:
        """Write down what is new."""
        if self._path is None or not self._new:
            return
        every = dict(self._new)
        used = (mark for mark, found in self._found.items() if found)
        for mark in (*used, *self._stored):
            every.setdefault(mark, self._stored[mark])
        kept = {mark: every[mark] for mark in list(every)[:KEPT_RULES]}
        store(self._path, _encode(kept))
        prune(self._path.parent)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Compiled).decode
_decode_all = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


def _compiled(stored: msgspec.Raw) -> Compiled | None:
    try:
        found = _decode(stored)
        predicates = tuple(map(_revived, found.predicates))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return msgspec.structs.replace(found, predicates=predicates)


def _read(path: Path) -> Mapping[str, msgspec.Raw]:
    data = recalled(path)
    try:
        return {} if data is None else _decode_all(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _written(predicate: Predicate) -> Predicate:
    """With a value of lists and texts alone."""
    kind, value = predicate.kind, predicate.value
    if kind is Kind.WILD:
        value = [part if isinstance(part, Wild) else [part] for part in value]
    elif kind is Kind.CIDR:
        value = str(value)
    return predicate._replace(value=value)


def _revived(predicate: Predicate) -> Predicate:
    kind, value = predicate.kind, predicate.value
    return predicate if value.__class__ is str and kind in _TEXTS else _of_kind(predicate, value)


_TEXTS = frozenset({Kind.EXACT, Kind.CONTAINS, Kind.STARTS, Kind.ENDS})
_PAIRS: dict[Kind, Any] = {
    Kind.REGEX: tuple[str, str],
    Kind.NUMBER: tuple[Literal["lt", "lte", "gt", "gte"], int | float],
    Kind.TIME: tuple[Literal["minute", "hour", "day", "week", "month", "year"], int],
    Kind.REFERENCE: tuple[Kind, str],
    Kind.WILD: tuple[Wild | tuple[str], ...],
    Kind.CIDR: str,
    Kind.PRESENT: None,
    Kind.ABSENT: None,
    **dict.fromkeys(_TEXTS, str),
}


def _of_kind(predicate: Predicate, value: Any) -> Predicate:
    """Raises msgspec.ValidationError or ValueError for a value that such a kind cannot have."""
    value = msgspec.convert(value, _PAIRS[predicate.kind])
    if predicate.kind is Kind.WILD:
        value = tuple(part if isinstance(part, Wild) else part[0] for part in value)
    elif predicate.kind is Kind.CIDR:
        value = ip_network(value)
    elif predicate.kind is Kind.REGEX:
        regex(*value)
    return predicate._replace(value=value)
