from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainer.batches import Batches, Stream
from trainer.errors import StageError
from trainer.sections import Source
from trainer.tokens import Counts, Tokens


def token_rows(**sources: list[int]) -> Tokens:
    """Documents of the given lengths; ids count up through the whole corpus."""
    lengths = list(itertools.chain(*sources.values()))
    counts = {name: Counts(len(of), sum(of), sum(of), sum(of)) for name, of in sources.items()}
    return Tokens(np.arange(sum(lengths), dtype=np.uint16), np.cumsum([0, *lengths]), counts)


def test_every_id_is_learned_once_in_each_epoch() -> None:
    lengths = [7, 1, 300, 22, 5, 61, 104]
    stream = Stream(token_rows(works=lengths), 0, len(lengths), 11, (1, 0))
    for epoch in range(3):
        rows = stream.take(np.arange(epoch * stream.windows, (epoch + 1) * stream.windows))
        learned = rows[:, 1:].ravel()  # the targets
        assert len(set(learned)) == len(learned)
        assert len(learned) > sum(lengths) - 2 * 11


def test_documents_and_windows_stand_in_a_new_order_each_epoch() -> None:
    tokens = token_rows(works=[50] * 40)
    stream = Stream(tokens, 0, 40, 11, (1, 0))
    first, second = (stream.take(np.arange(n, n + stream.windows)) for n in (0, stream.windows))
    assert not np.array_equal(first, second)
    starts = first[:, 0]
    assert not np.array_equal(starts, np.sort(starts))
    assert {tuple(row) for row in first} != {tuple(row) for row in second}  # cut at other places, too


def test_a_window_goes_on_into_the_next_document_of_the_order() -> None:
    stream = Stream(token_rows(works=[6] * 30), 0, 30, 13, (3, 0))
    for row in stream.take(np.arange(stream.windows)):
        for left, right in itertools.pairwise(row):
            assert right == left + 1 or (left % 6 == 5 and right % 6 == 0)


def test_batches_hold_each_source_by_its_weight_and_by_another_in_the_cooldown() -> None:
    tokens = token_rows(classics=[400] * 10, dialogues=[20] * 50)  # ids below 4000 are classics
    sources = {"classics": Source(weight=3, cooldown_weight=1), "dialogues": Source(weight=1)}
    batches = Batches(tokens, sources, 10, 8, 0)
    early, late = batches.batch(4, 5)[0], batches.batch(5, 5)[0]
    assert (early[:, 0] < 4000).sum() == 6
    assert (late[:, 0] < 4000).sum() == 4
    assert len(early) == len(late) == 8


def test_the_cooldown_goes_on_where_the_source_stood() -> None:
    tokens = token_rows(classics=[400] * 10, dialogues=[20] * 50)
    sources = {"classics": Source(weight=3, cooldown_weight=1), "dialogues": Source(weight=1)}
    batches = Batches(tokens, sources, 10, 8, 0)
    rows = np.concatenate([batches.batch(i, 5)[0] for i in range(12)])
    classics = [tuple(row) for row in rows if row[0] < 4000]
    assert len(set(classics)) == len(classics) == 5 * 6 + 7 * 4  # none twice


def test_the_cooldown_may_read_longer_windows_of_as_many_tokens() -> None:
    tokens = token_rows(classics=[400] * 10, dialogues=[20] * 200)
    sources = {"classics": Source(weight=1), "dialogues": Source(weight=1)}
    batches = Batches(tokens, sources, 40, 8, 0, early_block_size=10)
    assert batches.batch(4, 5)[0].shape == (8, 10)
    ids, targets = batches.batch(5, 5)
    assert ids.shape == targets.shape == (2, 40)
    assert [row[0] < 4000 for row in ids] == [True, False]
    assert not np.array_equal(ids, batches.batch(6, 5)[0])


def test_without_weights_all_sources_are_one_stream() -> None:
    tokens = token_rows(classics=[400] * 10, dialogues=[20] * 50)
    batches = Batches(tokens, {"classics": Source(), "dialogues": Source()}, 10, 8, 0)
    rows = np.concatenate([batches.batch(i, 99)[0] for i in range(60)])
    assert 0.15 < (rows[:, 0] >= 4000).mean() < 0.25


def test_batches_depend_on_seed_and_iteration_alone() -> None:
    tokens = token_rows(works=[100] * 50)
    one, other, third = (Batches(tokens, {"works": Source()}, 10, 8, seed) for seed in (1, 1, 2))
    one.batch(0, 99)
    ids, targets = one.batch(700, 9999)
    assert np.array_equal(ids, other.batch(700, 9999)[0])
    assert not np.array_equal(ids, one.batch(701, 9999)[0])
    assert not np.array_equal(ids, third.batch(700, 9999)[0])
    assert np.array_equal(ids[:, 1:], targets[:, :-1])


def test_a_source_too_short_or_too_light_is_a_sentence() -> None:
    with pytest.raises(StageError, match="of works is shorter than two sequences of block_size 64"):
        Batches(token_rows(works=[100]), {"works": Source()}, 64, 8, 0)
    light = {"classics": Source(weight=1000), "dialogues": Source(weight=1)}
    with pytest.raises(StageError, match="dialogues weighs too little for one sequence in a batch of 8"):
        Batches(token_rows(classics=[400], dialogues=[400]), light, 10, 8, 0)


def test_sources_that_have_another_name_now_are_named() -> None:
    for now in (("novels",), ("works", "novels")):
        sources = {name: Source(weight=1) for name in now}
        with pytest.raises(StageError, match=rf"sources are {', '.join(now)}, but .* made of works: run the corpus"):
            Batches(token_rows(works=[400]), sources, 10, 8, 0)
