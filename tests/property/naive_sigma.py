"""Sigma as the specification reads, evaluated value by value: slow, short, and nobody's relative.

Imports nothing of the engine; rules are plain documents, not pySigma's.
"""

import base64
import ipaddress
import re
import warnings
from collections import Counter
from datetime import UTC, datetime
from itertools import product
from typing import Any

OBJECT = object()
COMPARE = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
TIME = {
    "minute": lambda t: t.minute,
    "hour": lambda t: t.hour,
    "day": lambda t: t.day,
    "week": lambda t: t.isocalendar()[1],
    "month": lambda t: t.month,
    "year": lambda t: t.year,
}
ENCODE = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16-le"}
CLASSES = {r"\d": "[0-9]", r"\w": "[0-9A-Z_a-z]"}
"""Of ASCII, whatever a letter's twins in the other case are beyond it."""
NO_TWINS = dict.fromkeys(map(ord, "\u0130\u0131"), "\u00d7")
"""Letters that Python's `re` takes for an `i`; in Unicode's simple case folding they are none."""
Lists = dict[str, list[str]]
ASKED: Counter[str] = Counter()
"""`pairs` of a rule and an event, and what else is counted beside them."""


def matches(document: dict[str, Any], event: dict[str, Any], lists: Lists | None = None) -> bool:
    """Whether a rule's document matches an event (whose log source is taken for given).

    `lists` are the values of placeholders; a rule that asks for a list that is not there is none.
    """
    ASKED["pairs"] += 1
    try:
        detection = expanded(document["detection"], lists or {})
    except NoList:
        return False
    conditions = detection["condition"]
    several = conditions if isinstance(conditions, list) else [conditions]
    truth = {
        name: selection(definition, event)
        for name, definition in detection.items()
        if name != "condition"
    }
    return any(condition(text, truth) for text in several)


class NoList(Exception):
    """A placeholder has no list."""


def expanded(detection: Any, lists: Lists) -> Any:
    """The detection with each value of a list in the place of its `%name%`."""
    if isinstance(detection, list):
        return [expanded(each, lists) for each in detection]
    if not isinstance(detection, dict):
        return detection
    return {
        key: filled(value, lists) if "expand" in key.split("|") else expanded(value, lists)
        for key, value in detection.items()
    }


def filled(value: Any, lists: Lists) -> list[str]:
    values = value if isinstance(value, list) else [value]
    while names := [name for each in values for name in re.findall("%([a-z]+)%", each)]:
        if any(name not in lists for name in names):
            raise NoList(names)
        first = names[0]
        values = [
            each.replace(f"%{first}%", instead, 1)
            for each in values
            for instead in (lists[first] if f"%{first}%" in each else [""])
        ]
    return values


def condition(written: str, truth: dict[str, bool]) -> bool:
    tokens = re.findall(r"\(|\)|\b(?:1|any|all) of [\w*]+|[\w-]+", written)
    value = disjunction(tokens, truth)
    assert not tokens, tokens
    return value


def disjunction(tokens: list[str], truth: dict[str, bool]) -> bool:
    value = conjunction(tokens, truth)
    while tokens[:1] == ["or"]:
        tokens.pop(0)
        value = conjunction(tokens, truth) or value
    return value


def conjunction(tokens: list[str], truth: dict[str, bool]) -> bool:
    value = operand(tokens, truth)
    while tokens[:1] == ["and"]:
        tokens.pop(0)
        value = operand(tokens, truth) and value
    return value


def operand(tokens: list[str], truth: dict[str, bool]) -> bool:
    word = tokens.pop(0)
    if word == "not":
        return not operand(tokens, truth)
    if word == "(":
        value = disjunction(tokens, truth)
        assert tokens.pop(0) == ")"
        return value
    if " of " not in word:
        return truth[word]
    quantifier, _, pattern = word.split()
    fits = ".*" if pattern == "them" else pattern.replace("*", ".*")
    named = [
        truth[name]
        for name in truth
        if re.fullmatch(fits, name) and (pattern[0] == "_" or name[0] != "_")
    ]
    return all(named) if quantifier == "all" else any(named)


