from __future__ import annotations

import copy
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import minds
import numpy as np
import orjson
import pytest
import torch

from tests.train.conftest import SMALL
from trainer import checkpoint, childhood, export, loop, machine, optimizers, pretrain, tokens, vocabulary
from trainer.checkpoint import State
from trainer.corpora.gather import gather
from trainer.errors import StageError
from trainer.loop import Run
from trainer.sections import Training


@pytest.fixture
def folder(prepared, tmp_path):
    """A copy of the prepared folder, to grow in."""
    return shutil.copytree(prepared, tmp_path / "grow")


def run_in(folder, recipe, **options) -> Run:
    return pretrain.prepare(recipe, folder, vocabulary.load(folder), **options)


def changed(recipe, **values):
    return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=values)})


def grow(run: Run, iterations: int | None = None) -> None:
    for _ in itertools.islice(run.go(), iterations):
        pass


def last(folder) -> checkpoint.Checkpoint:
    return checkpoint.load(folder / "pretrain" / "last", optimizers=True)


def losses(run: Run) -> list[tuple[int, float, float]]:
    return [(row["iteration"], row["train"], row["val"]) for row in run.state.curve]


def assert_same_weights(one: Run, other: Run) -> None:
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(folder, small, optimizer, tmp_path) -> None:
    recipe = changed(small, optimizer=optimizer, ema=0.8)
    whole = run_in(shutil.copytree(folder, tmp_path / "whole"), recipe)
    grow(whole)
    grow(run_in(folder, recipe), 5)
    assert last(folder).state.iteration == 5
    torch.manual_seed(999)  # whatever happened in between
    second = run_in(folder, recipe)
    assert second.state.iteration == 5
    grow(second)
    assert losses(second) == losses(whole)
    assert second.state.samples == whole.state.samples
    assert_same_weights(whole, second)
    for one, other in zip(whole.average.parameters(), second.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_killed_at_any_step_and_resumed_equals_an_unbroken_one(folder, small, tmp_path) -> None:
    recipe = changed(small, checkpoint_minutes=1e-9)  # after every iteration
    whole = run_in(shutil.copytree(folder, tmp_path / "whole"), recipe)
    grow(whole)
    kill = (
        "import os, signal, sys; from pathlib import Path; from trainer import pretrain, recipe, vocabulary\n"
        "from tests.train.conftest import SMALL; folder = Path(sys.argv[1])\n"
        "small = recipe.load(recipe.find('tiny'), (*SMALL, 'pretrain.checkpoint_minutes=1e-9'))\n"
        "for iteration in pretrain.prepare(small, folder, vocabulary.load(folder)).go():\n"
        "    if iteration % 3 == 2: os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", kill, folder], check=False).returncode == -signal.SIGKILL
    run = run_in(folder, recipe)
    assert run.state.iteration >= 6
    grow(run)
    assert losses(run) == losses(whole)
    assert_same_weights(whole, run)


def test_growing_lowers_the_held_out_loss(folder, small) -> None:
    run = run_in(folder, changed(small, max_iters=80, dropout=0.0))
    before = run.held_out.overall(run.losses(run.model))
    assert before == pytest.approx(math.log(run.model.config.vocab_size), abs=0.3)
    grow(run)
    assert run.held_out.overall(run.losses(run.model)) < before - 2


def test_every_evaluation_measures_and_writes(folder, small) -> None:
    said: list[str] = []
    run = run_in(folder, changed(small, sample_prompts=("Кот гулял", "Там")), say=said.append)
    grow(run)
    assert [row["iteration"] for row in run.state.curve] == [4, 8, 12]
    row = run.state.curve[-1]
    assert row["sources"]["stories"] == row["bits_per_byte"] > 0
    assert row["tokens_per_second"] > 0 < row["memory_mb"]
    assert row["lr_ratio"] < run.state.curve[0]["lr_ratio"]
    written = [(sample["iteration"], sample["prompt"]) for sample in run.state.samples]
    assert written[:3] == [(4, "Кот гулял"), (4, "Там"), (8, "Кот гулял")]
    assert all(sample["text"].startswith(sample["prompt"]) for sample in run.state.samples)
    assert any("held-out" in line for line in said)


