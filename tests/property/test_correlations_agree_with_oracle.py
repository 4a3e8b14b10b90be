"""Correlations in whatever order of arrival: engine against a quadratic oracle."""

import itertools
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from detection.sigma.correlate import HOUR, Correlator, Found
from detection.sigma.measure import SECOND
from rules.correlations import Correlation, read_correlation, resolve
from rules.documents import Document

RULES = {name: f"00000000-0000-4000-8000-00000000000{number}" for number, name in enumerate("abc")}
OWN = "00000000-0000-4000-8000-000000000009"
OUTER = "00000000-0000-4000-8000-00000000000f"
START = 490_008 * HOUR - 30 * SECOND
"""So near to midnight that bursts lie across it."""
DAY = 24 * HOUR
SPAN = 20


class Match(NamedTuple):
    rule: str
    event: str
    time: int
    user: str
    size: str


def correlation(content: dict[str, Any], *, identity: str = OWN) -> Correlation:
    document = Document("c.yml", 1, {"title": "C", "id": identity, "correlation": content}, {})
    faults: list[Any] = []
    found = read_correlation(document, faults)
    assert found is not None, faults
    return found


def settled(*found: Correlation) -> list[Correlation]:
    faults: list[Any] = []
    names = {name: [identity] for name, identity in RULES.items()}
    names |= {OWN: [OWN], "own": [OWN], OUTER: [OUTER]}
    stand = resolve(found, names, faults)
    assert not faults
    return stand


@st.composite
def matches(draw: st.DrawFn) -> list[Match]:
    """Matches of three rules by two users; an event has one time and size whatever matches it."""
    count = draw(st.integers(1, 14))
    found: list[Match] = []
    for number in range(count):
        time = START + draw(st.integers(0, 60)) * SECOND
        user, size = draw(st.sampled_from("uv")), str(draw(st.integers(0, 4)))
        rules = draw(st.sets(st.sampled_from("abc"), min_size=1, max_size=2))
        found += [Match(rule, f"e{number:02}", time, user, size) for rule in sorted(rules)]
    return found


def threshold(*ops: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda op, n: {op: n}, st.sampled_from(ops), st.integers(1, 4))


RISING, ANY = ("gt", "gte"), ("gt", "gte", "lt", "lte", "eq", "neq")
BASE: dict[str, Any] = {"timespan": f"{SPAN}s", "rules": ["a", "b", "c"]}
BY_USER = {**BASE, "group-by": ["user"]}
VALUED = {"value_count", "value_sum", "value_avg", "value_median", "value_percentile"}


def definitions(kinds: Iterable[str], *ops: str) -> st.SearchStrategy[dict[str, Any]]:
    def build(base: dict[str, Any], kind: str, condition: dict[str, Any]) -> dict[str, Any]:
        if kind in VALUED:
            condition = {**condition, "field": "size"}
        if kind == "value_percentile":
            condition = {**condition, "percentile": 75}
        if kind.startswith("temporal"):
            [(op, number)] = condition.items()
            condition = {op: min(number, 2 if op == "gt" else 3)}
        return {**base, "type": kind, "condition": condition}

    return st.builds(
        build, st.sampled_from([BASE, BY_USER]), st.sampled_from(sorted(kinds)), threshold(*ops)
    )


COUNTED = definitions(
    ("event_count", "value_count", "temporal", "temporal_ordered", "value_sum"), *RISING
)
EXTENDED = st.builds(
    lambda base, kind, text: {**base, "type": kind, "condition": text},
    st.sampled_from([BASE, BY_USER]),
    st.sampled_from(["temporal", "temporal_ordered"]),
    st.sampled_from(["a and b and c", "a and (b or c)", "a or (b and c)", "c and b and a"]),
)
ENDED = definitions(
    ("event_count", "value_count", "temporal", "value_avg", "value_median", "value_percentile"),
    "lt", "lte", "eq", "neq",
) | definitions(("value_avg", "value_median", "value_percentile"), *RISING)  # fmt: skip
DENYING = st.sampled_from(["a and not (b or c)", "not c and (a or b)", "not (a and b and c)"]).map(
    lambda text: {**BY_USER, "type": "temporal", "condition": text}
)


def compare(op: str, left: float, right: float) -> bool:
    return {
        "gt": left > right,
        "gte": left >= right,
        "lt": left < right,
        "lte": left <= right,
        "eq": left == right,
        "neq": left != right,
    }[op]


def longest_in_order(window: list[Match], at: int | None) -> int:
    """By trying every choice of rules and of one match for each."""
    best = 0
    for size in range(1, 4):
        for rules in itertools.combinations("abc", size):
            for choice in itertools.product(*([m for m in window if m.rule == r] for r in rules)):
                times = [match.time for match in choice]
                if times == sorted(times) and (at is None or times[-1] == at):
                    best = max(best, size)
    return best


