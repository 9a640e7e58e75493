"""How well a model foretells text it has never seen, in nats a token and bits a byte, source by source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from trainer.errors import StageError
from trainer.tokens import Counts, Tokens

Rows = tuple[np.ndarray, np.ndarray]


class HeldOut:
    """Held-out tokens of one or more sources; `rows` gives those of a source, batch by batch."""

    def __init__(self, tokens: Tokens) -> None:
        self.counts, self.total = tokens.counts, tokens.total

    def rows(self, name: str, batch_size: int) -> Iterator[Rows]:
        """(ids, targets) of each batch of a source, int64 [batch_size or fewer, T]; targets below 0 do not count."""
        raise NotImplementedError

    def losses(self, loss_of: Callable[[np.ndarray, np.ndarray], float], batch_size: int) -> dict[str, float]:
        """Source -> mean nats a token; `loss_of(ids, targets)` gives the mean of one batch."""
        return {name: self._loss(self.rows(name, batch_size), loss_of) for name in self.counts}

    def _loss(self, batches: Iterator[Rows], loss_of: Callable[[np.ndarray, np.ndarray], float]) -> float:
        total = counted = 0.0
        for ids, targets in batches:
            weight = int((targets >= 0).sum())
            total += loss_of(ids, targets) * weight
            counted += weight
        return total / counted

    def overall(self, losses: dict[str, float]) -> float:
        """Nats a token over all sources, each by its number of tokens."""
        return sum(losses[name] * counts.tokens for name, counts in self.counts.items()) / self.total.tokens

    def bits_per_byte(self, losses: dict[str, float]) -> float:
        """Over all sources: the measure that no vocabulary flatters."""
        return bits_per_byte(self.overall(losses), self.total)


class HeldOutText(HeldOut):
    """Text as windows without overlap, or as so many of them as are asked for, evenly spread."""

    def __init__(self, tokens: Tokens, block_size: int, sequences: int | None = None) -> None:
        """StageError where there is nothing to foretell."""
        super().__init__(tokens)
        self._ids, self._block_size = tokens.ids, block_size
        ends = np.cumsum([counts.tokens for counts in tokens.counts.values()]).tolist()
        self._starts = {}
        for (name, counts), end in zip(tokens.counts.items(), ends, strict=True):
            if counts.tokens < 2:
                raise StageError(f"The validation text of {name} is empty: give more text, or a larger val_fraction.")
            share = None if sequences is None else max(1, round(sequences * counts.tokens / ends[-1]))
            self._starts[name] = _spread(end - counts.tokens, end, min(block_size, counts.tokens - 1), share)

    def rows(self, name: str, batch_size: int) -> Iterator[Rows]:
        """Every id of them is a target."""
        size = min(self._block_size, self.counts[name].tokens - 1) + 1
        for chunk in np.array_split(self._starts[name], -(-len(self._starts[name]) // batch_size)):
            windows = np.stack([self._ids[start : start + size] for start in chunk]).astype(np.int64)
            yield windows[:, :-1], windows[:, 1:]


def bits_per_byte(loss: float, counts: Counts) -> float:
    """Nats a token to bits a byte of UTF-8."""
    return loss / math.log(2) * counts.tokens / counts.bytes


def bits_per_character(loss: float, counts: Counts) -> float:
    """Nats a token to bits a character."""
    return loss / math.log(2) * counts.tokens / counts.characters


def _spread(begin: int, end: int, size: int, wanted: int | None) -> np.ndarray:
    """Where windows of `size` ids and their targets begin, between two places of the row of ids."""
    last = end - size - 1
    every = np.arange(begin, last + 1, max(1, size))
    return every if wanted is None or wanted >= len(every) else np.linspace(begin, last, wanted).astype(np.int64)
