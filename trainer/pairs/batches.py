"""Rated answers as ids, in batches whose answers are also given to each other's prompts. Knows no model.

The batches are drawn once, and later epochs see them in another order: so what the reference thinks of every answer,
under its own prompt and under its neighbour's, is computed once.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from trainer.dialogues.draw import fraction
from trainer.errors import StageError, first_line
from trainer.files import replacing
from trainer.pairs.rated import Rated
from trainer.writing import Writer

_PADDING: Final = -1

Refer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Log-probabilities [B] by the reference of `targets` after `ids`, both int64 [B, T]."""


@dataclass(frozen=True, slots=True)
class Row:
    """One answer as ids; its end mark is the last one, unless it was cut off."""

    prompt: list[int]
    completion: list[int]
    desirable: bool

    def fits(self, block_size: int) -> bool:
        """Whether the context holds it."""
        return len(self.prompt) + len(self.completion) <= block_size + 1


def row_of(rated: Rated, writer: Writer) -> Row:
    """One answer, under its prompt as the mind is given it."""
    completion = writer.tokenizer.encode(rated.completion) + writer.stop_ids * rated.ended
    return Row(writer.talk_ids(rated.prompt), completion, rated.label)


def encode(rated: Sequence[Rated], writer: Writer, block_size: int) -> list[Row]:
    """The answers that the context holds.

    StageError where good and bad ones are not both left.
    """
    found = [row for each in rated if (row := row_of(each, writer)).fits(block_size)]
    if len({row.desirable for row in found}) < 2:
        raise StageError(
            f"Of {len(rated):,} rated answers {len(found):,} fit into model.block_size {block_size}, and good and bad "
            "ones are not both among them: rate shorter answers, too."
        )
    return found


def split(rated: Sequence[Rated], val_fraction: float, seed: int) -> tuple[list[Rated], list[Rated]]:
    """(learned, held out): all answers to a prompt stand on the same side. StageError where a side lacks a rating."""
    sides: tuple[list[Rated], list[Rated]] = [], []
    for each in rated:
        said = "\n".join(message.content for message in each.prompt)
        sides[fraction(f"{seed} {said}") < val_fraction].append(each)
    for name, side in zip(("learned", "held out"), sides, strict=True):
        if len({each.label for each in side}) < 2:
            raise StageError(
                f"Of {len(rated):,} rated answers {len(side):,} are {name}, and good and bad ones are not both among "
                "them: give more rated answers, or change kto.val_fraction."
            )
    return sides