def selection(definition: Any, event: dict[str, Any]) -> bool:
    if isinstance(definition, dict):
        return all(item(key, value, event) for key, value in definition.items())
    if isinstance(definition, list) and any(isinstance(each, dict) for each in definition):
        return any(selection(each, event) for each in definition)
    return item("", definition, event)


def item(key: str, values: Any, event: dict[str, Any]) -> bool:
    field, *modifiers = key.split("|")
    values = values if isinstance(values, list) else [values]
    if not field:
        holders = [[text] for text in leaves(event)]
        modifiers = modifiers if "re" in modifiers else [*modifiers, "anywhere"]
        verdicts = [
            any(one(value, modifiers, holder, event) for holder in holders) for value in values
        ]
    else:
        found = lookup(event, field)
        verdicts = [one(value, modifiers, found, event) for value in values] or [not found]
    verdict = all(verdicts) if "all" in modifiers else any(verdicts)
    return not verdict if "neq" in modifiers else verdict


def one(value: Any, modifiers: list[str], found: list[Any], event: dict[str, Any]) -> bool:
    if "exists" in modifiers:
        return bool(found) is value
    if value is None:
        return not found
    if "fieldref" in modifiers:
        others = [fold(text(each)) for each in lookup(event, value) if each is not OBJECT]
        own = [fold(text(each)) for each in found if each is not OBJECT]
        return any(compare(modifiers, a, b) for a, b in product(own, others))
    if says_nothing(value, modifiers):
        return bool(found)
    return any(holds(value, modifiers, text(each)) for each in found if each is not OBJECT)


def says_nothing(value: Any, modifiers: list[str]) -> bool:
    """Whether any value at all would do: `*`, or a text that contains the empty one."""
    if {"re", "cidr"} & set(modifiers):
        return False
    anywhere = {"contains", "startswith", "endswith", "anywhere"} & set(modifiers)
    for variant in variants(value, modifiers):
        parts = [part for part in variant if part != ""]
        if all(part is MANY for part in parts) and (parts or anywhere):
            return True
    return False


def compare(modifiers: list[str], a: str, b: str) -> bool:
    if "contains" in modifiers:
        return b in a
    if "startswith" in modifiers:
        return a.startswith(b)
    return a.endswith(b) if "endswith" in modifiers else a == b