def says(text: str, kind: str, rules: list[str], window: list[Match]) -> bool:
    """An `and`/`or`/`not` condition, by trying every choice of rules that are there."""
    present = {match.rule for match in window}
    if kind == "temporal":
        return bool(eval(text, {}, {rule: rule in present for rule in "abc"}))
    order = [word for word in text.replace("(", " ").replace(")", " ").split() if len(word) == 1]
    order = [rule for rule in rules if rule in order]
    for size in range(len(order) + 1):
        for chosen in itertools.combinations(order, size):
            chains = itertools.product(*([m for m in window if m.rule == r] for r in chosen))
            truth = {rule: rule in chosen for rule in "abc"}
            if eval(text, {}, truth) and any(
                [m.time for m in chain] == sorted(m.time for m in chain) for chain in chains
            ):
                return True
    return False


def true_of(content: dict[str, Any], window: list[Match], end: int | None) -> bool:
    kind, condition = content["type"], content["condition"]
    if isinstance(condition, str):
        return says(condition, kind, content["rules"], window)
    [(op, number)] = ((k, v) for k, v in condition.items() if k not in {"field", "percentile"})
    sizes = sorted(int(size) for size in {m.event: m.size for m in window}.values())
    measured: Callable[[], float] = {
        "event_count": lambda: len({m.event for m in window}),
        "value_count": lambda: len({m.size for m in window}),
        "temporal": lambda: len({m.rule for m in window}),
        "temporal_ordered": lambda: longest_in_order(window, end),
        "value_sum": lambda: sum(sizes) if any(sizes) or end is None else -1,
        "value_avg": lambda: statistics.fmean(sizes),
        "value_median": lambda: statistics.median(sizes),
        "value_percentile": lambda: (
            statistics.quantiles(sizes, n=4, method="inclusive")[2] if sizes[1:] else sizes[0]
        ),
    }[kind]
    return compare(op, measured(), number)


def groups(content: dict[str, Any], found: list[Match]) -> dict[tuple[str, ...], list[Match]]:
    by_group: dict[tuple[str, ...], list[Match]] = {}
    for match in sorted(found, key=lambda m: (m.time, m.event)):
        key = (match.user,) if "group-by" in content else ()
        by_group.setdefault(key, []).append(match)
    return by_group


