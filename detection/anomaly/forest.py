"""An isolation forest as plain arrays: fitted by scikit-learn, walked by ourselves."""

import math
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TREES: Final = 50
SAMPLES: Final = 256
EULER: Final = 0.5772156649015329


class Forest(msgspec.Struct, frozen=True, array_like=True):
    """The trees side by side, padded to one length; a leaf is its own child."""

    feature: list[list[int]]
    threshold: list[list[float]]
    left: list[list[int]]
    right: list[list[int]]
    length: list[list[float]]
    """Path length at a node, that of an average tree below a leaf included."""
    depth: int
    normal: float


class Walker:
    """A forest ready to score."""

    def __init__(self, forest: Forest) -> None:
        # one array for all trees: taking from that is far less than looking up tree and node
        feature = np.asarray(forest.feature, dtype=np.intp)
        trees, width = feature.shape
        self._roots = np.arange(trees) * width
        self._feature = feature.ravel()
        self._threshold = np.asarray(forest.threshold, dtype=np.float64).ravel()
        self._left = (np.asarray(forest.left, dtype=np.intp) + self._roots[:, None]).ravel()
        self._right = (np.asarray(forest.right, dtype=np.intp) + self._roots[:, None]).ravel()
        self._length = np.asarray(forest.length, dtype=np.float64).ravel()
        self._depth, self._normal = forest.depth, forest.normal

    def score(self, rows: Floats) -> Floats:
        """Between 0 and 1, the larger the easier to isolate."""
        return self._normalised(self._lengths(rows).mean(axis=1))

    def score_unseen(self, rows: Floats, drawn: NDArray[np.bool_]) -> Floats:
        """The same of rows that it was grown on, each by the trees that were grown without it."""
        return self._normalised(np.average(self._lengths(rows), axis=1, weights=~drawn))

    def _lengths(self, rows: Floats) -> Floats:
        node = np.tile(self._roots, (len(rows), 1))
        values, row = rows.ravel(), (np.arange(len(rows)) * rows.shape[1])[:, None]
        for _ in range(self._depth):
            value = values.take(row + self._feature.take(node))
            goes_left = value <= self._threshold.take(node)
            node = np.where(goes_left, self._left.take(node), self._right.take(node))
        return self._length.take(node)

    def _normalised(self, lengths: Floats) -> Floats:
        scores: Floats = 2.0 ** (-lengths / self._normal)
        return scores


def fit(rows: Floats, seed: int = 0) -> tuple[Forest, Floats]:
    """Grow a forest on a reference, and score that as if it had not been seen.

    Else its windows would all look more usual than those that come.
    """
    from sklearn.ensemble import IsolationForest  # takes seconds to load

    samples = min(SAMPLES, len(rows) // 2)
    # scikit-learn compares in single precision; scoring there and here must agree.
    grown = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=seed).fit(
        rows.astype(np.float32)
    )
    trees = [each.tree_ for each in grown.estimators_]
    width = max(tree.node_count for tree in trees)
    forest = Forest(
        feature=[_padded(np.maximum(tree.feature, 0), width) for tree in trees],
        threshold=[_padded(tree.threshold, width) for tree in trees],
        left=[_padded(_child(tree.children_left), width) for tree in trees],
        right=[_padded(_child(tree.children_right), width) for tree in trees],
        length=[_padded(_lengths(tree), width) for tree in trees],
        depth=max(int(tree.max_depth) for tree in trees),
        normal=max(1e-9, _average(samples)),
    )
    drawn = np.zeros((len(rows), len(trees)), dtype=np.bool_)
    for tree, sample in enumerate(grown.estimators_samples_):
        drawn[sample, tree] = True
    return forest, Walker(forest).score_unseen(rows, drawn)


def _padded(values: NDArray[Any], width: int) -> list[Any]:
    padded: list[Any] = np.pad(values, (0, width - len(values))).tolist()
    return padded


def _child(children: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.where(children < 0, np.arange(len(children)), children)


def _lengths(tree: Any) -> Floats:
    left, right = tree.children_left, tree.children_right
    depth = np.zeros(len(left))
    for node in range(len(left)):
        for child in (left[node], right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    lengths: Floats = depth + [_average(int(count)) for count in tree.n_node_samples]
    return lengths


def _average(count: int) -> float:
    """Path length of an unsuccessful search among so many (Liu 2008)."""
    if count <= 1:
        return 0.0
    if count == 2:
        return 1.0
    return 2.0 * (math.log(count - 1.0) + EULER) - 2.0 * (count - 1.0) / count
