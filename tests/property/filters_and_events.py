"""Events and filters out of a small world, in which many filters find something."""

from typing import Any

from hypothesis import strategies as st

from tenants.store.filter import Filter
from tenants.store.terms import And, Compare, Equal, Exists, Like, Node, Not, Or, WordLike, Words
from tenants.store.values import words
from tenants.store.wildcard import Wild, join

LETTERS = 'abAB19_ .-\\*?"/,:()\nkK\u212a\u0130\u0131\u017fSs\u03a3\u03c3\u03c2\u00e9\u0301\ud800'
NAMES = ("Image", "EventID", "a", "b", "user", "cs(User-Agent)", "a.b", "since", "q\\*")

names = st.sampled_from(NAMES)
texts = st.text(LETTERS, max_size=8) | st.sampled_from(("ab", "AB 19", "19", "1.0", "true", "1e3"))
numbers = st.integers(-3, 20) | st.sampled_from((1.0, 19.5, -0.0, 1e16, 2**70, 1000.0))
scalars = texts | numbers | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
fields: st.SearchStrategy[dict[str, Any]] = st.dictionaries(names, values, max_size=4)
related = st.fixed_dictionaries(
    {}, optional={"host": st.lists(texts, max_size=2), "user": st.lists(texts, max_size=2)}
)

paths = st.sampled_from((*NAMES, "a.a", "a.b.a", "soc.related.host", "soc.source", "soc.id"))
patterns = st.lists(
    st.text(LETTERS, min_size=1, max_size=3) | st.sampled_from(Wild), min_size=1, max_size=4
).map(join)
word_texts = st.text("abAB19_kK\u212as\u017f\u03a3", min_size=1, max_size=3)


def _free(text: str, *, prefix: bool) -> Words:
    return Words(tuple(words(text)) or ("ab",), prefix)


terms: st.SearchStrategy[Node] = st.one_of(
    st.builds(Equal, paths, texts | numbers.map(str)),
    st.builds(Like, paths, patterns),
    st.builds(Exists, paths),
    st.builds(Compare, paths, st.sampled_from(("<", "<=", ">", ">=")), st.integers(-2, 20)),
    st.builds(_free, st.text("abAB19_ .kK", max_size=6), prefix=st.booleans()),
    st.builds(
        WordLike,
        st.lists(word_texts.map(str.lower), min_size=1, max_size=2).map("*".join).map("{}*".format),
    ),
)


def _both(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


nodes: st.SearchStrategy[Node] = st.recursive(terms, _both, max_leaves=5)
times = st.integers(0, 9).map("2026-11-24T13:00:00.00000{}Z".format)
filters = st.builds(
    Filter, expression=st.none() | nodes, since=st.none() | times, until=st.none() | times
)
