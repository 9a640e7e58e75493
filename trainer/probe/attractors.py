"""Into which kinds texts fall together, and what each kind is like. Knows texts and numbers; knows no mind.

A text becomes the frequencies of its runs of three letters, a vector of length 1. Clusters are joined as long as their
texts have a mean cosine of at least `ALIKE` (agglomerative, average linkage). So how many there are is found, not
chosen: one, where all texts are much the same; none, where each goes its own way and chance alone makes two alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.shares import wilson

ALIKE = 0.5  # of unrelated endings of one mind, a pair in a thousand reaches 0.4
LEAST = 0.05  # of all texts: fewer are no attractor
SCATTERED = -1  # the label of a text that belongs to none
_RUN = 3  # letters
_TYPICAL = 4  # words that describe a cluster


@dataclass(frozen=True, slots=True)
class Attractor:
    """One kind of text: which they are, their share with its 95 % interval, the most central, and typical words."""

    members: tuple[int, ...]
    share: float
    interval: tuple[float, float]
    central: int
    typical: tuple[str, ...]


def find(texts: Sequence[str]) -> list[Attractor]:
    """The attractors of `texts` [N], the largest first; time grows with the cube of N."""
    similarity = _similarity(texts)
    labels = _average_linkage(1 - similarity, 1 - ALIKE)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    kept = [group for group in groups if len(group) >= max(2, LEAST * len(texts))]
    kept.sort(key=lambda group: (-len(group), group[0]))
    return [_attractor(group, texts, similarity) for group in kept]


def labels(attractors: Sequence[Attractor], count: int) -> list[int]:
    """For each of `count` texts, its attractor's number, or SCATTERED."""
    found = [SCATTERED] * count
    for number, attractor in enumerate(attractors):
        for i in attractor.members:
            found[i] = number
    return found


def _similarity(texts: Sequence[str]) -> np.ndarray:
    """Cosines [N, N] of the frequencies of runs of letters."""
    counts = [Counter(_runs(text)) for text in texts]
    places = {run: place for place, run in enumerate(dict.fromkeys(run for count in counts for run in count))}
    vectors = np.zeros((len(texts), len(places)))
    for row, count in zip(vectors, counts):
        row[[places[run] for run in count]] = list(count.values())
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines: np.ndarray = vectors @ vectors.T
    return cosines


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


def _attractor(group: np.ndarray, texts: Sequence[str], similarity: np.ndarray) -> Attractor:
    closeness = similarity[np.ix_(group, group)].sum(axis=1)
    return Attractor(
        members=tuple(group.tolist()),
        share=len(group) / len(texts),
        interval=wilson(len(group), len(texts)),
        central=int(group[closeness.argmax()]),
        typical=_typical(group, texts),
    )


def _typical(group: np.ndarray, texts: Sequence[str]) -> tuple[str, ...]:
    """The words by whose presence the cluster differs most from the rest; those most present where there is no rest.

    What stands at either end of a text may be half a word, and does not count.
    """
    words = [set(re.findall(r"(?<=\W)\w+(?=\W)", text.lower())) for text in texts]
    inside = set(group.tolist())
    within = Counter(word for i in inside for word in words[i])
    without = Counter(word for i, found in enumerate(words) if i not in inside for word in found)
    rest = max(1, len(texts) - len(inside))
    excess = {word: count / len(inside) - without[word] / rest for word, count in within.items()}
    ranked = sorted((word for word in excess if excess[word] > 0), key=lambda word: (-excess[word], word))
    return tuple(ranked[:_TYPICAL])
