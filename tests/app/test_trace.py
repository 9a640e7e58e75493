"""The trace: what the mind thought of each token, while it is written and when it is read again."""

from __future__ import annotations

import math
from typing import Any

import minds
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import engine, trace
from chat_app.engine import Engine
from chat_app.model import logits_everywhere
from chat_app.sampler import Sampling
from chat_app.trace import Step, Trace
from chat_app.weights import Weights

PROMPT = [3, 1, 4, 1, 5]
WILD = Sampling(temperature=3.0, top_k=7, repetition_penalty=1.7, no_repeat_ngram=2, max_tokens=20, seed=5)


def made(**changes: Any) -> Engine:
    config = minds.config(20, **{"block_size": 32, **changes})
    return Engine(Weights.from_arrays(config, minds.arrays(config)))


def probabilities(logits: np.ndarray, never: tuple[int, ...] = ()) -> np.ndarray:
    """By the book, in double precision."""
    odds = np.exp(logits.astype(np.float64) - logits.max())
    odds[list(never)] = 0
    return odds / odds.sum()


def assert_alike(some: list[Step], others: list[Step]) -> None:
    assert [step.token for step in some] == [step.token for step in others]
    for one, other in zip(some, others, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-4)
        np.testing.assert_allclose(
            [p for _, p in one.alternatives], [p for _, p in other.alternatives], rtol=0, atol=1e-4
        )


@given(st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=40), st.integers(1, 50), st.data())
def test_a_step_is_the_softmax_of_the_logits(values: list[float], top: int, data: st.DataObject) -> None:
    logits = np.array(values, np.float32)
    never = tuple(data.draw(st.lists(st.integers(0, len(values) - 1), max_size=len(values) - 1, unique=True)))
    token = data.draw(st.sampled_from([i for i in range(len(values)) if i not in never]))
    shares = probabilities(logits, never)
    step = trace.step(logits.copy(), token, top, never)
    possible = shares[shares > 0]
    assert step.log_probability == pytest.approx(math.log(shares[token]), abs=2e-5)
    assert step.entropy == pytest.approx(float(-(possible * np.log2(possible)).sum()), abs=2e-5)
    listed = [i for i, _ in step.alternatives]
    assert len(listed) <= top
    assert len(set(listed)) == len(listed)
    sizes = np.exp([p for _, p in step.alternatives])
    np.testing.assert_allclose(sizes, np.sort(shares)[::-1][: len(listed)], rtol=1e-4)
    assert not set(listed) & set(never)


def test_even_odds_are_as_many_bits_as_there_are_doublings() -> None:
    step = trace.step(np.zeros(8, np.float32), 3)
    assert (step.log_probability, step.entropy) == (pytest.approx(-math.log(8)), pytest.approx(3))
    assert trace.step(np.array([0, 200], np.float32), 1).entropy == 0


def test_no_alternatives_are_looked_for_where_none_are_asked() -> None:
    assert trace.step(np.zeros(8, np.float32), 3, top=0).alternatives == ()


@pytest.mark.parametrize("never", [(), (2, 7)])
def test_an_answer_is_traced_as_the_mind_thought_before_any_setting_of_sampling(never: tuple[int, ...]) -> None:
    one = made()
    seen = Trace(top=4)
    ids = list(one.generate(PROMPT, WILD, never=never, trace=seen))
    assert [step.token for step in seen.steps] == ids
    for logits, step in zip(logits_everywhere(one.weights, PROMPT + ids)[len(PROMPT) - 1 :], seen.steps):
        shares = probabilities(logits, never)
        assert math.exp(step.log_probability) == pytest.approx(shares[step.token], rel=1e-3)
        assert [i for i, _ in step.alternatives] == np.argsort(-shares, kind="stable")[:4].tolist()


def test_tracing_changes_no_answer() -> None:
    one = made()
    assert list(one.generate(PROMPT, WILD, trace=Trace())) == list(one.generate(PROMPT, WILD))


def test_the_stop_id_is_not_part_of_the_trace() -> None:
    one = made()
    ids = list(one.generate(PROMPT, WILD))
    stop = next(i for i in range(1, len(ids)) if ids[i] not in ids[:i])
    seen = Trace()
    assert list(one.generate(PROMPT, WILD, stop_ids=[ids[stop]], trace=seen)) == ids[:stop]
    assert len(seen.steps) == stop


@pytest.mark.parametrize("position", ["rope", "learned"])
@pytest.mark.parametrize("elsewhere", [[], [7], PROMPT, [*PROMPT, 6, 6]])
def test_an_answer_read_again_gives_the_figures_of_when_it_was_written(position: str, elsewhere: list[int]) -> None:
    one = made(position=position)
    written, again = Trace(), Trace()
    ids = list(one.generate(PROMPT, WILD, never=[4], trace=written))
    if elsewhere:  # another conversation has taken the cache
        list(one.generate(elsewhere, Sampling(temperature=0, max_tokens=3)))
    one.score(PROMPT, ids, again, never=[4])
    assert_alike(again.steps, written.steps)


@pytest.mark.parametrize("block_size", [1, 2, 7, 8, 32])
@pytest.mark.parametrize("scored", [3, 128])
def test_an_answer_that_outgrew_the_context_is_read_again_as_it_slid(
    block_size: int, scored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SCORED", scored)
    one = made(block_size=block_size)
    written, again = Trace(), Trace()
    prompt = PROMPT[:block_size]
    ids = list(one.generate(prompt, Sampling(max_tokens=45, seed=1), slide=True, trace=written))
    assert len(ids) == 45
    one.score(prompt, ids, again, slide=True)
    assert_alike(again.steps, written.steps)


@pytest.mark.parametrize("begun", [1, 5, 20, 44])
def test_a_text_that_outgrew_the_context_goes_on_as_if_it_had_never_stopped(begun: int) -> None:
    greedy = Sampling(temperature=0, max_tokens=45)
    ids = list(made(block_size=8).generate(PROMPT, greedy, slide=True))
    other = made(block_size=8)
    rest = list(other.generate(PROMPT + ids[:begun], Sampling(temperature=0, max_tokens=45 - begun), slide=True))
    assert ids[:begun] + rest == ids


def test_of_an_answer_too_long_for_the_context_the_part_that_fits_is_scored() -> None:
    one = made(block_size=8)
    seen = Trace()
    one.score(PROMPT, [6] * 10, seen)
    assert len(seen.steps) == 4  # the first eight places have logits
    one.score(PROMPT * 2, [6], seen)
    assert len(seen.steps) == 4


def test_a_prompt_too_long_for_the_context_is_no_crash() -> None:
    one = made(block_size=8)
    stats = engine.Stats()
    assert list(one.generate([1] * 9, WILD, stats=stats)) == []
    assert stats.finish == "context"


def test_scoring_leaves_the_cache_to_the_next_turn() -> None:
    one = made()
    ids = list(one.generate(PROMPT, WILD))
    one.score(PROMPT, ids, Trace())
    stats = engine.Stats()
    list(one.generate([*PROMPT, *ids, 2], WILD, stats=stats))
    assert stats.reused == len(PROMPT) + len(ids) - 1
