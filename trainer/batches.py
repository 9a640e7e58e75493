"""Which windows of the training text make which batch. Knows the token files; a pure function of seed and iteration.

Every source is read to its end before any of it comes again. Each time round, its documents stand in a new order,
are cut into windows at new places, and the windows are shuffled: neighbours in a batch come from all over the corpus.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

import numpy as np

from trainer.errors import StageError
from trainer.sections import Source
from trainer.tokens import Tokens


class Stream:
    """The windows of one source, epoch after epoch."""

    def __init__(
        self, tokens: Tokens, first: int, last: int, window: int, seed: Sequence[int], name: str = "the corpus"
    ) -> None:
        """Of documents `first` to `last` (excluded), in windows of `window` ids that overlap by one.

        StageError, with the source's `name`, where they are too short for one.
        """
        self._ids, self._starts = tokens.ids, tokens.starts[first : last + 1]
        self._window, self._seed = window, seed
        self.windows = (int(self._starts[-1] - self._starts[0]) - 1) // (window - 1) - 1  # one is lost to the phase
        if self.windows < 1:
            raise StageError(
                f"The training text of {name} is shorter than two sequences of block_size {window - 1}: "
                "give more text, or a smaller block_size."
            )
        self._epoch = -1

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Windows by number, int64 [len(numbers), window]; a number beyond the epoch goes on into the next."""
        return np.stack([self._one(*divmod(int(number), self.windows)) for number in numbers])

    def _one(self, epoch: int, number: int) -> np.ndarray:
        if epoch != self._epoch:
            self._shuffle(epoch)
        begin = self._phase + int(self._order[number]) * (self._window - 1)
        place = int(np.searchsorted(self._ends, begin, side="right"))  # in the stream of shuffled documents
        parts, wanted = [], self._window
        while wanted:
            document = self._documents[place]
            at = begin - int(self._ends[place - 1]) if place else begin
            start = self._starts[document] + at
            part = self._ids[start : min(start + wanted, self._starts[document + 1])]
            parts.append(part)
            wanted -= len(part)
            begin += len(part)
            place += 1
        return np.concatenate(parts).astype(np.int64)

    def _shuffle(self, epoch: int) -> None:
        chance = np.random.default_rng((*self._seed, epoch))
        self._epoch = epoch
        self._documents = chance.permutation(len(self._starts) - 1)
        self._ends = np.cumsum(np.diff(self._starts)[self._documents])
        self._phase = int(chance.integers(self._window - 1))
        self._order = chance.permutation(self.windows)


class Batches:
    """Batches with the same number of windows of every source in each, by the sources' weights.

    Before the cooldown they are `size` windows of `early_block_size`, in it as many tokens in windows of `block_size`.
    """

    def __init__(
        self, tokens: Tokens, sources: dict[str, Source], block_size: int, size: int, seed: int,
        early_block_size: int | None = None,
    ) -> None:  # fmt: skip
        """StageError where a source is too short for one window, or weighs too little for one a batch.

        StageError, too, where `tokens` are not of these sources.
        """
        check_sources(tokens, sources, "corpus and tokens stages")
        weights = {name: sources[name].weight or 0.0 for name in tokens.counts}
        firsts = np.cumsum([0, *(counts.documents for counts in tokens.counts.values())]).tolist()
        if not all(weights.values()):  # no weights: one stream of everything
            weights, firsts = {" and ".join(sources): 1.0}, [0, firsts[-1]]
        cooldown_weights = {name: source.cooldown_weight for name, source in sources.items() if source.cooldown_weight}
        early = early_block_size or block_size
        places = list(itertools.pairwise(firsts))
        self._early = _Phase(tokens, places, weights, early, size, (seed, early))
        self._late = _Phase(tokens, places, weights | cooldown_weights, block_size, size * early // block_size,
                            (seed, block_size))  # fmt: skip
        self._goes_on = early == block_size  # else the cooldown begins to read anew, in longer windows

    def batch(self, iteration: int, cooldown_start: int) -> tuple[np.ndarray, np.ndarray]:
        """(ids, targets) of one iteration, int64 [size, T] each."""
        if iteration < cooldown_start:
            windows = self._early.take([iteration * share for share in self._early.shares])
        else:
            read = cooldown_start if self._goes_on else 0
            both = zip(self._early.shares, self._late.shares)
            windows = self._late.take([read * early + (iteration - cooldown_start) * late for early, late in both])
        return windows[:, :-1], windows[:, 1:]


class _Phase:
    """The streams of a part of the run, and how many windows of each make a batch."""

    def __init__(
        self, tokens: Tokens, places: list[tuple[int, int]], weights: dict[str, float], block_size: int, size: int,
        seed: tuple[int, ...],
    ) -> None:  # fmt: skip
        self.streams = [
            Stream(tokens, first, last, block_size + 1, (*seed, number), name)
            for number, (name, (first, last)) in enumerate(zip(weights, places))
        ]
        self.shares = shares(list(weights.values()), size)
        for name, share in zip(weights, self.shares):
            if not share:
                raise StageError(f"{name} weighs too little for one sequence in a batch of {size}: raise its weight.")

    def take(self, begins: list[int]) -> np.ndarray:
        """Each stream's share of windows from its `begin` on, int64 [size, block_size + 1]."""
        parts = zip(self.streams, self.shares, begins)
        return np.concatenate([stream.take(np.arange(begin, begin + share)) for stream, share, begin in parts])


def check_sources(tokens: Tokens, sources: Collection[str], stages: str) -> None:
    """StageError where the recipe's sources are not those that the files were made of."""
    if set(tokens.counts) != set(sources):
        raise StageError(
            f"The recipe's sources are {', '.join(sources)}, but the files were made of {', '.join(tokens.counts)}: "
            f"run the {stages} again, or name the sources as they were."
        )


def shares(weights: list[float], size: int) -> list[int]:
    """`size` windows divided by weight; what rounding leaves over goes to the largest remainders."""
    exact = [weight / sum(weights) * size for weight in weights]
    whole = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_remainder[: size - sum(whole)]:
        whole[i] += 1
    return whole
