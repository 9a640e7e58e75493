from __future__ import annotations

import itertools
import math
import shutil
import subprocess
import sys

import pytest
import torch

from tests.train.conftest import SMALL
from trainer import vocabulary
from trainer.errors import StageError
from trainer.pretrain import CHECKPOINT, Run, learning_rate_ratio, read_checkpoint
from trainer.recipe import Pretrain


@pytest.fixture
def folder(prepared, tmp_path):
    """A copy of the prepared folder, to grow in."""
    return shutil.copytree(prepared, tmp_path / "grow")


def run_in(folder, recipe) -> Run:
    return Run(recipe, folder, vocabulary.load(folder), "cpu")


def changed(recipe, **values):
    return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=values)})


def grow(run: Run, iterations: int | None = None) -> list[str]:
    said: list[str] = []
    for _ in itertools.islice(run.go(said.append), iterations):
        pass
    return said


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(folder, small, optimizer, tmp_path) -> None:
    recipe = changed(small, optimizer=optimizer)
    whole_folder = shutil.copytree(folder, tmp_path / "whole")
    whole = run_in(whole_folder, recipe)
    grow(whole)
    first = run_in(folder, recipe)
    grow(first, 5)
    assert read_checkpoint(folder / CHECKPOINT)["state"]["iteration"] == 5
    torch.manual_seed(999)  # whatever happened in between
    second = run_in(folder, recipe)
    assert second.resume()
    assert second.state.iteration == 5
    grow(second)
    assert second.state.curve == whole.state.curve
    assert second.state.samples == whole.state.samples
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_growing_lowers_the_held_out_loss(folder, small) -> None:
    run = run_in(folder, changed(small, max_iters=80, dropout=0.0))
    before = run.held_out_loss()
    assert before == pytest.approx(math.log(run.config.vocab_size), abs=0.3)
    grow(run)
    assert run.held_out_loss() < before - 2


def test_it_writes_samples_at_four_moments(folder, small) -> None:
    run = run_in(folder, changed(small, max_iters=20, sample_at=(0.1, 0.2, 0.5, 1.0)))
    said = grow(run)
    assert [sample["iteration"] for sample in run.state.samples] == [2, 4, 10, 20]
    assert all(sample["text"].startswith("Кот гулял") for sample in run.state.samples)
    assert any("held-out" in line for line in said)


def test_a_run_that_is_shortened_on_the_way_skips_no_sample(folder, small) -> None:
    grow(run_in(folder, changed(small, max_iters=1000, sample_at=(0.001, 0.01, 1.0))), 4)
    run = run_in(folder, changed(small, max_iters=8, sample_at=(0.1, 0.25, 1.0)))
    run.resume()
    grow(run)
    assert [sample["iteration"] for sample in run.state.samples] == [1, 5, 8]


def test_a_checkpoint_of_another_recipe_is_refused(folder, small) -> None:
    run = run_in(folder, small)
    grow(run, 1)
    other = small.model_copy(update={"model": small.model.model_copy(update={"n_layer": 2})})
    with pytest.raises(StageError, match="another model or vocabulary"):
        run_in(folder, other).resume()
    with pytest.raises(StageError, match="another batch_size"):
        run_in(folder, changed(small, batch_size=8)).resume()
    assert run_in(folder, changed(small, max_iters=99)).resume()  # growing longer is the point of resuming


def test_a_broken_checkpoint_is_a_sentence(folder, small) -> None:
    with pytest.raises(StageError, match="run the pretrain stage first"):
        read_checkpoint(folder / CHECKPOINT)
    (folder / CHECKPOINT).write_bytes(b"PK not a checkpoint")
    with pytest.raises(StageError, match="cannot be read"):
        run_in(folder, small).resume()


def test_a_kill_while_saving_leaves_the_last_checkpoint(folder, small, monkeypatch) -> None:
    run = run_in(folder, small)
    grow(run, 2)
    before = (folder / CHECKPOINT).read_bytes()

    def torn(values, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="No space"):
        run.save()
    assert (folder / CHECKPOINT).read_bytes() == before
    assert [path.name for path in folder.iterdir() if "partial" in path.name] == []


def test_a_text_shorter_than_a_sequence_is_a_sentence(folder, small) -> None:
    recipe = small.model_copy(update={"model": small.model.model_copy(update={"block_size": 100_000})})
    with pytest.raises(StageError, match="give more text, or a smaller block_size"):
        run_in(folder, recipe)


def test_the_rate_warms_up_and_comes_down() -> None:
    cosine = Pretrain(schedule="cosine", warmup_iters=100, lr_decay_iters=2000, max_iters=5000, min_lr_ratio=0.1)
    assert learning_rate_ratio(cosine, 0) == pytest.approx(1 / 101)
    assert learning_rate_ratio(cosine, 100) == pytest.approx(1)
    assert learning_rate_ratio(cosine, 1050) == pytest.approx(0.55)
    assert learning_rate_ratio(cosine, 4999) == pytest.approx(0.1)
    wsd = Pretrain(schedule="wsd", warmup_iters=10, max_iters=1000, cooldown=0.4, min_lr_ratio=0.0)
    assert learning_rate_ratio(wsd, 600) == pytest.approx(1)
    assert learning_rate_ratio(wsd, 800) == pytest.approx(0.5)
    assert learning_rate_ratio(wsd, 999) == pytest.approx(0.0025)


def test_kill_ends_a_run_between_iterations_with_a_checkpoint(folder, small) -> None:
    command = [sys.executable, "-m", "trainer", "pretrain", "tiny", "--out", str(folder), "--device", "cpu"]
    for change in (*SMALL, "pretrain.max_iters=1000000", "pretrain.eval_interval=5"):
        command += ["--set", change]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if "iteration 10:" in line:
            break
    process.terminate()
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert read_checkpoint(folder / CHECKPOINT)["state"]["iteration"] >= 10


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(folder, small) -> None:
    run = run_in(folder, small)
    grow(run, 3)
    run = run_in(folder, small)
    run.resume()
    with torch.no_grad():
        run.model.ln_f.weight.fill_(math.nan)
    with pytest.raises(StageError, match=r"at iteration 3: lower pretrain\.lr or pretrain\.muon_lr"):
        grow(run)
    assert read_checkpoint(folder / CHECKPOINT)["state"]["iteration"] == 3
    assert run_in(folder, small).resume()