def test_the_card_takes_samples_at_five_moments() -> None:
    samples = [{"iteration": i, "prompt": p, "text": f"{p}{i}"} for i in range(20, 2020, 20) for p in ("Кот", "Там")]
    found = childhood.of(State(samples=samples, tokens_per_iteration=7))
    assert [s["iteration"] for s in found] == 2 * [20, 80, 220, 620, 2000]
    assert [(s["text"], s["tokens_seen"]) for s in found[4:6]] == [("Кот2000", 14000), ("Там20", 140)]


def test_a_childhood_goes_on_where_the_mind_that_a_run_began_as_had_come() -> None:
    samples = [{"iteration": i, "prompt": "Кот", "text": f"Кот{i}"} for i in range(10, 110, 10)]
    young = State(iteration=100, samples=samples, tokens_per_iteration=7)
    later = [{"iteration": 50, "prompt": p, "text": p} for p in ("Кот", "привет")]
    state = State(samples=later, tokens_per_iteration=100, tokens_before=700, samples_before=childhood.of(young))
    found = childhood.of(state)
    assert [(s["prompt"], s["tokens_seen"]) for s in found] == [
        ("Кот", 70), ("Кот", 280), ("Кот", 700), ("Кот", 5700), ("привет", 5700),
    ]  # fmt: skip


def test_a_mind_and_its_checkpoint_tell_the_same_childhood(folder, small, tmp_path) -> None:
    run = run_in(folder, small)
    grow(run)
    export.export(small, folder, vocabulary.load(folder), tmp_path / "young.mind")
    began = checkpoint.load(folder / "pretrain" / "best").state
    for start in (tmp_path / "young.mind", folder / "pretrain" / "best"):
        tokens, seconds, samples = childhood.before(start)
        assert tokens == began.iteration * began.tokens_per_iteration
        assert seconds == pytest.approx(began.seconds, abs=0.005 * 3600)  # a card has hours with two digits
        assert samples == childhood.of(began) != []


def test_a_childhood_is_small_enough_to_travel_in_the_card() -> None:
    text = "слово " * 500
    samples = [{"iteration": i, "prompt": str(p), "text": text} for i in range(20, 2020, 20) for p in range(9)]
    found = childhood.of(State(samples=samples, tokens_per_iteration=1))
    assert [s["prompt"] for s in found] == 5 * ["0"] + 5 * ["1"] + 5 * ["2"]
    assert all(len(s["text"]) <= 240 and s["text"].endswith("слово…") for s in found)
    assert len(orjson.dumps(found)) <= 8000


@pytest.mark.parametrize("card", [
    {"samples": None}, {"figures": None}, {"samples": ["текст"]}, {"figures": {"tokens_seen": None}}, {"samples": {}},
])  # fmt: skip
def test_a_card_may_hold_anything_and_tell_no_childhood(tmp_path, card) -> None:
    assert childhood.before(minds.random_mind(tmp_path / "odd.mind", card=card)) == (0, 0, [])


def test_an_older_card_tells_its_childhood_in_proportion() -> None:
    tokens, seconds, samples = childhood.before(minds.ROOT / "assets" / "homunculus-small-base.mind")
    assert (tokens, seconds) == (20037632, 2 * 3600)
    assert [sample["tokens_seen"] for sample in samples][-1] == tokens


