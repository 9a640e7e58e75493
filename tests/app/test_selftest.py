"""The selftest: it passes where the numbers are right, and fails where one of them is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import minds
import numpy as np
import pytest

from chat_app import selftest
from chat_app.errors import SelftestFailed
from chat_app.mind import open_mind
from chat_app.weights import Weights


def test_the_selftest_passes_on_the_machine_that_made_the_answers(babbling: Path) -> None:
    mind = open_mind(babbling)
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-6


@pytest.mark.parametrize("name", ["wte.weight", "h.0.attn.c_q.weight", "h.1.mlp.c_proj.weight", "ln_f.weight"])
def test_the_selftest_fails_when_a_weight_is_changed(babbling: Path, name: str) -> None:
    mind = open_mind(babbling)
    weights = Weights.from_mind(mind)
    weights.tensors[name][...] *= 1.05
    with pytest.raises(SelftestFailed, match="logits"):
        selftest.run(mind, weights)


def test_the_selftest_fails_on_nan(babbling: Path) -> None:
    mind = open_mind(babbling)
    weights = Weights.from_mind(mind)
    weights.ln_f[0] = np.nan
    with pytest.raises(SelftestFailed, match="begins with logits nan apart"):
        selftest.run(mind, weights)


def test_an_answer_that_goes_another_way_is_named(babbling: Path) -> None:
    mind = open_mind(babbling)
    golden = mind.golden[0]
    wrong = replace(golden, ids=(*golden.ids[:2], (golden.ids[2] + 1) % mind.config.vocab_size))
    with pytest.raises(SelftestFailed, match="token 3"):
        selftest.run(replace(mind, golden=(golden, wrong)), Weights.from_mind(mind))


def test_two_ids_too_close_to_call_are_not_a_failure(tmp_path: Path) -> None:
    config = minds.config(10)
    pieces = minds.char_pieces(alphabet="абвгдежзи")
    tensors = minds.arrays(config)
    likeliest = minds.golden(config, tensors, [9, 8, 7])["ids"][0]
    twin = next(i for i in range(1, 7) if i > likeliest)
    tensors["wte.weight"][twin] = tensors["wte.weight"][likeliest]  # equal logits always
    mind = open_mind(minds.write(tmp_path / "twins.mind", pieces, tensors, config))
    golden = mind.golden[0]
    assert golden.ids[0] == likeliest
    swapped = replace(golden, ids=(twin, *golden.ids[1:]))
    selftest.run(replace(mind, golden=(swapped,)), Weights.from_mind(mind))


def test_a_mind_without_golden_answers_proves_nothing(babbling: Path) -> None:
    mind = replace(open_mind(babbling), golden=())
    with pytest.raises(SelftestFailed, match="no golden answers"):
        selftest.run(mind, Weights.from_mind(mind))
