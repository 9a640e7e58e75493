"""How BPE spells a word: merge the best-ranked adjacent pair, the leftmost first, until none is left.

Knows strings and ranks, the lowest of which merges first; knows nothing of ids.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Final

_NOT_A_PIECE: Final = math.inf
_LONG_WORD: Final = 200  # symbols; beyond it the heap beats the scan


def merge(symbols: list[str], rank: dict[str, float]) -> list[str]:
    """The merged symbols; the list given is used up."""
    return merge_by_heap(symbols, rank) if len(symbols) > _LONG_WORD else merge_by_scan(symbols, rank)


def merge_by_scan(symbols: list[str], rank: dict[str, float]) -> list[str]:
    """Merge in place; quadratic, and the fastest there is for words of ordinary length."""
    pairs = [rank.get(left + right, _NOT_A_PIECE) for left, right in itertools.pairwise(symbols)]
    while pairs and (best := min(pairs)) != _NOT_A_PIECE:
        i = pairs.index(best)
        symbols[i] += symbols.pop(i + 1)
        del pairs[i]
        if i:
            pairs[i - 1] = rank.get(symbols[i - 1] + symbols[i], _NOT_A_PIECE)
        if i < len(pairs):
            pairs[i] = rank.get(symbols[i] + symbols[i + 1], _NOT_A_PIECE)
    return symbols


def merge_by_heap(symbols: list[str], rank: dict[str, float]) -> list[str]:
    """The same merges in n log n, for the pasted line without a single space."""
    after = [*range(1, len(symbols)), -1]
    before = [*range(-1, len(symbols) - 1)]
    heap: list[tuple[float, int, str]] = []

    def propose(left: int, right: int) -> None:
        if left >= 0 and right >= 0 and (merged := symbols[left] + symbols[right]) in rank:
            heapq.heappush(heap, (rank[merged], left, merged))

    for left, right in enumerate(after):
        propose(left, right)
    while heap:
        _, left, merged = heapq.heappop(heap)
        right = after[left]
        # A proposal is stale once either side has been merged away or has grown.
        if not symbols[left] or right < 0 or symbols[left] + symbols[right] != merged:
            continue
        symbols[left], symbols[right] = merged, ""
        after[left] = after[right]
        if after[left] >= 0:
            before[after[left]] = left
        propose(before[left], left)
        propose(left, after[left])
    return [symbol for symbol in symbols if symbol]