def test_the_best_weights_are_kept_beside_the_last(folder, small) -> None:
    run = run_in(folder, changed(small, max_iters=40, eval_interval=10, lr=0.05, warmup_iters=0, schedule="cosine"))
    grow(run, 20)
    with torch.no_grad():  # from here on it gets worse
        for parameter in run.model.parameters():
            parameter.normal_()
    grow(run)
    best = checkpoint.load(folder / "pretrain" / "best")
    assert best.state.iteration <= 20 < last(folder).state.iteration
    assert best.state.best_loss == pytest.approx(min(row["val"] for row in run.state.curve), abs=1e-4)


def test_the_last_weights_are_kept_where_the_recipe_wants_them(folder, small) -> None:
    run = run_in(folder, changed(small, max_iters=8, eval_interval=4, keep="last"))
    grow(run, 4)
    with torch.no_grad():  # from here on it gets worse
        for parameter in run.model.parameters():
            parameter.normal_()
    grow(run)
    assert run.state.curve[0]["val"] < run.state.curve[-1]["val"]
    kept = checkpoint.load(folder / "pretrain" / "best")
    assert kept.state.iteration == 8
    assert torch.equal(kept.model["wte.weight"], run.model.state_dict()["wte.weight"])
    with pytest.raises(ValueError, match="leave one out"):
        Training(keep="last", patience=2)


def test_averaged_weights_are_shipped_where_they_are_better(folder, small) -> None:
    run = run_in(folder, changed(small, ema=0.9, max_iters=60, eval_interval=20, schedule="cosine", lr=0.02))
    grow(run)
    row = run.state.curve[-1]
    assert row["ema_val"] != row["val"]
    best = checkpoint.load(folder / "pretrain" / "best").model
    better = run.average.module if row["ema_val"] < row["val"] else run.model
    assert run.state.best_iteration == 60
    assert torch.equal(best["wte.weight"], better.state_dict()["wte.weight"])


def test_it_ends_early_when_the_held_out_loss_stands_still(folder, small) -> None:
    said: list[str] = []
    recipe = changed(small, patience=3, max_iters=1000, eval_interval=2, lr=1e-9, muon_lr=1e-9, warmup_iters=0)
    run = run_in(folder, recipe, say=said.append)
    grow(run)
    assert run.state.iteration < 100
    assert any("has not improved for 6 iterations" in line for line in said)


class Clock:
    """A clock that iterations and evaluations move, and nothing else."""

    def __init__(self, monkeypatch, *, iteration, evaluation=0.0) -> None:
        self.now, step, losses = 0.0, Run.step, Run.losses
        monkeypatch.setattr(loop.time, "monotonic", lambda: self.now)

        def stepping(run: Run) -> float:
            loss = step(run)
            self.now += iteration(run.state.iteration) if callable(iteration) else iteration
            return loss

        def measuring(run: Run, model: torch.nn.Module) -> dict[str, float]:
            self.now += evaluation
            return losses(run, model)

        monkeypatch.setattr(Run, "step", stepping)
        monkeypatch.setattr(Run, "losses", measuring)


def grow_within(run: Run) -> list[float]:
    """The rates of all iterations."""
    return [run.optimizers[0].param_groups[0]["lr"] for _ in run.go()]


def test_a_time_budget_ends_with_a_cooldown_and_a_checkpoint(folder, small, monkeypatch) -> None:
    Clock(monkeypatch, iteration=0.6)  # a hundred iterations a minute
    run = run_in(folder, changed(small, max_iters=10_000, eval_interval=10), minutes=1)
    grow_within(run)
    assert 90 <= run.state.iteration == run.state.max_iters <= 100
    assert last(folder).state.iteration == run.state.iteration
    assert run.state.curve[-1]["lr_ratio"] < 0.05


def test_a_time_budget_reckons_with_evaluations(folder, small, monkeypatch) -> None:
    clock = Clock(monkeypatch, iteration=1.0, evaluation=30.0)
    run = run_in(
        folder, changed(small, max_iters=10_000, eval_interval=50, cooldown=0.4, sample_prompts=()), minutes=10
    )
    rates = grow_within(run)
    assert run.state.iteration == run.state.max_iters
    assert 560 < clock.now <= 600
    assert run.state.curve[-1]["iteration"] == run.state.iteration
    begun = next(i for i in range(50, len(rates)) if rates[i] < max(rates))
    assert begun == pytest.approx(0.6 * len(rates), rel=0.15)