def rising(content: dict[str, Any], found: list[Match]) -> dict[tuple[Any, ...], set[str]]:
    """Events by group and hour of every window whose last match makes it true."""
    expected: dict[tuple[Any, ...], set[str]] = {}
    for key, mine in groups(content, found).items():
        for end in {match.time for match in mine}:
            window = [m for m in mine if end - SPAN * SECOND <= m.time <= end]
            if true_of(content, window, end):
                events = {match.event for match in window}
                expected.setdefault((key, end // HOUR * HOUR), set()).update(events)
    return expected


def ended(content: dict[str, Any], found: list[Match]) -> dict[tuple[Any, ...], set[str]]:
    """Events by group and hour of every window, the first match of a day opening one too."""
    expected: dict[tuple[Any, ...], set[str]] = {}
    for key, mine in groups(content, found).items():
        closes = day = -1
        for opens in sorted({match.time for match in mine}):
            if opens <= closes and opens // DAY == day:
                continue
            day, closes = opens // DAY, opens + SPAN * SECOND
            window = [m for m in mine if opens <= m.time <= closes]
            if true_of(content, window, None):
                events = {match.event for match in window}
                expected.setdefault((key, closes // HOUR * HOUR), set()).update(events)
    return expected


def silent(content: dict[str, Any], found: list[Match]) -> dict[tuple[Any, ...], set[str]]:
    """The last events before every stretch of time in which none of the group came."""
    expected: dict[tuple[Any, ...], set[str]] = {}
    for key, mine in groups(content, found).items():
        for last in mine:
            closes = last.time + SPAN * SECOND
            if not any(last.time < m.time <= closes for m in mine):
                expected.setdefault((key, closes // HOUR * HOUR), set()).add(last.event)
    return expected


def feed(correlator: Correlator, match: Match) -> None:
    fields = {"user": match.user, "size": match.size}
    correlator.add(RULES[match.rule], match.event, match.time, fields)


def found_by(
    correlator: Correlator, arrivals: list[Match], looks: int, watermarks: Sequence[int] = ()
) -> dict[Any, set[str]]:
    """The last word on each finding, where every so many matches it is asked what is new.

    Before each of the first matches so much time is said to have passed.
    """
    words: dict[Any, set[str]] = {}

    def note(found: Iterable[Found]) -> None:
        for each in found:
            where = (each.bucket.correlation, each.bucket.group, each.bucket.start)
            assert [hit.time for hit in each.hits] == sorted(hit.time for hit in each.hits)
            events = {hit.event for hit in each.hits}
            if each.withdrawn:
                assert words.pop(where) == events
            else:
                words[where] = events

    for number, match in enumerate(arrivals):
        if number < len(watermarks):
            correlator.advance(START + watermarks[number] * SECOND)
        feed(correlator, match)
        if number % looks == 0:
            note(correlator.take())
    note(correlator.close())
    return words


def own(words: dict[Any, set[str]]) -> dict[Any, set[str]]:
    return {where[1:]: events for where, events in words.items()}


@given(COUNTED | EXTENDED, matches(), st.data(), st.integers(1, 5))
def test_what_can_only_come_true_is_found_whatever_the_order_and_repeats(
    content: dict[str, Any], found: list[Match], data: st.DataObject, looks: int
) -> None:
    arrivals = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))

    words = own(found_by(Correlator(settled(correlation(content))), arrivals, looks))

    assert words == rising(content, found)


SILENCES = ({"eq": 0}, {"lt": 1}, {"lte": 0})
SILENT = st.sampled_from(SILENCES).map(
    lambda condition: {**BY_USER, "type": "event_count", "condition": condition}
)
WATERMARKS = st.lists(st.integers(0, 90), max_size=20)


@given(ENDED | DENYING, matches(), st.data(), st.integers(1, 5), WATERMARKS)
def test_what_needs_its_windows_end_is_found_however_late_its_matches_come(
    content: dict[str, Any],
    found: list[Match],
    data: st.DataObject,
    looks: int,
    watermarks: list[int],
) -> None:
    """Whatever was decided too early is mended, and withdrawn where it is not true."""
    arrivals = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))
    correlator = Correlator(settled(correlation(content)))

    words = own(found_by(correlator, arrivals, looks, watermarks))

    silence = content["type"] == "event_count" and content["condition"] in SILENCES
    assert words == (silent if silence else ended)(content, found)


@given(SILENT, matches(), st.data(), st.integers(1, 5), WATERMARKS)
def test_silence_names_the_last_event_before_it(
    content: dict[str, Any],
    found: list[Match],
    data: st.DataObject,
    looks: int,
    watermarks: list[int],
) -> None:
    arrivals = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))
    correlator = Correlator(settled(correlation(content)))

    words = own(found_by(correlator, arrivals, looks, watermarks))

    assert words == silent(content, found)


INNER = COUNTED | ENDED | DENYING | SILENT
OUTER_KINDS = st.sampled_from(
    [
        {"type": "temporal_ordered"},
        {"type": "temporal"},
        {"type": "event_count", "condition": {"lt": 3}},
        {"type": "temporal", "condition": "b and not own"},
    ]
)


@given(INNER, OUTER_KINDS, matches(), st.data(), st.integers(1, 5), WATERMARKS)
def test_correlations_of_correlations_of_every_kind_say_the_same_in_any_order(
    inner_content: dict[str, Any],
    outer_content: dict[str, Any],
    found: list[Match],
    data: st.DataObject,
    looks: int,
    watermarks: list[int],
) -> None:
    inner = correlation({**inner_content, "rules": ["a", "c", "b"], "group-by": ["user"]})
    outer = correlation(
        {"timespan": "30s", "group-by": ["user"], "rules": ["own", "b"], **outer_content},
        identity=OUTER,
    )
    arrivals = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))
    in_order = sorted(found, key=lambda m: m.time)

    words = found_by(Correlator(settled(outer, inner)), arrivals, looks, watermarks)

    assert words == found_by(Correlator(settled(outer, inner)), in_order, 100)


@given(matches(), st.data(), st.integers(1, 5))
def test_a_correlation_of_a_correlation_says_the_same_in_any_order(
    found: list[Match], data: st.DataObject, looks: int
) -> None:
    inner = correlation({**BY_USER, "rules": ["a"], "type": "event_count", "condition": {"gte": 2}})
    outer = correlation(
        {**BY_USER, "rules": [OWN, "b"], "type": "temporal_ordered"}, identity=OUTER
    )
    arrivals = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))

    words = found_by(Correlator(settled(outer, inner)), arrivals, looks)

    assert words == found_by(
        Correlator(settled(outer, inner)), sorted(found, key=lambda m: m.time), 1
    )
    for (identity, (user,), hour), events in words.items():
        if identity == OUTER:
            mine = [m for m in found if m.user == user]
            assert any(
                m.rule == "b" and m.event in events and m.time // HOUR * HOUR == hour for m in mine
            )
            assert len({m.event for m in mine if m.rule == "a"} & events) >= 2