@dataclass(frozen=True, slots=True)
class Part:
    """Rows side by side, padded: ids and targets int64 [B, T]; what the reference thinks of them, float32 [B]."""

    ids: np.ndarray
    targets: np.ndarray
    reference: np.ndarray
    desirable: np.ndarray
    crossed_ids: np.ndarray
    crossed_targets: np.ndarray
    crossed_reference: np.ndarray


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers, and to the prompt of each the answer of another one."""

    rows: list[Row]
    crossed: list[Row]
    reference: np.ndarray
    crossed_reference: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def desirable_tokens(self) -> int:
        """How many tokens the good answers have."""
        return sum(len(row.completion) for row in self.rows if row.desirable)

    def take(self, share: slice) -> Batch:
        """Some of the rows."""
        return Batch(self.rows[share], self.crossed[share], self.reference[share], self.crossed_reference[share])

    def parts(self, size: int) -> Iterator[Part]:
        """All rows, about `size` at a time, those of like length together."""
        order = sorted(range(len(self)), key=lambda n: len(self.rows[n].prompt) + len(self.rows[n].completion))
        for begin in range(0, len(order), size):
            some = order[begin : begin + size]
            yield Part(
                *_padded([self.rows[n] for n in some]), self.reference[some],
                np.array([self.rows[n].desirable for n in some]),
                *_padded([self.crossed[n] for n in some]), self.crossed_reference[some],
            )  # fmt: skip


class RatedBatches:
    """All rows in one batch, or in as many as `size` allows: of that size or larger, no two differing by two rows."""

    def __init__(self, rows: Sequence[Row], size: int | None, seed: int, block_size: int) -> None:
        """StageError where they do not fill one batch."""
        size = len(rows) if size is None else size
        if len(rows) < (least := max(2, size)):
            raise StageError(
                f"{len(rows):,} rated answers fit the context, and a batch takes {least:,}: rate or collect more, or "
                "lower batch_size or gradient_accumulation of the kto stage."
            )
        self._seed = seed
        order = np.random.default_rng(seed).permutation(len(rows)).tolist()
        groups = [[rows[n] for n in some] for some in np.array_split(order, len(rows) // size)]
        unknown = np.full(len(rows), np.nan, np.float32)
        self._batches = [
            Batch(group, _crossed(group, block_size), unknown[: len(group)], unknown[: len(group)]) for group in groups
        ]

    @property
    def tokens_per_batch(self) -> int:
        """On average, prompts and answers together."""
        rows = [row for batch in self._batches for row in batch.rows]
        return round(sum(len(row.prompt) + len(row.completion) for row in rows) / len(self._batches))

    def __len__(self) -> int:
        return len(self._batches)

    def batch(self, iteration: int) -> Batch:
        """The batch of one iteration."""
        return self._batches[self._number(iteration)]

    def _number(self, iteration: int) -> int:
        """Of its batch: every epoch goes through all of them, in an order of its own."""
        epoch, place = divmod(iteration, len(self._batches))
        return int(np.random.default_rng((self._seed, epoch)).permutation(len(self._batches))[place])

    def refer(
        self, refer: Refer, size: int, path: Path, weights: str, iterations: int, say: Callable[[str], None]
    ) -> None:
        """Learn what the reference thinks of every row that so many iterations see, from the file at `path` where it
        has been asked before.

        `weights` are its name there. StageError where the file tells of another reference: a run must be measured
        against what it began with.
        """
        known = self._load(path, weights)
        if known is None:
            known = np.full((2, sum(map(len, self._batches))), np.nan, np.float32)
        ends = np.cumsum([len(batch) for batch in self._batches])
        found = np.split(known, ends[:-1], axis=1)
        seen = {self._number(iteration) for iteration in range(min(iterations, len(self._batches)))}
        if unasked := [number for number in sorted(seen) if np.isnan(found[number]).any()]:
            say(f"kto: the reference reads {sum(len(self._batches[n]) for n in unasked):,} rated answers, once")
            for number in unasked:
                found[number] = _ask(self._batches[number], refer, size)
            with replacing(path) as file:
                np.savez(file, weights=weights, rows=self._fingerprint(), known=np.concatenate(found, axis=1))
        self._batches = [
            replace(batch, reference=own, crossed_reference=crossed)
            for batch, (own, crossed) in zip(self._batches, found, strict=True)
        ]

    def _load(self, path: Path, weights: str) -> np.ndarray | None:
        """float32 [2, rows], NaN what was not asked; None where the file is not there or tells of other batches."""
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file) as found:
                begun_with, rows, known = str(found["weights"]), str(found["rows"]), found["known"]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise StageError(
                f"{path} is damaged ({first_line(error)}): remove it, and the reference reads the answers again."
            ) from error
        if begun_with != weights:
            raise StageError(
                f"{path.parent} was begun with other weights than these, and KTO measures against what it began "
                "with: give --from what it began with, or remove that folder to begin anew."
            )
        return known if rows == self._fingerprint() else None

    def _fingerprint(self) -> str:
        rows = [[(row.prompt, row.completion) for row in (*each.rows, *each.crossed)] for each in self._batches]
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def _ask(batch: Batch, refer: Refer, size: int) -> np.ndarray:
    """[2, B]: log-probabilities of the rows and of the crossed ones."""
    found = np.empty((2, len(batch)), np.float32)
    for kind, rows in enumerate((batch.rows, batch.crossed)):
        order = sorted(range(len(rows)), key=lambda n: len(rows[n].prompt) + len(rows[n].completion))
        for begin in range(0, len(order), size):
            some = order[begin : begin + size]
            found[kind, some] = refer(*_padded([rows[n] for n in some]))
    return found


def _crossed(group: Sequence[Row], block_size: int) -> list[Row]:
    """To each prompt the answer of the next row that has another prompt, as much of it as the context holds."""
    found = []
    for number, row in enumerate(group):
        others = [*group[number + 1 :], *group[:number]]
        other = next((other for other in others if other.prompt != row.prompt), others[0])
        found.append(replace(row, completion=other.completion[: block_size + 1 - len(row.prompt)]))
    return found


def _padded(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """(ids, targets), int64 [B, T] each; only the answers are targets."""
    longest = max(len(row.prompt) + len(row.completion) for row in rows) - 1
    ids = np.zeros((len(rows), longest), np.int64)
    targets = np.full((len(rows), longest), _PADDING, np.int64)
    for number, row in enumerate(rows):
        whole = [*row.prompt, *row.completion]
        ids[number, : len(whole) - 1] = whole[:-1]
        targets[number, len(row.prompt) - 1 : len(whole) - 1] = row.completion
    return ids, targets
