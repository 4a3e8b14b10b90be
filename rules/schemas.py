"""Schemas that events may come in: where each keeps what rules ask for, as data in mappings/."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
import yaml

from collectors.logsource import LogSource

NATIVE = ""
"""Events whose fields have the names that Sigma's own taxonomy gives them."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log sources that a step is for."""

    type: Literal["logsource"]
    product: str = ""
    category: str = ""
    service: str = ""

    @property
    def logsource(self) -> LogSource:
        """The same as a rule asks for it."""
        return LogSource(self.product, self.category, self.service)


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that a step is for."""

    type: Literal["include_fields"]
    fields: tuple[str, ...]
    mode: Literal["plain", "re"] = "plain"


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One transformation; the kinds are those of which an event's side can be told, too."""

    id: str
    type: Literal["field_name_mapping", "field_name_prefix", "map_string"]
    mapping: Mapping[str, str | tuple[str, ...]] = {}
    prefix: str = ""
    rule_conditions: tuple[Asked, ...] = ()
    field_name_conditions: tuple[Named, ...] = ()

    def fits(self, logsource: LogSource) -> bool:
        """Whether it is for events of this log source."""
        return all(logsource.serves(asked.logsource) for asked in self.rule_conditions)

    def pairs(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Each key of the mapping with all that it stands for."""
        for key, found in self.mapping.items():
            yield key, (found,) if isinstance(found, str) else found


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pySigma processing pipeline that only says where fields are."""

    name: str
    priority: int
    transformations: tuple[Step, ...]


@cache
def schemas() -> Mapping[str, Schema]:
    """Every schema by the name that sources declare, sorted."""
    return {name: msgspec.convert(yaml.safe_load(text), Schema) for name, text in sorted(_texts())}


def _texts() -> Iterator[tuple[str, str]]:
    for file in files("rules").joinpath("mappings").iterdir():
        if file.name.endswith(".yml"):
            yield file.name.removesuffix(".yml"), file.read_text("utf-8")
