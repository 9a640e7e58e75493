"""How much of a text is held out somewhere else: its runs of six words within lines, looked up among theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from trainer.corpora.runs import runs

WORDS: Final = 6
_PREFIX: Final = np.uint64(64 - 24)  # a table of 16 MB by the first 24 bits answers most questions


class HeldOut:
    """The runs of what is held out. It stays small beside the corpus, and goes to every process once."""

    def __init__(self, texts: Iterable[str]) -> None:
        found = [np.unique(runs(text, WORDS, within_lines=True)) for text in texts]
        self._runs = np.unique(np.concatenate([np.zeros(0, np.uint64), *found]))
        self._table = np.zeros(1 << 24, bool)
        self._table[self._runs >> _PREFIX] = True

    def share(self, text: str) -> float:
        """Of the text's runs, how many are held out; 0 for a text without a line of six words."""
        found = runs(text, WORDS, within_lines=True)
        likely = found[self._table[found >> _PREFIX]]
        places = np.searchsorted(self._runs, likely)
        return (
            float(np.sum(self._runs[places.clip(max=len(self._runs) - 1)] == likely)) / len(found)
            if len(likely)
            else 0.0
        )
