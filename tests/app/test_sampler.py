"""The sampler against slow definitions of what it claims, written here from the papers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.errors import BadSetting
from chat_app.sampler import CHATTING, SETTINGS, Sampler, Sampling, largest

DRAWS = 1500


def reference(logits: list[float], s: Sampling) -> dict[int, float]:
    """Exact probabilities: each filter in turn, on plain Python numbers."""
    scores = sorted(((logit / s.temperature, -i) for i, logit in enumerate(logits)), reverse=True)
    if s.top_k:
        scores = scores[: s.top_k]
    top = scores[0][0]
    total = sum(math.exp(score - top) for score, _ in scores)
    p = [(math.exp(score - top) / total, -i) for score, i in scores]
    nucleus, mass = [], 0.0
    for probability, i in p:  # the smallest set that reaches top_p
        if nucleus and mass >= s.top_p:
            break
        nucleus.append((probability, i))
        mass += probability
    kept = [(probability, i) for probability, i in nucleus if probability >= s.min_p * p[0][0]]
    total = sum(probability for probability, _ in kept)
    return {i: probability / total for probability, i in kept}


def logits_of(seed: int, size: int = 300) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, size).astype(np.float32)


def frequencies(logits: np.ndarray, sampling: Sampling) -> Counter[int]:
    sampler = Sampler(sampling)
    return Counter(sampler.pick(logits.copy(), []) for _ in range(DRAWS))


@pytest.mark.parametrize("top_k", [0, 5, 1000])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.2])
@pytest.mark.parametrize("min_p", [0.0, 0.1])
def test_frequencies_match_the_definitions(top_k: int, top_p: float, min_p: float) -> None:
    sampling = Sampling(temperature=0.7, top_k=top_k, top_p=top_p, min_p=min_p, seed=1)
    for seed, size in ((1, 40), (2, 300)):
        logits = logits_of(seed, size)
        expected = reference(logits.tolist(), sampling)
        counts = frequencies(logits, sampling)
        assert set(counts) <= set(expected)
        for i, p in expected.items():
            assert abs(counts[i] / DRAWS - p) < 5 * math.sqrt(p * (1 - p) / DRAWS) + 1e-3


def test_a_flat_nucleus_wider_than_the_first_look_is_found() -> None:
    flat = np.zeros(2000, np.float32)
    sampling = Sampling(temperature=1, top_p=0.5, seed=2)
    counts = frequencies(flat, sampling)
    assert set(counts) <= set(reference(flat.tolist(), sampling))
    assert len(counts) > 600


def test_equal_logits_fall_to_the_lower_id() -> None:
    logits = np.array([0, 1, 1, 1], np.float32)
    assert set(frequencies(logits, Sampling(top_k=2, seed=3))) == {1, 2}
    assert Sampler(Sampling(temperature=0)).pick(logits, []) == 1


@pytest.mark.parametrize("temperature", [0, 1e-4])
def test_without_temperature_the_likeliest_is_always_taken(temperature: float) -> None:
    logits = logits_of(4)
    assert set(frequencies(logits, Sampling(temperature=temperature))) == {int(logits.argmax())}


@given(st.integers(0, 50), st.floats(1e-3, 100), st.integers(0, 6), st.floats(0.01, 1), st.floats(0, 1))
def test_whatever_is_set_an_allowed_id_comes_out(
    seed: int, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, seed=seed)
    logits = logits_of(seed, 20) * 50
    banned = [int(logits.argmax()), 0]
    picked = Sampler(sampling, banned).pick(logits.copy(), [])
    logits[banned] = -np.inf
    assert picked not in banned
    assert not top_k or picked in np.argsort(-logits, kind="stable")[:top_k]


def test_the_same_seed_picks_the_same_ids() -> None:
    def picks(seed: int | None) -> list[int]:
        sampler = Sampler(Sampling(seed=seed))
        return [sampler.pick(logits_of(i), []) for i in range(30)]

    assert picks(7) == picks(7)
    assert picks(7) != picks(8)
    assert picks(None) != picks(None)


def test_the_penalty_divides_positive_and_multiplies_negative_logits_once() -> None:
    logits = np.array([2, -2, 3, 0.5], np.float32)
    Sampler(Sampling(temperature=0, repetition_penalty=2)).pick(logits, [0, 0, 1, 1, 1])
    assert logits.tolist() == [1, -4, 3, 0.5]


def test_the_penalty_looks_back_only_so_far() -> None:
    near = np.array([2, 2, 2], np.float32)
    Sampler(Sampling(temperature=0, repetition_penalty=2, repetition_window=1)).pick(near, [0, 1])
    assert near.tolist() == [2, 1, 2]
    far = np.array([2, 2, 2], np.float32)
    Sampler(Sampling(temperature=0, repetition_penalty=2, repetition_window=0)).pick(far, [0, 1])
    assert far.tolist() == [1, 1, 2]


@given(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=8), st.integers(0, 30))
def test_no_run_of_ids_is_written_twice(size: int, prompt: list[int], seed: int) -> None:
    sampler = Sampler(Sampling(no_repeat_ngram=size, seed=seed, temperature=2))
    written = list(prompt)
    for step in range(6):
        runs = {tuple(written[i : i + size]) for i in range(len(written) - size + 1)}
        end = tuple(written[len(written) - size + 1 :]) if size > 1 else ()
        free = [i for i in range(4) if (*end, i) not in runs] if len(end) == size - 1 else list(range(4))
        token = sampler.pick(logits_of(seed + step, 4), written)
        assert token in (free or range(4))
        written.append(token)


@given(
    st.sampled_from(SETTINGS),
    st.text() | st.integers().map(str) | st.floats().map(str) | st.integers(300, 5000).map("9".__mul__),
)
def test_a_setting_takes_any_text_or_says_what_would_do(name: str, text: str) -> None:
    try:
        changed = Sampling().changed(name, text)
    except BadSetting as error:
        assert name in error.sentence("ru")
    else:
        value = getattr(changed, name)
        assert value is None or math.isfinite(value)
        assert Sampling.from_dict(changed.to_dict(), Sampling()) == changed


def test_a_whole_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(BadSetting):
        Sampling().changed("temperature", "1" + "0" * 400)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0,7", 0.7),
        ("temperature", "1", 1.0),
        ("top_p", ".5", 0.5),
        ("max_tokens", "50", 50),
        ("seed", "off", None),
        ("seed", "None", None),
        ("repetition_penalty", "0.01", 0.01),
    ],
)
def test_settings_are_read_as_people_type_them(name: str, text: str, value: object) -> None:
    changed = Sampling(seed=5).changed(name, text)
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "-1"), ("temperature", "nan"), ("temperature", "inf"), ("top_k", "1.5"), ("top_k", "off"),
        ("top_p", "0"), ("top_p", "1.1"), ("min_p", "-0.1"), ("repetition_penalty", "0"), ("min_p", "2"),
        ("repetition_penalty", "1e-9"),
        ("max_tokens", "0"), ("max_tokens", "много"), ("seed", "-1"), ("seed", str(1 << 63)), ("no_repeat_ngram", ""),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=name):
        Sampling().changed(name, text)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_widest_allowed_settings_still_pick(name: str) -> None:
    for text in ("0", "0.01", "1", "100", str((1 << 63) - 1)):
        try:
            sampling = replace(Sampling(temperature=1, no_repeat_ngram=2).changed(name, text), seed=1)
        except BadSetting:
            continue
        sampler = Sampler(sampling)
        written: list[int] = []
        for i in range(10):
            written.append(sampler.pick(logits_of(i, 10), written))
        assert all(0 <= token < 10 for token in written)


@pytest.mark.parametrize(
    "values", [{"heat": 1}, {"temperature": "hot"}, {"top_k": True}, {"seed": 1.5}, ["temperature"], None]
)
def test_defaults_that_a_mind_cannot_have_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match="sampling defaults"):
        Sampling.from_dict(values, Sampling())  # type: ignore[arg-type]


def test_what_a_mind_leaves_open_comes_from_its_kind() -> None:
    assert Sampling.from_dict({"top_k": 5}, CHATTING) == replace(CHATTING, top_k=5)
    assert CHATTING.no_repeat_ngram > 0
    assert CHATTING.repetition_penalty > 1


def test_pairs_are_never_repeated_even_when_the_prompt_counts() -> None:
    written = [0, 1, 0]
    token = Sampler(Sampling(temperature=0, no_repeat_ngram=2)).pick(np.array([0, 9, 1], np.float32), written)
    assert (0, token) not in set(pairwise(written))


@given(st.integers(1, 400), st.integers(1, 40_000), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_the_likeliest_of_any_number_of_ids_are_those_of_a_whole_sort(count, size, levels, seed) -> None:
    dice = np.random.default_rng(seed)
    scores = dice.standard_normal(size).astype(np.float32)
    if levels:  # many are equal
        scores = np.round(scores * levels)
    scores[dice.random(size) < 0.1] = -np.inf
    assert np.array_equal(largest(scores, count), (-scores).argsort(kind="stable")[:count])
