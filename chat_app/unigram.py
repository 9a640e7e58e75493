"""How a unigram model spells a text: by the pieces whose scores add up to the most (unigram_model.cc, EncodeOptimized).

Knows strings and scores; knows nothing of ids. Sums are rounded to float32 as SentencePiece's are, since 0.2.2: some
texts have two spellings that differ by no more than that.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Final

_UNKNOWN_PENALTY: Final = 10.0  # an unknown character is so much worse than the worst piece
_SYMBOL_BONUS: Final = 0.1  # for each byte of a user-defined symbol after its first: pieces have scores below 0
_SCORE: Final = ""  # where a node of the tree keeps the score of the piece that ends there


class Unigram:
    """Pieces and their scores, ready to spell."""

    def __init__(self, scores: Mapping[str, float], symbols: Iterable[str]) -> None:
        """`scores` are of the normal pieces, as float32; `symbols` are the user-defined ones."""
        self._tree: dict[str, Any] = {}
        for piece, score in scores.items():
            self._add(piece, score)
        for symbol in symbols:
            self._add(symbol, _float32(_SYMBOL_BONUS * len(symbol.encode()) - _SYMBOL_BONUS))
        self._unknown = _float32(min(scores.values(), default=0.0) - _UNKNOWN_PENALTY)

    def _add(self, piece: str, score: float) -> None:
        node = self._tree
        for character in piece:
            node = node.setdefault(character, {})
        node[_SCORE] = score

    def spell(self, text: str) -> list[str]:
        """The best spelling; a character that no piece holds stands alone."""
        total = array("f", [-math.inf]) * (len(text) + 1)  # of the best spelling that ends at each place
        total[0] = 0.0
        start = [0] * (len(text) + 1)  # of its last piece
        for begin in range(len(text)):
            for end, score in self._pieces_at(text, begin):
                before, now = total[end], total[begin] + score
                if now > before:
                    total[end] = now  # rounded, perhaps to what it was before
                    if total[end] > before:
                        start[end] = begin
        symbols = []
        end = len(text)
        while end:
            symbols.append(text[start[end] : end])
            end = start[end]
        return symbols[::-1]

    def _pieces_at(self, text: str, begin: int) -> list[tuple[int, float]]:
        """(end, score) of every piece that stands at `begin`, and of the character there if none is as short."""
        found = []
        node = self._tree
        for end in range(begin, len(text)):
            if text[end] not in node:
                break
            node = node[text[end]]
            if _SCORE in node:
                found.append((end + 1, node[_SCORE]))
        if not found or found[0][0] > begin + 1:
            found.append((begin + 1, self._unknown))
        return found


def _float32(value: float) -> float:
    return array("f", (value,))[0]
