"""Conversations packed into rows without cutting any, and batches of such rows mixed with pretraining text.

As in trainer/batches.py everything follows from seed and iteration: each time round the conversations stand in a new
order, and what fits together in a row changes with it.
"""

from __future__ import annotations

import itertools
from typing import Final, Protocol

import numpy as np

from trainer.batches import Stream, check_sources, shares
from trainer.errors import StageError
from trainer.tokens import Tokens

IGNORED: Final = -1
_OPEN: Final = 32  # rows that a conversation may still be put into; more would save little room


class _Rows(Protocol):
    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


class Packed:
    """The rows of one source, epoch after epoch."""

    def __init__(
        self, tokens: Tokens, mask: np.ndarray, first: int, last: int, block_size: int, seed: tuple[int, ...]
    ) -> None:
        """Of conversations `first` to `last` (excluded), in rows of `block_size` ids and targets.

        StageError where one does not fit into a row.
        """
        self._ids, self._mask = tokens.ids, mask
        self._begins, self._ends = tokens.starts[first:last], tokens.starts[first + 1 : last + 1]
        self._block_size, self._seed = block_size, seed
        if (longest := int((self._ends - self._begins).max(initial=0))) > block_size + 1:
            raise StageError(
                f"A conversation of {longest} tokens does not fit into model.block_size {block_size}: run the "
                "dialogues stage again, which shortens what is too long."
            )
        self._epoch, self._rows = -1, list[list[int]]()
        self._before = [0]  # rows of all epochs before each

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ids, targets) of rows by number, int64 [len(numbers), block_size]; only answers are targets."""
        rows = [self._row(int(number)) for number in numbers]
        return np.stack([ids for ids, _ in rows]), np.stack([targets for _, targets in rows])

    def _row(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        while number >= self._before[-1]:
            self._pack(len(self._before) - 1)
            self._before.append(self._before[-1] + len(self._rows))
        epoch = int(np.searchsorted(self._before, number, side="right")) - 1
        if epoch != self._epoch:
            self._pack(epoch)
        return self._filled(self._rows[number - self._before[epoch]])

    def _pack(self, epoch: int) -> None:
        """Best fit: a conversation goes where it leaves least room, of the rows last begun, or into a new one."""
        order = np.random.default_rng((*self._seed, epoch)).permutation(len(self._begins))
        lengths = (self._ends - self._begins)[order].tolist()
        rows: list[list[int]] = []
        room: list[int] = []
        for conversation, length in zip(order.tolist(), lengths, strict=True):
            recent = range(max(0, len(rows) - _OPEN), len(rows))
            row = min((row for row in recent if room[row] >= length), key=room.__getitem__, default=len(rows))
            if row == len(rows):
                rows.append([])
                room.append(self._block_size + 1)
            rows[row].append(conversation)
            room[row] -= length
        self._epoch, self._rows = epoch, rows

    def _filled(self, conversations: list[int]) -> tuple[np.ndarray, np.ndarray]:
        ids = np.zeros(self._block_size + 1, np.int64)
        learned = np.zeros(self._block_size + 1, bool)
        place = 0
        for conversation in conversations:
            begin, end = self._begins[conversation], self._ends[conversation]
            ids[place : place + end - begin] = self._ids[begin:end]
            learned[place : place + end - begin] = self._mask[begin:end]
            place += int(end - begin)
        return ids[:-1], np.where(learned[1:], ids[1:], IGNORED)

    def epoch(self) -> tuple[np.ndarray, np.ndarray]:
        """All rows of the first epoch: every conversation once."""
        self._pack(0)
        rows = [self._filled(row) for row in self._rows]
        return np.stack([ids for ids, _ in rows]), np.stack([targets for _, targets in rows])


class Text:
    """Windows of pretraining text, in which every id is a target."""

    def __init__(self, tokens: Tokens, block_size: int, seed: tuple[int, ...]) -> None:
        """StageError where the text is shorter than two windows."""
        self._stream = Stream(tokens, 0, len(tokens.starts) - 1, block_size + 1, seed, " and ".join(tokens.counts))

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(ids, targets) of windows by number, int64 [len(numbers), block_size]."""
        windows = self._stream.take(numbers)
        return windows[:, :-1], windows[:, 1:]


class AnswerBatches:
    """Batches of `size` rows, so many of each source, and of pretraining text if there is some."""

    def __init__(
        self, tokens: Tokens, mask: np.ndarray, weights: dict[str, float], block_size: int, size: int, seed: int,
        text: Tokens | None = None, text_weight: float = 0.0,
    ) -> None:  # fmt: skip
        """StageError where a source weighs too little for one row a batch, or the text is too short for one.

        StageError, too, where the sources are not those of `weights`.
        """
        check_sources(tokens, weights, "dialogues stage")
        ends = np.cumsum([0, *(counts.documents for counts in tokens.counts.values())]).tolist()
        self._rows: list[_Rows] = [
            Packed(tokens, mask, first, last, block_size, (seed, number))
            for number, (first, last) in enumerate(itertools.pairwise(ends))
        ]
        weights = {name: weights[name] for name in tokens.counts}
        if text is not None and text_weight:
            self._rows.append(Text(text, block_size, (seed, len(self._rows))))
            weights["pretraining text"] = text_weight
        self._shares = shares(list(weights.values()), size)
        for name, share in zip(weights, self._shares, strict=True):
            if not share:
                raise StageError(f"{name} weighs too little for one row in a batch of {size}: raise its weight.")

    def batch(self, iteration: int, cooldown_start: int) -> tuple[np.ndarray, np.ndarray]:
        """(ids, targets) of one iteration, int64 [size, block_size] each."""
        parts = [
            rows.take(np.arange(iteration * share, (iteration + 1) * share))
            for rows, share in zip(self._rows, self._shares, strict=True)
        ]
        return np.concatenate([ids for ids, _ in parts]), np.concatenate([targets for _, targets in parts])
