from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.errors import StageError
from trainer.held_out import HeldOutText, bits_per_byte, bits_per_character
from trainer.tokens import Counts, Tokens


def tokens_of(**sizes: int) -> Tokens:
    """Ids count up from 0; each source is one document whose bytes are twice its tokens."""
    counts = {name: Counts(1, size, size, 2 * size) for name, size in sizes.items()}
    return Tokens(np.arange(sum(sizes.values()), dtype=np.uint16), np.cumsum([0, *sizes.values()]), counts)


def test_every_target_is_foretold_once_and_of_its_own_source() -> None:
    seen: list[int] = []

    def note(ids: np.ndarray, targets: np.ndarray) -> float:
        assert np.array_equal(ids + 1, targets)
        seen.extend(targets.ravel().tolist())
        return 1.0

    HeldOutText(tokens_of(prose=100, talk=60), 10).losses(note, 3)
    assert len(seen) == len(set(seen))
    assert set(seen) == {*range(1, 91), *range(101, 151)}


def test_each_source_counts_by_its_tokens() -> None:
    held_out = HeldOutText(tokens_of(prose=300, talk=100), 10)
    losses = held_out.losses(lambda ids, targets: 1.0 if ids[0, 0] < 300 else 5.0, 4)
    assert losses == {"prose": 1.0, "talk": 5.0}
    assert held_out.overall(losses) == pytest.approx(2.0)
    assert held_out.bits_per_byte(losses) == pytest.approx(2.0 / math.log(2) / 2)


def test_a_few_windows_are_spread_over_the_whole_text() -> None:
    starts: list[int] = []

    def note(ids: np.ndarray, targets: np.ndarray) -> float:
        starts.extend(ids[:, 0].tolist())
        return 0.0

    HeldOutText(tokens_of(prose=10_000), 10, sequences=5).losses(note, 2)
    assert starts == [0, 2497, 4994, 7491, 9989]


def test_a_text_shorter_than_the_context_is_one_window() -> None:
    shapes: list[tuple[int, ...]] = []

    def note(ids: np.ndarray, targets: np.ndarray) -> float:
        shapes.append(ids.shape)
        return 0.0

    HeldOutText(tokens_of(prose=7), 10).losses(note, 2)
    assert shapes == [(1, 6)]


def test_nothing_to_foretell_is_a_sentence() -> None:
    with pytest.raises(StageError, match="The validation text of talk is empty"):
        HeldOutText(tokens_of(prose=100, talk=1), 10)


def test_bits_follow_from_nats_and_counts() -> None:
    counts = Counts(documents=1, tokens=100, characters=300, bytes=550)
    assert bits_per_byte(math.log(2), counts) == pytest.approx(100 / 550)
    assert bits_per_character(math.log(2), counts) == pytest.approx(1 / 3)