def test_a_time_budget_follows_a_speed_that_changes(folder, small, monkeypatch) -> None:
    # It compiles, is disturbed, then is alone.
    clock = Clock(monkeypatch, iteration=lambda i: 30 if i == 1 else 2 if i < 40 else 0.25)
    run = run_in(folder, changed(small, max_iters=10_000, eval_interval=50), minutes=4)
    rates = grow_within(run)
    assert 400 < run.state.iteration == run.state.max_iters < 620
    assert clock.now <= 240
    falls = [later - earlier for earlier, later in itertools.pairwise(rates[10:])]
    assert max(falls) <= 0  # it never leaps back up
    assert rates[-1] < 0.05 * max(rates)


def test_a_time_budget_that_ends_in_the_middle_can_be_gone_on_from(folder, small, monkeypatch) -> None:
    said: list[str] = []
    Clock(monkeypatch, iteration=0.6)
    recipe = changed(small, max_iters=200, schedule="cosine", eval_interval=1000)
    run = run_in(folder, recipe, minutes=0.5, say=said.append)
    grow(run)
    assert 49 <= run.state.iteration <= 52
    assert any("The 0.5 minutes are over" in line for line in said)
    assert checkpoint.load(folder / "pretrain" / "best").state.iteration == run.state.iteration  # it can be shipped
    again = run_in(folder, recipe)
    assert (again.state.iteration, again.state.max_iters) == (run.state.iteration, 200)


def test_a_resumed_run_takes_its_rates_and_decay_from_the_recipe(folder, small) -> None:
    grow(run_in(folder, small), 3)
    run = run_in(folder, changed(small, lr=1e-9, muon_lr=2e-9, weight_decay=0.7))
    assert [group["peak_lr"] for o in run.optimizers for group in o.param_groups] == [1e-9, 1e-9, 2e-9]
    assert run.optimizers[1].param_groups[0]["weight_decay"] == 0.7
    before = run.model.h[0].mlp.c_fc.weight.detach().clone()
    run.step()
    assert torch.allclose(run.model.h[0].mlp.c_fc.weight, before, atol=1e-6)


def test_a_finished_run_that_is_made_longer_has_a_cooldown_again(folder, small) -> None:
    grow(run_in(folder, small))
    run = run_in(folder, changed(small, max_iters=40))
    assert (run.state.iteration, run.state.max_iters, run.state.cooldown_start) == (12, 40, None)
    grow(run)
    assert run.state.iteration == 40
    assert run.state.cooldown_start == 20


def test_a_run_stopped_before_its_first_evaluation_can_be_shipped(folder, small) -> None:
    run = run_in(folder, changed(small, eval_interval=1000, max_iters=1000))
    for iteration in run.go():
        run.stop = iteration == 3
    assert run.state.iteration == 3
    assert checkpoint.load(folder / "pretrain" / "best").state.iteration == 3


def test_a_checkpoint_of_another_recipe_is_refused(folder, small) -> None:
    grow(run_in(folder, small), 1)
    other = small.model_copy(update={"model": small.model.model_copy(update={"n_layer": 2})})
    with pytest.raises(StageError, match="another model or vocabulary"):
        run_in(folder, other)
    with pytest.raises(StageError, match="another batch_size"):
        run_in(folder, changed(small, batch_size=8))
    assert run_in(folder, changed(small, max_iters=99)).state.max_iters == 99  # growing longer is the point