def holds(value: Any, modifiers: list[str], content: str) -> bool:
    for name, operator in COMPARE.items():
        if name in modifiers:
            number = numeric(content)
            return number is not None and operator(number, value)
    for name, part in TIME.items():
        if name in modifiers:
            moment = time(content)
            return moment is not None and part(moment) == value
    if "cidr" in modifiers:
        address = ip(content)
        return address is not None and address in ipaddress.ip_network(value)
    if "re" in modifiers:
        flags = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
        chosen = sum(flags[each] for each in modifiers if each in flags)
        pattern = value if "m" in modifiers else value.replace("$", r"\Z")
        for name, members in CLASSES.items():
            pattern = pattern.replace(name, members)
        if "i" in modifiers:
            content = content.translate(NO_TWINS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that sets may be nested one day
            return re.search(pattern, content, chosen) is not None
    return any(string(each, modifiers, content) for each in variants(value, modifiers))


def variants(value: Any, modifiers: list[str]) -> list[list[str]]:
    """What a value may also be, each as a list of literal texts, `*` and `?` (as 1-tuples)."""
    parts = wild(value)
    alphabet = "utf-8"
    for name in {*ENCODE} & {*modifiers}:
        parts = [part if part in WILDCARDS else as_bytes(part, ENCODE[name]) for part in parts]
        parts = ["\xff\xfe", *parts] if name == "utf16" else parts
        alphabet = "latin-1"
    data = "".join(parts).encode(alphabet, "surrogatepass") if "base64" in str(modifiers) else b""
    if "base64" in modifiers:
        return [[base64.b64encode(data).decode()]]
    if "base64offset" in modifiers:
        return [[offset(data, shift)] for shift in range(3)]
    if "windash" in modifiers:
        return [list(each) for each in product(*(dashes(part) for part in parts))]
    return [parts]


def as_bytes(part: str, encoding: str) -> str:
    """Every byte of the encoding as one character."""
    return part.encode(encoding, "surrogatepass").decode("latin-1")


def offset(data: bytes, shift: int) -> str:
    """The characters of the encoding that do not depend on what stands around the data."""
    bits = "".join(f"{byte:08b}" for byte in data)
    skip = {0: 0, 1: 4, 2: 2}[shift]
    whole = [bits[at : at + 6] for at in range(skip, len(bits) - 5, 6)]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return "".join(alphabet[int(each, 2)] for each in whole)


def dashes(part: str) -> list[str]:
    if part in WILDCARDS:
        return [part]
    pieces = re.split(r"\B[-/]\b", part)
    return [
        "".join(x + y for x, y in zip(pieces, (*chosen, ""), strict=True))
        for chosen in product("-/\u2013\u2014\u2015", repeat=len(pieces) - 1)
    ]


class Wildcard(str):
    __slots__ = ()


MANY, ANY = Wildcard("\ue000*"), Wildcard("\ue000?")
WILDCARDS = (MANY, ANY)


def wild(value: Any) -> list[str]:
    if not isinstance(value, str):
        return [text(value)]
    parts: list[str] = []
    literal = ""
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\" and value[at + 1 : at + 2] in {"*", "?", "\\"}:
            literal += value[at + 1]
            at += 2
            continue
        if char in "*?":
            parts += [literal, MANY if char == "*" else ANY]
            literal = ""
        else:
            literal += char
        at += 1
    return [part for part in [*parts, literal] if part]


def string(parts: list[str], modifiers: list[str], content: str) -> bool:
    """Whether the parts cover the content: after each of them, every place where it may end."""
    if {"contains", "endswith", "anywhere"} & set(modifiers):
        parts = [MANY, *parts]
    if {"contains", "startswith", "anywhere"} & set(modifiers):
        parts = [*parts, MANY]
    if "cased" not in modifiers:
        content = fold(content)
        parts = [part if part in WILDCARDS else fold(part) for part in parts]
    reached = {0}
    for part in parts:
        if part is MANY:
            reached = set(range(min(reached, default=len(content) + 1), len(content) + 1))
        elif part is ANY:
            reached = {at + 1 for at in reached if at < len(content)}
        else:
            reached = {at + len(part) for at in reached if content.startswith(part, at)}
    return len(content) in reached


def fold(content: str) -> str:
    return content.lower()


def lookup(node: Any, name: str) -> list[Any]:
    """Every value that a name may mean, without nulls; objects count as there."""
    if isinstance(node, list):
        return [each for child in node for each in lookup(child, name)]
    if not isinstance(node, dict):
        return []
    found = flat(node[name]) if name in node else []
    parts = name.split(".")
    for cut in range(1, len(parts)):
        child = node.get(".".join(parts[:cut]))
        found += lookup(child, ".".join(parts[cut:]))
    return found


def flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [each for child in value for each in flat(child)]
    return [] if value is None else [OBJECT] if isinstance(value, dict) else [value]


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [
            each
            for key, child in value.items()
            if not (key == "logsource" and isinstance(child, dict))
            for each in leaves(child)
        ]
    if isinstance(value, list):
        return [each for child in value for each in leaves(child)]
    return [] if value is None else [value]


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def numeric(content: str) -> float | int | None:
    if re.fullmatch(r"[+-]?[0-9]+", content):
        return int(content)
    decimal = re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", content)
    return float(content) if decimal else None


def time(content: str) -> datetime | None:
    number = numeric(content)
    try:
        if number is not None:
            unit = 1e6 if abs(number) >= 1e14 else 1e3 if abs(number) >= 1e11 else 1
            return datetime.fromtimestamp(number / unit, UTC)
        moment = datetime.fromisoformat(content)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def ip(content: str) -> Any:
    try:
        address = ipaddress.ip_address(content)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
