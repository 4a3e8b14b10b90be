"""What a rule can ask that the engine can't answer, found as it is read and where it stands."""

import re
from collections.abc import Iterator
from typing import Any

import re2  # type: ignore[import-untyped]  # it has no stubs
from sigma.exceptions import SigmaError
from sigma.modifiers import reverse_modifier_mapping
from sigma.rule import SigmaDetection, SigmaDetectionItem
from sigma.rule.detection import SigmaDetections
from sigma.types import (
    SigmaBool,
    SigmaExpansion,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
)

_SILENTLY = re2.Options()
_SILENTLY.log_errors = False
_OBJECT = re.compile(r"<sigma\.types\.Sigma(\w+) object at \w+>")
_KEYWORDS = SigmaString | SigmaNumber | SigmaBool | SigmaRegularExpression


def expression(flags: str, pattern: str) -> Any:
    """A regular expression of re2. Raises ValueError for what is none."""
    try:
        return re2.compile(f"(?{flags}){pattern}" if flags else pattern, _SILENTLY)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace")
        raise ValueError(f"regular expression '{pattern}' is not one of RE2's: {why}") from error


def said_by(error: SigmaError) -> str:
    """What is wrong, in pySigma's words, less its objects' addresses."""
    return _OBJECT.sub(lambda found: found[1].lower(), str(error.args[0] if error.args else error))


def refusals(detections: SigmaDetections) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every value that can't be evaluated: keys whose line it may stand in, and why."""
    for name, detection in detections.detections.items():
        for item in _items(detection):
            for value in item.value:
                message = _refusal(item.field, value)
                if message is not None:
                    yield (_key(item), name), message


def _items(detection: SigmaDetection) -> Iterator[SigmaDetectionItem]:
    for each in detection.detection_items:
        if isinstance(each, SigmaDetection):
            yield from _items(each)
        else:
            yield each


def _refusal(field: str | None, value: SigmaType) -> str | None:
    if isinstance(value, SigmaExpansion):
        return next(filter(None, (_refusal(field, each) for each in value.values)), None)
    if isinstance(value, SigmaRegularExpression):
        return _no_expression(value)
    is_keyword = isinstance(value, _KEYWORDS) and not isinstance(value, SigmaTimestampPart)
    if field is None and not is_keyword:
        kind = type(value).__name__.removeprefix("Sigma").removesuffix("Expression").lower()
        return f"a keyword is text, a number or a regular expression, not {kind}; name a field"
    return None


def _no_expression(value: SigmaRegularExpression) -> str | None:
    written: object = value.regexp
    if not isinstance(written, SigmaString):
        return f"expected text for a regular expression, got {written!r}"
    if value.contains_placeholder():  # it is one when its lists are there
        return None
    flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
    try:
        expression(flags, str(value.regexp))
    except ValueError as error:
        return str(error)
    return None


def _key(item: SigmaDetectionItem) -> str:
    """As it stands in the file, but for a modifier's other name."""
    modifiers = (reverse_modifier_mapping[each.__name__] for each in item.modifiers)
    return "|".join((item.field or "", *modifiers))
