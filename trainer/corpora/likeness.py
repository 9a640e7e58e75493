"""Which documents are nearly the same: MinHash (Broder 1997) of runs of three words, by the datasketch library.

Knows texts and their signatures, no file. In doubt two documents are two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from datasketch import LeanMinHash, MinHash, MinHashLSH

from trainer.corpora.runs import runs

WORDS: Final = 3
PERMUTATIONS: Final = 128  # the likeness is estimated to 0.035 (one standard deviation at 0.8)
MOST_RUNS: Final = 2048  # of a document: those with the smallest hashes, the same ones in its copies
_EMPTY: Final = MinHash(PERMUTATIONS, hashfunc=int)


def signature(text: str) -> np.ndarray:
    """The MinHash of a text, uint32 [128]; all ones where the text has less than three words."""
    found = np.unique(runs(text, WORDS, within_lines=False))[:MOST_RUNS]
    minhash = _EMPTY.copy()
    minhash.update_batch((found & np.uint64(0xFFFFFFFF)).tolist())
    return np.asarray(minhash.hashvalues, np.uint32)


@dataclass(frozen=True, slots=True)
class Pair:
    """A document that repeats an earlier one, by their numbers; `likeness` is the share of runs in common."""

    document: int
    earlier: int
    likeness: float


def near_duplicates(
    signatures: np.ndarray, kept: Sequence[int], judged: Sequence[int], threshold: float
) -> Iterator[Pair]:
    """Documents of `judged` at least `threshold` like one of `kept`, or like one judged before that is no such copy.

    `signatures` is uint32 [documents, 128]; documents are given by their numbers in it.
    """
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    suspects = _meets_another(signatures, index.b, index.r)
    for place, document in enumerate((*kept, *judged)):
        if not suspects[document]:
            continue
        minhash = LeanMinHash(seed=_EMPTY.seed, hashvalues=signatures[document], scheme=_EMPTY.scheme)
        if place >= len(kept):
            earlier = sorted(index.query(minhash))
            shares = (signatures[earlier] == signatures[document]).mean(axis=1)
            if earlier and shares.max() >= threshold:
                yield Pair(document, earlier[int(shares.argmax())], float(shares.max()))
                continue
        index.insert(document, minhash, check_duplication=False)


def _meets_another(signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Which documents share a band with another, bool [documents]: the index takes 4 KB for each that it holds."""
    worded = np.flatnonzero(signatures.min(axis=1, initial=2**32 - 1) < 2**32 - 1)
    meets = np.zeros(len(signatures), bool)
    for band in range(bands):
        keys = np.ascontiguousarray(signatures[worded, band * rows : (band + 1) * rows]).view(f"V{4 * rows}").ravel()
        _, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
        meets[worded] |= counts[groups] > 1
    return meets
