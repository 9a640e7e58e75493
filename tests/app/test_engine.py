"""The engine: ids in, ids out, paying only for what is new. Parity with torch is checked in tests/train."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import minds
import numpy as np
import pytest

from chat_app import blas, engine, planes
from chat_app.config import Config
from chat_app.engine import Cancel, Engine, Stats
from chat_app.errors import MindTruncated
from chat_app.mind import open_mind
from chat_app.model import Cache, forward, logits_everywhere
from chat_app.sampler import Sampling
from chat_app.weights import Weights, widen

GREEDY = Sampling(temperature=0, max_tokens=12)
SWITCHES = [
    {"position": position, "norm": norm, "mlp": mlp, "qk_norm": qk_norm, "n_kv_head": n_kv_head, "tied": tied}
    for position, norm, mlp, qk_norm, n_kv_head, tied in product(
        ("learned", "rope"), ("layernorm", "rmsnorm"), ("gelu", "swiglu"), (False, True), (1, 2, 4), (False, True)
    )
]


def made(**changes: Any) -> Engine:
    config = minds.config(20, block_size=32, **changes)
    return Engine(Weights.from_arrays(config, minds.arrays(config)))


def slow_continuation(one: Engine, ids: list[int], count: int) -> list[int]:
    """Without any cache: the whole text is read again for every token."""
    text = list(ids)
    for _ in range(count):
        text.append(int(logits_everywhere(one.weights, text)[-1].argmax()))
    return text[len(ids) :]


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system knows no huge pages")
def test_a_kernel_that_grants_no_huge_pages_opens_a_mind_all_the_same(
    chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 9999)  # an advice that it does not know either
    assert Engine.with_mind(open_mind(chatting)).weights.config.n_layer > 0


@pytest.mark.parametrize("switches", SWITCHES)
def test_token_by_token_and_all_at_once_agree(switches: dict[str, Any]) -> None:
    one = made(**switches)
    ids = [3, 1, 4, 1, 5, 9, 2, 6, 5]
    everywhere = logits_everywhere(one.weights, ids)
    cache = Cache(one.config)
    stepwise = np.array([forward(one.weights, [token], cache).copy() for token in ids])
    np.testing.assert_allclose(stepwise, everywhere, atol=2e-5)
    halves = Cache(one.config)
    forward(one.weights, ids[:4], halves)
    np.testing.assert_allclose(forward(one.weights, ids[4:], halves), everywhere[-1], atol=2e-5)


@pytest.mark.parametrize("switches", SWITCHES[::17])
def test_cached_and_uncached_continuation_agree(switches: dict[str, Any]) -> None:
    one = made(**switches)
    assert list(one.generate([1, 2, 3], GREEDY)) == slow_continuation(one, [1, 2, 3], 12)


def test_a_new_turn_reads_only_its_new_ids() -> None:
    one = made()
    first = list(one.generate([1, 2, 3], GREEDY))
    stats = Stats()
    longer = [1, 2, 3, *first, 7, 8]
    answer = list(one.generate(longer, GREEDY, stats=stats))
    assert stats.prompt == len(longer)
    assert stats.reused >= 3 + len(first) - 1
    assert answer == slow_continuation(one, longer, 12)


def test_a_turn_that_parts_ways_reuses_the_common_beginning() -> None:
    one = made()
    list(one.generate([1, 2, 3, 4, 5], GREEDY))
    stats = Stats()
    answer = list(one.generate([1, 2, 9, 4], GREEDY, stats=stats))
    assert stats.reused == 2
    assert answer == slow_continuation(one, [1, 2, 9, 4], 12)


def test_the_same_prompt_again_still_has_logits() -> None:
    one, stats = made(), Stats()
    first = list(one.generate([1, 2, 3], GREEDY))
    assert list(one.generate([1, 2, 3], GREEDY, stats=stats)) == first
    assert stats.reused == 2


def test_a_long_prompt_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(made().generate(list(range(15)), GREEDY))
    monkeypatch.setattr(engine, "BLOCK", 4)
    assert list(made().generate(list(range(15)), GREEDY)) == expected


def test_cancelling_ends_before_the_next_token() -> None:
    one, cancel, stats = made(), Cancel(), Stats()
    answer = one.generate([1, 2], GREEDY, cancel=cancel, stats=stats)
    begun = list(islice(answer, 3))
    cancel.set()
    assert list(answer) == []
    assert (len(begun), stats.written, stats.finish) == (3, 3, "cancelled")


def test_cancelling_while_the_prompt_is_read_keeps_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    one, cancel, stats = made(), Cancel(), Stats()
    monkeypatch.setattr(engine, "BLOCK", 4)

    def read_once(*arguments: Any) -> np.ndarray:
        cancel.set()
        return forward(*arguments)

    monkeypatch.setattr(engine, "forward", read_once)
    assert list(one.generate(list(range(10)), GREEDY, cancel=cancel, stats=stats)) == []
    assert stats.finish == "cancelled"
    assert one.cache.ids == [0, 1, 2, 3]


def test_an_answer_that_is_left_unread_counts_as_cancelled() -> None:
    one, stats = made(), Stats()
    answer = one.generate([1, 2], GREEDY, stats=stats)
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert stats.finish == "cancelled"


def test_the_stop_id_ends_the_answer_and_is_not_part_of_it() -> None:
    one, stats = made(), Stats()
    whole = slow_continuation(one, [1, 2], 12)
    stop = next(token for token in whole[2:] if token not in whole[:2])
    answer = list(one.generate([1, 2], GREEDY, stop_ids=[stop], stats=stats))
    assert answer == whole[: whole.index(stop)]
    assert stats.finish == "stop"


def test_a_limit_ends_the_answer() -> None:
    one, stats = made(), Stats()
    assert len(list(one.generate([1], Sampling(temperature=0, max_tokens=1), stats=stats))) == 1
    assert stats.finish == "length"


def test_the_context_ends_the_answer_at_its_very_last_place() -> None:
    one, stats = made(), Stats()
    endless = Sampling(temperature=0, max_tokens=100)
    prompt = list(range(20))
    answer = list(one.generate(prompt, endless, stats=stats))
    assert stats.finish == "context"
    assert len(prompt) + len(answer) == 32 + 1  # the last id needs no place: nothing follows it
    assert answer[:-1] == slow_continuation(one, prompt, len(answer) - 1)


def test_a_continuation_slides_on_from_its_second_half() -> None:
    one, stats = made(), Stats()
    endless = Sampling(temperature=0, max_tokens=50)
    answer = list(one.generate([1, 2, 3], endless, slide=True, stats=stats))
    assert (len(answer), stats.finish) == (50, "length")
    text = [1, 2, 3, *answer[:30]]  # 33 ids: one more than there are places
    assert answer[30] == slow_continuation(one, text[-16:], 1)[0]
    assert stats.prompt == 3


def test_ids_that_no_answer_holds_never_come() -> None:
    one = made()
    free = list(one.generate([1, 2], Sampling(seed=1, max_tokens=25)))
    never = sorted(set(free))[:5]
    assert not set(one.generate([1, 2], Sampling(seed=1, max_tokens=25), never=never)) & set(never)


def test_only_the_remembered_prompt_counts_as_written() -> None:
    one = made()
    text = [1, 2, 1, 2, 1]
    rule = Sampling(temperature=0, no_repeat_ngram=1, max_tokens=3)
    assert not set(one.generate(text, rule, remember=len(text))) & {1, 2}
    expected = slow_continuation(one, text, 1)
    assert list(one.generate(text, rule))[:1] == expected


def test_the_same_seed_gives_the_same_answer() -> None:
    def answer(seed: int) -> list[int]:
        return list(made().generate([1, 2], Sampling(seed=seed, temperature=1.5, max_tokens=20)))

    assert answer(5) == answer(5)
    assert answer(5) != answer(6)


def test_warming_up_leaves_nothing_in_the_cache() -> None:
    one = made()
    one.warm_up()
    assert one.cache.ids == []
    assert list(one.generate([1, 2, 3], GREEDY)) == slow_continuation(one, [1, 2, 3], 12)


def test_speed_counts_only_the_writing() -> None:
    assert Stats().tokens_per_second == 0
    assert Stats(written=10, decode_seconds=2, prefill_seconds=50).tokens_per_second == 5


# --- weights ---------------------------------------------------------------------------------------------------


def test_every_finite_half_is_widened_exactly() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    out = np.empty(len(halves), np.float32)
    widen(halves.view(np.int16), out)
    assert np.array_equal(out, halves.astype(np.float32))
    assert np.array_equal(np.signbit(out), np.signbit(halves))


@pytest.mark.parametrize("switches", SWITCHES[::31])
def test_weights_from_a_file_are_those_that_were_written(
    tmp_path: Path, switches: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "CHUNK", 100)  # several chunks for every tensor
    mind = open_mind(minds.random_mind(tmp_path / "a.mind", **switches))
    loaded = Weights.from_mind(mind)
    for name, tensor in minds.arrays(mind.config).items():
        assert np.array_equal(loaded.tensors[name], tensor.astype(np.float32)), name


def test_loading_tells_which_share_is_read(babbling: Path) -> None:
    told: list[float] = []
    Engine.with_mind(open_mind(babbling), told.append)
    assert told
    assert max(told) == 1
    assert min(told) > 0


def test_a_mind_cut_after_it_was_opened_is_refused(tmp_path: Path) -> None:
    path = minds.random_mind(tmp_path / "a.mind")
    mind = open_mind(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(MindTruncated):
        Weights.from_mind(mind)


def test_a_mind_that_vanished_after_it_was_opened_is_an_error(tmp_path: Path) -> None:
    path = minds.random_mind(tmp_path / "a.mind")
    mind = open_mind(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Weights.from_mind(mind)


# --- threads ---------------------------------------------------------------------------------------------------


class Library:
    def __init__(self) -> None:
        self.calls: list[int] = []

    def scipy_openblas_set_num_threads64_(self, count: int) -> None:
        self.calls.append(count)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    fake = Library()
    monkeypatch.setattr(blas, "_openblas", lambda: fake)
    monkeypatch.setattr(blas, "cores", lambda: 4)
    return fake


def threads(monkeypatch: pytest.MonkeyPatch, times: dict[int, float]) -> blas.Threads:
    def trial(self: blas.Threads, count: int) -> float:
        self._set(count)
        return times[count]

    monkeypatch.setattr(blas.Threads, "trial", trial)
    return blas.Threads(np.ones((4, 4), np.float32))


def test_a_busy_neighbour_makes_it_one_thread_and_calm_brings_all_back(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {1: 2.0, 4: 1.0}
    count = threads(monkeypatch, times)
    assert count.now == library.calls[-1] == 1
    count.observe(0.020)
    assert count.now == library.calls[-1] == 4
    for _ in range(10):
        count.observe(0.010)
    times.update({4: 50.0})  # a neighbour has come
    for _ in range(4):
        count.observe(0.100)
    assert count.now == library.calls[-1] == 1
    times.update({4: 1.0})
    for _ in range(2000):
        count.observe(0.010 if count.now == 4 else 0.020)
    assert count.now == library.calls[-1] == 4


def test_a_lucky_trial_beside_a_neighbour_costs_one_token(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    count = threads(monkeypatch, {1: 2.0, 4: 1.0})  # every trial looks good, and no token bears it out
    slow = 0
    for _ in range(2000):
        slow += count.now == 4
        count.observe(0.500 if count.now == 4 else 0.020)
    assert count.now == library.calls[-1] == 1
    assert slow < 15


def test_a_growing_context_is_no_neighbour(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    count = threads(monkeypatch, {1: 2.0, 4: 1.0})
    alone = 0
    for position in range(1000):
        alone += count.now == 1
        count.observe((0.010 if count.now == 4 else 0.020) + position * 1e-5)
    assert count.now == 4
    assert alone < 150


def test_steady_tokens_cost_no_trials(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    count = threads(monkeypatch, {1: 2.0, 4: 1.0})
    count.observe(0.020)
    before = len(library.calls)
    for _ in range(500):
        count.observe(0.010)
    assert len(library.calls) == before


def test_a_prompt_is_read_on_all_threads_and_writing_goes_on_as_before(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = threads(monkeypatch, {1: 1.0, 4: 9.0})  # a neighbour
    count.observe(0.020)
    with count.reading(100):
        assert library.calls[-1] == 4
    assert library.calls[-1] == count.now == 1
    with count.reading(2):
        assert library.calls[-1] == 1


def test_a_library_that_cannot_be_told_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    count = blas.Threads(np.ones((4, 4), np.float32))
    count.observe(1.0)
    assert count.now == count.most == 1


def test_a_trial_times_a_product_on_the_real_library() -> None:
    count = blas.Threads(np.ones((8, 8), np.float32))
    assert 0 < count.trial(1) < 1
    assert blas.cores() >= 1


@pytest.mark.parametrize(("flags", "core"), [(" ".join(blas._AVX512), "SKYLAKEX"), ("avx2", None)])
def test_skylake_kernels_are_asked_for_only_where_they_run(
    monkeypatch: pytest.MonkeyPatch, flags: str, core: str | None
) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(Path, "read_text", lambda *_: f"model: x\nflags : {flags}\nbugs: none")
    blas._prefer_skylake_kernels()
    assert blas.os.environ.get("OPENBLAS_CORETYPE") == core


def test_no_cpuinfo_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)

    def gone(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", gone)
    blas._prefer_skylake_kernels()
    assert "OPENBLAS_CORETYPE" not in blas.os.environ


def test_the_smallest_context_still_works() -> None:
    config: Config = minds.config(20, block_size=1)
    one = Engine(Weights.from_arrays(config, minds.arrays(config)))
    assert len(list(one.generate([1], Sampling(max_tokens=5), slide=True))) == 5
