"""Into which kinds texts fall together. Knows texts and numbers; knows no mind.

A text becomes the frequencies of its runs of three letters, a vector of length 1. Clusters are joined as long as their
texts have a mean cosine of at least `ALIKE` (agglomerative, average linkage). So how many there are is found, not
chosen: one, where all texts are much the same; none of more than one text, where each goes its own way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

ALIKE: Final = 0.5  # of unrelated endings of one mind, a pair in a thousand reaches 0.4
_RUN: Final = 3  # letters


def similarity(texts: Sequence[str]) -> np.ndarray:
    """Cosines [N, N] of the frequencies of runs of letters."""
    counts = [Counter(_runs(text)) for text in texts]
    places = {run: place for place, run in enumerate(dict.fromkeys(run for count in counts for run in count))}
    vectors = np.zeros((len(texts), len(places)))
    for row, count in zip(vectors, counts):
        row[[places[run] for run in count]] = list(count.values())
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines: np.ndarray = vectors @ vectors.T
    return cosines


def find(cosines: np.ndarray, alike: float = ALIKE) -> list[np.ndarray]:
    """The indices of every cluster by their cosines [N, N], the largest first; time grows with the cube of N."""
    labels = _average_linkage(1 - cosines, 1 - alike)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def central(group: np.ndarray, cosines: np.ndarray) -> int:
    """The index of the text that is most like the others of its cluster."""
    return int(group[cosines[np.ix_(group, group)].sum(axis=1).argmax()])


def _runs(text: str) -> list[str]:
    padded = " " + " ".join(text.lower().split()) + " "
    return [padded[i : i + _RUN] for i in range(max(1, len(padded) - _RUN + 1))]


def _average_linkage(distance: np.ndarray, farthest: float) -> np.ndarray:
    """Labels [N]: the two nearest clusters are joined until none are nearer than `farthest` by their mean distance.

    The distance of a joined cluster to the others by the formula of G. N. Lance and W. T. Williams (1967).
    """
    apart, sizes = distance.copy(), np.ones(len(distance))
    found = np.arange(len(distance))
    np.fill_diagonal(apart, np.inf)
    while len(apart) and apart.min() <= farthest:
        i, j = divmod(int(apart.argmin()), len(apart))
        joined = (sizes[i] * apart[i] + sizes[j] * apart[j]) / (sizes[i] + sizes[j])
        joined[i] = np.inf
        apart[i], apart[:, i] = joined, joined
        apart[j], apart[:, j] = np.inf, np.inf
        sizes[i] += sizes[j]
        found[found == j] = i
    return found
