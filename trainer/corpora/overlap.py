"""How much of a text is held out somewhere else: its runs of six words within lines, looked up among theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from trainer.corpora.runs import runs

WORDS: Final = 6
_PREFIX: Final = np.uint64(64 - 24)  # a table of 16 MB by the first 24 bits answers most questions


class HeldOut:
    """The distinct runs of what is held out, in order. Small beside a corpus; goes to every process once."""

    def __init__(self, texts: Iterable[str]) -> None:
        found = [np.unique(runs(text, WORDS, within_lines=True)) for text in texts]
        self._runs = np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))
        self._table = np.zeros(1 << 24, bool)
        self._table[self._runs >> _PREFIX] = True

    def __len__(self) -> int:
        return len(self._runs)

    def look_up(self, text: str) -> tuple[float, np.ndarray]:
        """The share of the text's runs that are held out, and their places among the held-out ones, int64 [runs].

        The share of a text without a line of six words is 0.
        """
        found = runs(text, WORDS, within_lines=True)
        likely = found[self._table[found >> _PREFIX]]
        if not len(likely):
            return 0.0, np.zeros(0, np.int64)
        places = np.searchsorted(self._runs, likely).clip(max=len(self) - 1)
        places = places[self._runs[places] == likely]
        return len(places) / len(found), places