def test_a_broken_checkpoint_is_a_sentence(folder, small) -> None:
    with pytest.raises(StageError, match="run the pretrain stage first"):
        last(folder)
    grow(run_in(folder, small), 1)
    for name in ("model.safetensors", "optimizers.pt", "state.json"):
        path = folder / "pretrain" / "last" / name
        whole = path.read_bytes()
        for torn in (b"", whole[: len(whole) // 2], b"PK not a checkpoint"):
            path.write_bytes(torn)
            with pytest.raises(StageError, match="cannot be read"):
                run_in(folder, small)
        path.write_bytes(whole)
    assert run_in(folder, small).state.iteration == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("name", ["model.safetensors", "optimizers.pt", "state.json"])
def test_a_full_disk_while_saving_leaves_the_last_checkpoint(folder, small, name) -> None:
    import resource

    run = run_in(folder, small)
    grow(run, 2)
    files = {path.name: path.stat().st_size for path in (folder / "pretrain" / "last").iterdir()}
    if name == "state.json":  # longer than the others together
        run.state.samples.append({"text": "а" * sum(files.values())})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = {"model.safetensors": 1000, "optimizers.pt": files["optimizers.pt"] - 1000}.get(name, max(files.values()))
    assert name != "optimizers.pt" or room > files["model.safetensors"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        run.step()
        with pytest.raises(OSError, match="File too large"):
            run.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert last(folder).state.iteration == 2
    assert [path.name for path in (folder / "pretrain").iterdir() if "partial" in path.name] == []


def test_an_error_of_torch_that_is_not_the_disks_stays_one(folder, small, monkeypatch) -> None:
    def broken(values, file):
        raise RuntimeError("a fault of ours")

    run = run_in(folder, small)
    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        run.save()


def test_a_corpus_made_anew_is_not_gone_on_with(folder, small, tmp_path) -> None:
    grow(run_in(folder, small), 1)
    state = folder / "pretrain" / "last" / "state.json"
    assert run_in(folder, small).state.iteration == 1
    corpus = small.corpus.model_copy(update={"seed": 5})  # what was learned is held out now
    gather(corpus, folder)
    tokens.make(vocabulary.load(folder), folder)
    with pytest.raises(StageError, match=r"begun with another text, held-out text: remove .*pretrain to begin anew"):
        run_in(folder, small)
    older = orjson.loads(state.read_bytes())
    del older["origin"]
    state.write_bytes(orjson.dumps(older))
    assert run_in(folder, small).state.iteration == 1


def test_a_machine_that_is_slow_at_bf16_computes_in_fp32_and_says_so_once(folder, small, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(machine, "multiplies_bf16", lambda device: False)
    run = run_in(folder, changed(small, bf16=True), say=said.append)
    grow(run)
    fresh = shutil.copytree(folder, folder.with_name("plain"), ignore=shutil.ignore_patterns("pretrain"))
    plain = run_in(fresh, changed(small, bf16=False), say=said.append)
    grow(plain)
    assert_same_weights(run, plain)
    assert sum("slow at bfloat16" in line for line in said) == 1


def test_a_kill_between_the_two_renames_loses_no_checkpoint(folder, small) -> None:
    grow(run_in(folder, small), 2)
    stage = folder / "pretrain"
    (stage / "last").rename(stage / ".last.before")
    (stage / ".last.partial").mkdir()
    run = run_in(folder, small)
    assert run.state.iteration == 2
    grow(run, 1)
    assert last(folder).state.iteration == 3
    assert sorted(path.name for path in stage.iterdir()) == ["last"]


def test_a_text_shorter_than_a_sequence_is_a_sentence(folder, small) -> None:
    recipe = small.model_copy(update={"model": small.model.model_copy(update={"block_size": 100_000})})
    with pytest.raises(StageError, match="give more text, or a smaller block_size"):
        run_in(folder, recipe)


def test_the_rate_warms_up_and_comes_down() -> None:
    cosine = Training(schedule="cosine", warmup_iters=100, lr_decay_iters=2000, min_lr_ratio=0.1)
    assert optimizers.rate_ratio(cosine, 0, 5000) == pytest.approx(1 / 101)
    assert optimizers.rate_ratio(cosine, 100, 5000) == pytest.approx(1)
    assert optimizers.rate_ratio(cosine, 1050, 5000) == pytest.approx(0.55)
    assert optimizers.rate_ratio(cosine, 4999, 5000) == pytest.approx(0.1)
    wsd = Training(schedule="wsd", warmup_iters=10, cooldown=0.4, min_lr_ratio=0.0)
    assert optimizers.planned_cooldown(wsd, 1000) == 600
    assert optimizers.rate_ratio(wsd, 600, 1000) == pytest.approx(1)
    assert optimizers.rate_ratio(wsd, 800, 1000) == pytest.approx(0.5)
    assert optimizers.rate_ratio(wsd, 999, 1000) == pytest.approx(0.0025)
    assert optimizers.rate_ratio(wsd, 900, 1000, (800, 0.6)) == pytest.approx(0.3)


def test_a_warm_up_ends_where_the_cooldown_begins(folder, small) -> None:
    wsd = Training(schedule="wsd", warmup_iters=100, cooldown=0.4, min_lr_ratio=0.0)  # and then there is little time
    rates = [optimizers.rate_ratio(wsd, iteration, 50) for iteration in range(50)]
    assert rates[29] == pytest.approx(30 / 31)
    assert rates[30] == max(rates) == 1
    assert rates[49] == pytest.approx(0.05)
    assert optimizers.rate_ratio(wsd, 40, 60, (40, 0.5)) == pytest.approx(0.5)  # never again once it cools
    with pytest.raises(ValueError, match="warmup_iters 100 is not below max_iters 50"):
        Training(warmup_iters=100, max_iters=50)


def test_muon_in_stacks_learns_what_torchs_own_learns() -> None:
    def matrices() -> list[torch.nn.Parameter]:
        chance = torch.Generator().manual_seed(1)
        return [torch.nn.Parameter(torch.randn(shape, generator=chance))
                for shape in ((48, 48), (96, 32), (32, 96), (96, 32), (48, 48), (8, 24))]  # fmt: skip

    torchs, ours = matrices(), matrices()
    both = [kind(params, lr=0.02, weight_decay=0.1)
            for kind, params in ((torch.optim.Muon, torchs), (optimizers.StackedMuon, ours))]  # fmt: skip
    chance = torch.Generator().manual_seed(2)
    for iteration in range(6):
        for a, b in zip(torchs, ours, strict=True):
            a.grad = torch.randn(a.shape, generator=chance)
            b.grad = a.grad.clone()
        if iteration == 2:
            torchs[1].grad = ours[1].grad = None  # has learned nothing
        if iteration == 4:
            both[1].load_state_dict(copy.deepcopy(both[0].state_dict()))  # whichever wrote it
        for optimizer in both:
            optimizer.step()
    for begun, a, b in zip(matrices(), torchs, ours, strict=True):
        assert (a - b).norm() < 0.05 * (a - begun).norm()  # both multiply in bf16, in another order


def test_gradients_accumulated_are_those_of_the_whole_batch(folder, small) -> None:
    found = []
    for batch_size, gradient_accumulation in ((8, 1), (2, 4)):
        recipe = changed(
            small, batch_size=batch_size, gradient_accumulation=gradient_accumulation, dropout=0.0, bf16=False,
            grad_clip=0.0, optimizer="adamw",
        )  # fmt: skip
        run = run_in(folder, recipe)
        run.batches = HalfCounted()
        found.append((run.step(), run.model.wte.weight.detach().clone()))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


class HalfCounted:
    """A batch in which some rows have fewer targets, as a stage with a mask has."""

    def batch(self, iteration, cooldown_start):
        chance = np.random.default_rng(iteration)
        ids, targets = chance.integers(0, 300, (8, 32)), chance.integers(0, 300, (8, 32))
        for row in range(8):
            targets[row, : 4 * row] = -1
        return ids, targets


def command(folder, *changes: str) -> list[str]:
    words = ["-m", "trainer", "pretrain", "tiny", "--out", str(folder), "--device", "cpu"]
    for change in (*SMALL, *changes):
        words += ["--set", change]
    return words


@contextmanager
def started(words: list[str], seconds: float = 180) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended when it takes too long: then its output ends too."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )

    def end() -> None:
        process.terminate()  # torchrun ends its processes, within half a minute if need be
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()

    limit = threading.Timer(seconds, end)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        end()
        process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_kill_ends_a_run_between_iterations_with_a_checkpoint(folder, small, sent) -> None:
    words = [sys.executable, *command(folder, "pretrain.max_iters=1000000", "pretrain.eval_interval=5")]
    with started(words) as process:
        for line in process.stdout:
            if "iteration 10:" in line:
                break
        process.send_signal(sent)
        rest = process.communicate()[0]
    assert process.returncode == 128 + sent, rest  # what waits for the stage must not think that it came to its end
    assert "The same command goes on from here" in rest
    assert "Traceback" not in rest
    assert last(folder).state.iteration >= 10


def test_the_end_of_the_time_is_no_failure(folder, small) -> None:
    words = [sys.executable, *command(folder, "pretrain.max_iters=1000000", "pretrain.schedule=cosine")]
    with started([*words, "--minutes", "0.01"]) as process:
        said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "minutes are over" in said


def test_two_processes_learn_what_one_learns(folder, small, tmp_path) -> None:
    changes = ("pretrain.bf16=false", "pretrain.dropout=0.0")
    recipe = changed(small, bf16=False, dropout=0.0)
    alone = run_in(shutil.copytree(folder, tmp_path / "alone"), recipe)
    grow(alone)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]  # on a free port
    with started([*torchrun, *command(folder, *changes)]) as process:
        said = process.communicate()[0]
    assert process.returncode == 0, said
    assert said.count("iteration 12:") == 1  # the first alone speaks
    state = last(folder).state
    for row, expected in zip(state.curve, alone.state.curve, strict=True):
        assert row["train"] == pytest.approx(expected["train"], abs=1e-3)
        assert row["val"] == pytest.approx(expected["val"], abs=1e-3)


def test_processes_that_cannot_share_a_batch_are_told(folder, small) -> None:
    with pytest.raises(StageError, match="cannot be divided among 3 processes"):
        run_in(folder, small, ranks=loop.Ranks(0, 3))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(folder, small) -> None:
    grow(run_in(folder, small), 3)
    run = run_in(folder, small)
    with torch.no_grad():
        run.model.ln_f.weight.fill_(math.nan)
    with pytest.raises(StageError, match=r"at iteration 3: lower lr or muon_lr of the pretrain stage"):
        grow(run)
    assert last(folder).state.iteration == 3
    assert run_in(folder, small).state.iteration == 3


@pytest.mark.parametrize("clip", [1.0, 0.0])
def test_a_gradient_that_is_no_number_reaches_no_weight_and_no_checkpoint(folder, small, clip) -> None:
    run = run_in(folder, changed(small, grad_clip=clip, checkpoint_minutes=1e-9))
    grow(run, 3)
    run.model.ln_f.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(StageError, match=r"A gradient is no longer a number at iteration 3: lower lr or muon_lr"):
        grow(run)
    assert all(tensor.isfinite().all() for tensor in last(folder).model.values())
    assert last(folder).state.iteration == 3


def test_weights_that_foretell_no_number_are_never_the_best(folder, small) -> None:
    run = run_in(folder, changed(small, keep="last"))
    assert run._is_best(1.0, {})
    assert not run._is_best(math.nan, {})


def test_without_a_compiler_it_goes_on_uncompiled_and_says_so(folder, small, monkeypatch) -> None:
    def broken(model, dynamic):
        def forward(*args):
            raise machine.compile_errors()[0]("InvalidCxxCompiler: No working C++ compiler found")

        return forward

    said: list[str] = []
    monkeypatch.setattr(torch, "compile", broken)
    run = run_in(folder, changed(small, compile=True), say=said.append)
    grow(run)
    plain = run_in(shutil.copytree(folder, folder.with_name("plain"), ignore=shutil.ignore_patterns("pretrain")), small)
    grow(plain)
    assert_same_weights(run, plain)
    assert sum("torch.compile does not work here" in line for line in said) == 1


@pytest.fixture
def mind(folder, small):
    grow(run_in(folder, small))
    export.export(small, folder, vocabulary.load(folder), folder / "small.mind")
    return folder / "small.mind"


def test_a_run_starts_from_a_mind_or_an_earlier_checkpoint(mind, folder, small, tmp_path) -> None:
    said: list[str] = []
    run_in(folder, small, start=mind, say=said.append)
    assert "it goes on from its last checkpoint, not from" in said[0]
    for start, tolerance in ((mind, 1e-3), (folder / "pretrain" / "best", 0)):
        fresh = shutil.copytree(folder, tmp_path / start.name, ignore=shutil.ignore_patterns("pretrain"))
        run = run_in(fresh, small, start=start)
        assert run.state.iteration == 0
        inherited = childhood.before(start)
        assert (run.state.tokens_before, run.state.seconds_before, run.state.samples_before) == inherited
        assert inherited[0] > 0 < len(inherited[2])
        run.save()
        again = run_in(fresh, small, start=tmp_path / "gone.mind")
        assert (again.state.tokens_before, again.state.seconds_before, again.state.samples_before) == inherited
        for name, tensor in checkpoint.load(folder / "pretrain" / "best").model.items():
            assert torch.allclose(run.model.state_dict()[name], tensor, atol=tolerance, rtol=0), name


def test_the_vocabulary_of_a_mind_or_a_run_is_taken_over(mind, folder, tmp_path) -> None:
    pieces = vocabulary.load(folder)
    expected = tokens.load(folder, "val").ids.tolist()
    for name, start in (("mind", mind), ("run", folder / "pretrain" / "best")):
        fresh = shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("vocabulary*", "*.bin"))
        assert vocabulary.take(start, fresh) == vocabulary.load(fresh) == pieces
        assert (fresh / "spm.model").exists() == (name == "run")
        tokens.make(pieces, fresh)
        assert tokens.load(fresh, "val").ids.tolist() == expected
    with pytest.raises(StageError, match="cannot be started from"):
        vocabulary.take(folder / "tokens.json", tmp_path)
    with pytest.raises(StageError, match=r"is no checkpoint of a run, or its vocabulary\.json is gone"):
        vocabulary.take(tmp_path / "mind" / "pretrain", tmp_path)


def test_a_mind_of_another_shape_or_vocabulary_is_no_start(mind, folder, small, prepared) -> None:
    shutil.rmtree(folder / "pretrain")
    longer = small.model_copy(update={"model": small.model.model_copy(update={"block_size": 64})})
    assert run_in(folder, longer, start=mind).model.config.block_size == 64  # rope knows no longest context
    wider = small.model_copy(update={"model": small.model.model_copy(update={"n_inner": 64})})
    with pytest.raises(StageError, match=r"has n_inner 48, and the recipe's model\.n_inner is 64"):
        run_in(folder, wider, start=mind)
    pieces = orjson.loads((folder / "vocabulary.json").read_bytes())
    pieces["pieces"][-1] += "х"
    (folder / "vocabulary.json").write_bytes(orjson.dumps(pieces))
    with pytest.raises(StageError, match="has another vocabulary"):
        run_in(folder, small, start=mind)
    with pytest.raises(StageError, match=r"cannot be started from: There is no mind at"):
        run_in(folder, small, start=folder / "nothing.mind")
