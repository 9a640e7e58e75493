"""The attractors of a prompt: the kinds into which its continuations fall, and what each is like. Knows no mind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chat_app import clusters
from trainer.shares import wilson

LEAST = 0.05  # of all texts: fewer are no attractor
SCATTERED = -1  # the label of a text that belongs to none
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
    similarity = clusters.similarity(texts)
    kept = [group for group in clusters.find(similarity) if len(group) >= max(2, LEAST * len(texts))]
    return [_attractor(group, texts, similarity) for group in kept]


def labels(attractors: Sequence[Attractor], count: int) -> list[int]:
    """For each of `count` texts, its attractor's number, or SCATTERED."""
    found = [SCATTERED] * count
    for number, attractor in enumerate(attractors):
        for i in attractor.members:
            found[i] = number
    return found


def _attractor(group: np.ndarray, texts: Sequence[str], similarity: np.ndarray) -> Attractor:
    return Attractor(
        members=tuple(group.tolist()),
        share=len(group) / len(texts),
        interval=wilson(len(group), len(texts)),
        central=clusters.central(group, similarity),
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
