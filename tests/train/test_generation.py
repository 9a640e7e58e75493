"""Writing in batches: what comes out must not depend on who is written beside whom."""

from __future__ import annotations

import pytest
import torch

from chat_app.config import Config
from chat_app.engine import Engine, Stats
from chat_app.sampler import Sampling
from tests.train.test_parity import grown, weights_of
from trainer.generation import write

GREEDY = Sampling(temperature=0, max_tokens=12)


def config(**changes) -> Config:
    sizes = {"n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_embd": 32, "n_inner": 48, "block_size": 40, "vocab_size": 97}
    return Config(**{**sizes, **changes})


def prompts(count: int, vocab_size: int = 97) -> list[list[int]]:
    return [torch.randint(0, vocab_size, (3 + 4 * row,)).tolist() for row in range(count)]


@pytest.mark.parametrize(
    "changes",
    [{}, {"position": "rope", "norm": "rmsnorm", "mlp": "swiglu", "qk_norm": True}, {"n_kv_head": 4, "bias": True}],
)
def test_a_batch_writes_what_the_model_without_a_cache_writes(changes) -> None:
    model = grown(config(**changes))
    given = prompts(5)
    for prompt, answer in zip(given, write(model, given, GREEDY), strict=True):
        ids = list(prompt)
        for _ in range(GREEDY.max_tokens):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        assert answer.ids == ids[len(prompt) :]
        assert not answer.ended


@pytest.mark.parametrize("changes", [{}, {"position": "rope", "tied": False}])
def test_logits_of_some_positions_are_those_of_all(changes) -> None:
    model = grown(config(**changes))
    ids = torch.randint(0, 97, (3, 20))
    wanted = torch.rand(3, 20) < 0.3
    with torch.no_grad():
        torch.testing.assert_close(model(ids, wanted=wanted), model(ids)[wanted])


def test_the_dice_fall_as_in_the_box() -> None:
    """The finished mind, asked one question after another with the same seeds, gives the same answers."""
    model = grown(config(position="rope"))
    engine = Engine(weights_of(model))
    sampling = Sampling(temperature=1.1, top_p=0.9, repetition_penalty=1.1, no_repeat_ngram=3, max_tokens=30)
    given, stop, never = prompts(6), [11, 12, 13], [5, 6]
    found = write(model, given, sampling, stop_ids=stop, never=never, seed=40)
    for row, (prompt, answer) in enumerate(zip(given, found, strict=True)):
        stats = Stats()
        rolled = sampling.changed("seed", str(40 + row))
        ids = list(engine.generate(prompt, rolled, stop_ids=stop, never=never, stats=stats))
        assert answer.ids == ids
        assert answer.ended == (stats.finish == "stop")
    assert len({len(answer.ids) for answer in found}) > 1


def test_an_answer_ends_with_the_context() -> None:
    model = grown(config())
    given = [[1] * 40, [2] * 35]
    assert [len(answer.ids) for answer in write(model, given, GREEDY)] == [1, 6]
