"""KTO against trl's own, on the same log-probabilities, and a whole run on a mind of a few thousand numbers."""

from __future__ import annotations

import itertools
import shutil
import sys
import warnings
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app import selftest
from chat_app.mind import open_mind
from chat_app.template import Message
from chat_app.weights import Weights
from tests.train.conftest import SMALL
from tests.train.test_pretrain import started
from tests.train.test_sft import SECTIONS, chatty, folder, ready, recipe  # noqa: F401 - fixtures
from trainer import checkpoint, export, kto, sft, vocabulary
from trainer import recipe as recipes
from trainer.__main__ import main
from trainer.errors import CorpusError, ExportError, RecipeError, StageError
from trainer.kto import kto_losses, sequence_log_probabilities, z_ref
from trainer.pairs import rated
from trainer.pairs.batches import RatedBatches, Row
from trainer.pairs.rated import Rated
from trainer.sections import Kto, Variant


@pytest.fixture(scope="module")
def trl():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.trainer.kto_trainer import KTOTrainer
    return KTOTrainer


def their_loss(trl, policy, reference, crossed, crossed_reference, desirable, chosen: Kto) -> torch.Tensor:
    """What trl computes where a model gives these log-probabilities [B, T]; the machinery around it is idle."""
    accelerator = SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=accelerator, calculate_KL=True, precompute_ref_logps=True,
        aux_loss_enabled=False, loss_type="kto", beta=chosen.beta, desirable_weight=chosen.desirable_weight,
        undesirable_weight=chosen.undesirable_weight, _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0, _tp_size=1, _compute_kl_logps=lambda model, batch: crossed,
    )  # fmt: skip
    ids = torch.zeros(policy.shape[0], policy.shape[1] + 1, dtype=torch.long)
    inputs = {
        "input_ids": ids, "attention_mask": torch.ones_like(ids), "completion_mask": torch.ones_like(ids),
        "label": desirable, "ref_logps": reference, "ref_KL_logps": crossed_reference,
    }  # fmt: skip
    said = SimpleNamespace(log_probs=policy, entropy=torch.zeros_like(policy), mean_logits=torch.zeros_like(policy))
    return trl._compute_loss(trainer, lambda **_: said, inputs, False)


@pytest.mark.parametrize("seed", range(8))
def test_loss_and_gradients_equal_trl(trl, seed) -> None:
    torch.manual_seed(seed)
    rows, positions = 12, 7
    policy = (-4 * torch.rand(rows, positions, dtype=torch.float64)).requires_grad_()
    ours = policy.detach().clone().requires_grad_()
    reference = policy.detach().sum(1) + 3 * torch.randn(rows, dtype=torch.float64)
    crossed = -40 * torch.rand(rows, dtype=torch.float64)
    crossed_reference = crossed + 2 * torch.randn(rows, dtype=torch.float64) + (seed - 4)  # z_ref clamped in some
    desirable = torch.rand(rows) < 0.4
    desirable[:2] = torch.tensor([True, False])
    chosen = Kto(beta=0.05 * (seed + 1), desirable_weight=1 + 0.1 * seed, undesirable_weight=1.33)
    theirs = their_loss(trl, policy, reference, crossed, crossed_reference, desirable, chosen)
    theirs.backward()
    point = z_ref(crossed, crossed_reference)
    loss = kto_losses(ours.sum(1) - reference, desirable, point, chosen).mean()
    loss.backward()
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    torch.testing.assert_close(ours.grad, policy.grad, atol=1e-6, rtol=0)


def test_numbers_worked_by_hand() -> None:
    """beta 0.1, rewards 2 and -3, z_ref 1: lambda - v = 1 - sigmoid(0.1) and 1 - sigmoid(0.4) (eq. 8)."""
    found = kto_losses(torch.tensor([2.0, -3.0]), torch.tensor([True, False]), torch.tensor(1.0), Kto())
    torch.testing.assert_close(found, torch.tensor([0.475020813, 0.401312340]))
    assert z_ref(torch.tensor([-3.0, -5.0]), torch.tensor([-1.0, -1.0])).item() == 0
    assert z_ref(torch.tensor([-3.0, -5.0]), torch.tensor([-1.0, -1.0]), clamp=False).item() == -3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9), st.floats(0, 20), st.floats(0.01, 1))
def test_every_gradient_goes_where_the_rating_points(rewards, point, beta) -> None:
    for good in (True, False):
        given = torch.tensor(rewards, dtype=torch.float64, requires_grad=True)
        kto_losses(given, torch.full((len(rewards),), good), torch.tensor(point), Kto(beta=beta)).sum().backward()
        assert torch.all(given.grad <= 0 if good else given.grad >= 0)


def test_a_log_probability_counts_the_answer_alone(recipe, folder) -> None:  # noqa: F811
    model = sft.prepare(recipe, folder, vocabulary.load(folder)).model.eval()
    ids = torch.tensor([[5, 9, 7, 8, 3]])
    targets = torch.tensor([[-1, -1, 8, 3, -1]])
    with torch.no_grad():
        odds = model(ids).log_softmax(-1)
        found = sequence_log_probabilities(model, ids, targets)
    torch.testing.assert_close(found, (odds[0, 2, 8] + odds[0, 3, 3])[None])


def rows(count: int) -> list[Row]:
    return [Row([1, 2, number], [3] * (1 + number % 4) + [4], bool(number % 3)) for number in range(count)]


def test_every_answer_is_crossed_with_another_prompt_and_kept_with_what_the_reference_thinks(tmp_path) -> None:
    pair = [Row([1, 2, 9], [3, 4], True), Row([1, 2, 9], [8, 4], False)]
    batches = RatedBatches(rows(14) + pair, 8, 0, 64)
    asked = []

    def refer(ids, targets):
        asked.append(len(ids))
        return -np.where(targets >= 0, targets + ids[:, 2:3] / 100, 0).sum(1)

    batches.refer(refer, 3, tmp_path / "reference.npz", "w", 99, print)
    assert sum(asked) == 2 * 16
    seen = []
    for iteration in range(len(batches)):
        batch = batches.batch(iteration)
        for row, other, mine, crossed in zip(batch.rows, batch.crossed, batch.reference, batch.crossed_reference):
            assert other.prompt == row.prompt
            assert other.completion in [each.completion for each in batch.rows if each.prompt != row.prompt]
            for each, found in ((row, mine), (other, crossed)):
                assert found == pytest.approx(-sum(token + row.prompt[2] / 100 for token in each.completion), abs=1e-4)
        seen += batch.rows
    assert sorted(map(repr, seen)) == sorted(map(repr, rows(14) + pair))
    again = RatedBatches(rows(14) + pair, 8, 0, 64)
    again.refer(lambda ids, targets: pytest.fail("asked twice"), 3, tmp_path / "reference.npz", "w", 99, print)
    assert np.array_equal(again.batch(1).reference, batches.batch(1).reference)
    with pytest.raises(StageError, match="begun with other weights"):
        again.refer(refer, 3, tmp_path / "reference.npz", "others", 99, print)


@pytest.mark.parametrize(("count", "sizes"), [(60, [60]), (70, [35, 35]), (100, [33, 33, 34]), (64, [32, 32])])
def test_no_rated_answer_is_left_out(tmp_path, count, sizes) -> None:
    batches = RatedBatches(rows(count), 32, 0, 64)
    batches.refer(lambda ids, targets: targets.max(1), 16, tmp_path / "reference.npz", "w", 99, print)
    epoch = [batches.batch(iteration) for iteration in range(len(batches))]
    assert sorted(map(len, epoch)) == sizes
    assert sorted(row.prompt[2] for batch in epoch for row in batch.rows) == list(range(count))
    for batch in epoch:
        assert batch.reference.tolist() == [max(row.completion) for row in batch.rows]
        assert sum(len(part.ids) for part in batch.parts(16)) == len(batch)


def test_batches_of_another_size_are_asked_about_anew(tmp_path) -> None:
    asked = []
    for size in (8, 8, 12, 12):
        batches = RatedBatches(rows(24), size, 0, 64)
        batches.refer(
            lambda ids, targets, size=size: asked.append(size) or targets.max(1), 99, tmp_path / "r.npz", "w", 99, print
        )
    assert asked == [8] * 3 * 2 + [12] * 2 * 2


def test_only_answers_that_are_learned_are_asked_about_and_the_others_when_it_goes_on(tmp_path) -> None:
    asked = []
    for iterations in (2, 2, 3, 4, 400):
        batches = RatedBatches(rows(32), 8, 0, 64)
        batches.refer(
            lambda ids, targets, now=iterations: asked.append(now) or targets.max(1), 99, tmp_path / "r.npz", "w",
            iterations, print,
        )  # fmt: skip
        for iteration in range(min(iterations, 4)):
            batch = batches.batch(iteration)
            assert batch.reference.tolist() == [max(row.completion) for row in batch.rows]
    assert asked == [2] * 2 * 2 + [3] * 2 + [4] * 2  # a batch and its crossed one


def test_parts_pad_without_a_trace() -> None:
    batch = RatedBatches(rows(8), None, 0, 64).batch(0)
    parts = list(batch.parts(3))
    assert sum(len(part.ids) for part in parts) == 8
    targets = [row[row >= 0].tolist() for part in parts for row in part.targets]
    assert sorted(targets) == sorted(row.completion for row in batch.rows)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"prompt": "да", "completion": "нет"}', "Line 2 of .* has no label"),
        ('{"prompt": "да", "completion": "нет", "label": 1}', "has no label"),
        ('{"prompt": "да", "completion": "  ", "label": true}', "has an empty completion"),
        ('{"prompt": "", "completion": "нет", "label": true}', "cannot be answered: an empty turn"),
        ('{"prompt": 5, "completion": "нет", "label": true}', "cannot be answered"),
        ('{"prompt": [{"role": "bot", "content": "а"}], "completion": "нет", "label": true}', "cannot be answered"),
        ('{"prompt": "да <|end|>", "completion": "нет", "label": true}', "a mark inside the text"),
        ("[1]", "has no label"),
    ],
)
def test_a_row_that_cannot_be_learned_from_is_named(tmp_path, line, sentence) -> None:
    path = tmp_path / "rated.jsonl"
    path.write_text(f'{{"prompt": "а", "completion": "б", "label": false}}\n{line}\n', "utf-8")
    with pytest.raises(CorpusError, match=sentence):
        rated.read(path)


def test_answers_of_one_rating_teach_nothing(tmp_path) -> None:
    path = tmp_path / "rated.jsonl"
    rated.write(path, [Rated([Message("user", "а")], "б", label=True)] * 3)
    with pytest.raises(CorpusError, match=r"All 3 answers .* are rated good: .* give some bad ones"):
        rated.read(path)
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match="holds no rated answers"):
        rated.read(path)


def test_rated_answers_come_in_the_shapes_that_trl_reads(tmp_path) -> None:
    path = tmp_path / "rated.jsonl"
    turns = [{"role": "user", "content": "а"}, {"role": "assistant", "content": "б"}, {"role": "user", "content": "в"}]
    shapes = [
        {"prompt": "в", "completion": "г", "label": True},
        {"prompt": turns, "completion": [{"role": "assistant", "content": "г"}], "label": False, "ended": False},
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, shapes)))
    first, second = rated.read(path)
    assert (first.prompt, first.completion, first.label, first.ended) == ([Message("user", "в")], "г", True, True)
    assert [message.content for message in second.prompt] == ["а", "б", "в"]
    assert (second.label, second.ended) == (False, False)
    rated.write(path, [first, second])
    assert rated.read(path) == [first, second]


def test_a_batch_too_small_for_z_ref_is_refused() -> None:
    with pytest.raises(ValueError, match="z_ref is estimated from the answers of one batch"):
        Kto(batch_size=2, gradient_accumulation=3)


KTO = """
[pairs.presets.loops]
temperature = 1.5
max_tokens = 12
count = 40
[kto]
lr = 3e-3
warmup_iters = 2
max_iters = 24
batch_size = 8
gradient_accumulation = 2
weight_decay = 0.0
val_fraction = 0.2
kl_budget = 50.0
loop_budget = 100.0
eval_interval = 6
eval_sequences = 8
watched_prompts = 4
sample_prompts = ["Кто гулял?"]
sample_tokens = 8
[export]"""


@pytest.fixture(scope="module")
def tuned(recipe, ready, tmp_path_factory):  # noqa: F811
    """A folder in which fine-tuning has run, too."""
    place = shutil.copytree(ready, tmp_path_factory.mktemp("tuned") / "grow")
    for _ in sft.prepare(recipe, place, vocabulary.load(place)).go():
        pass
    return place


@pytest.fixture
def grown(tuned, tmp_path):
    place = shutil.copytree(tuned, tmp_path / "grow")
    heroes = ("Кот", "Пес", "Еж", "Гусь")
    rows = [
        Rated([Message("user", f"{i} Кто гулял?")], f"{hero} гулял.", label=hero in ("Кот", "Пес"))
        for i in range(30) for hero in heroes
    ]  # fmt: skip
    rated.write(place / rated.FILE, rows)
    return place


@pytest.fixture
def healing(recipe):  # noqa: F811
    def with_changes(**changes):
        defaults = {
            "lr": 3e-3, "warmup_iters": 2, "max_iters": 24, "batch_size": 8, "gradient_accumulation": 2,
            "weight_decay": 0.0, "val_fraction": 0.2, "kl_budget": 50.0, "loop_budget": 100.0, "eval_interval": 6,
            "eval_sequences": 8, "watched_prompts": 4, "sample_prompts": ("Кто гулял?",), "sample_tokens": 8,
        }  # fmt: skip
        return recipe.model_copy(update={"kto": Kto(**{**defaults, **changes})})

    return with_changes


def prepare(place, chosen, **options):
    return kto.prepare(chosen, place, vocabulary.load(place), **options)


def test_what_is_rated_good_becomes_likelier_and_what_is_rated_bad_does_not(grown, healing) -> None:
    run = prepare(grown, healing())
    assert abs(run._watch(run.model)["gap"]) < 1e-4
    for _ in run.go():
        pass
    last = run.state.curve[-1]
    assert last["chosen"] > last["rejected"] + 1
    assert last["accuracy"] > 0.8
    assert last["kl"] > 0


def test_a_run_that_was_stopped_goes_on_as_if_it_never_had(grown, healing, tmp_path) -> None:
    other = shutil.copytree(grown, tmp_path / "other")
    whole = prepare(grown, healing(max_iters=12))
    for _ in whole.go():
        pass
    for iteration in (first := prepare(other, healing(max_iters=12))).go():
        first.stop = iteration == 7
    second = prepare(other, healing(max_iters=12))
    assert second.state.iteration == 7
    for _ in second.go():
        pass
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert [row["kl"] for row in whole.state.curve] == [row["kl"] for row in second.state.curve]


def test_a_run_that_goes_too_far_ends_and_keeps_what_was_within_the_budget(grown, healing) -> None:
    said = []
    run = prepare(grown, healing(kl_budget=0.05, max_iters=60, eval_interval=2), say=said.append)
    for _ in run.go():
        pass
    assert run.state.iteration < 60
    assert any("nats a token from its reference, above kl_budget 0.05" in line and "lower lr" in line for line in said)
    kept = checkpoint.load(grown / "kto" / "best").state
    assert kept.curve[-1]["kl"] <= 0.05
    assert kept.iteration < run.state.iteration
    again = prepare(grown, healing(kl_budget=0.05, max_iters=60, eval_interval=2))
    assert list(again.go()) == []


def test_a_run_that_goes_too_far_at_once_says_that_nothing_is_kept(grown, healing) -> None:
    said = []
    chosen = healing(kl_budget=1e-6, max_iters=60, eval_interval=4)
    for _ in prepare(grown, chosen, say=said.append).go():
        pass
    assert not (grown / "kto" / "best").exists()
    for again in (False, True):
        if again:
            said.clear()
            assert list(prepare(grown, chosen, say=said.append).go()) == []
        (told,) = (line for line in said if "kl_budget" in line)
        assert "with nothing kept: remove" in told
        assert "a smaller eval_interval or lr of the kto stage" in told


def test_it_is_measured_against_its_origin(grown, healing, recipe, tmp_path) -> None:  # noqa: F811
    for _ in prepare(grown, healing(max_iters=3)).go():
        pass
    with pytest.raises(StageError, match="begun with other weights"):
        prepare(grown, healing(max_iters=4), start=grown / "pretrain" / "best")


def test_a_run_goes_on_with_the_answers_that_it_began_with(grown, healing) -> None:
    for _ in prepare(grown, healing(max_iters=3)).go():
        pass
    rows = rated.read(grown / rated.FILE)
    rated.write(grown / rated.FILE, [replace(each, completion=each.completion.upper()) for each in rows])
    with pytest.raises(StageError, match="begun with another set of rated answers, set of held-out rated answers"):
        prepare(grown, healing(max_iters=4))


def test_two_processes_learn_what_one_learns(chatty, grown, tmp_path) -> None:  # noqa: F811
    recipe_file = tmp_path / "tiny-chat.toml"
    recipe_file.write_text((chatty / "tiny-chat.toml").read_text("utf-8").replace("[export]", KTO), "utf-8")
    changes = (*SMALL, "model.block_size=64", "kto.max_iters=6", "kto.eval_interval=3")
    alone = prepare(shutil.copytree(grown, tmp_path / "alone"), recipes.load(recipe_file, changes))
    for _ in alone.go():
        pass
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "trainer"]
    words += ["kto", str(recipe_file), "--out", str(grown), "--device", "cpu"]
    with started([*words, *(part for change in changes for part in ("--set", change))]) as process:
        said = process.communicate()[0]
    assert process.returncode == 0, said
    assert said.count("iteration 6:") == 1  # the first alone speaks
    curve = checkpoint.load(grown / "kto" / "last").state.curve
    for row, expected in zip(curve, alone.state.curve, strict=True):
        for key in ("train", "val", "z_ref", "gap", "kl"):
            assert row[key] == pytest.approx(expected[key], abs=1e-2), key


def test_the_budgets_judge_the_weights_that_are_kept(grown, healing) -> None:
    run = prepare(grown, healing(ema=0.9))
    for _ in itertools.islice(run.go(), 12):
        pass
    of_average, of_last = run._watch(run.average.module), run._watch(run.model)
    for key in ("kl", "gap"):
        assert 0 < of_average[key] < of_last[key], key


def test_adapters_leave_all_other_weights_alone(grown, healing) -> None:
    for _ in prepare(grown, healing(lora_rank=2, lora_targets=("attn.c_proj",), max_iters=6)).go():
        pass
    before, after = (checkpoint.load(grown / stage / "best").model for stage in ("sft", "kto"))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"h.0.attn.c_proj.weight"}
    with pytest.raises(StageError, match=r"holds adapters that are still learning: give .*best"):
        prepare(grown, healing(), start=grown / "kto" / "last")


def test_too_few_answers_for_a_batch_are_told(grown, healing) -> None:
    with pytest.raises(StageError, match="a batch takes 4,096"):
        prepare(grown, healing(gradient_accumulation=512))


def test_a_recipe_without_kto_says_so(grown, recipe) -> None:  # noqa: F811
    with pytest.raises(StageError, match="has no kto"):
        kto.prepare(recipe, grown, vocabulary.load(grown))


def test_the_command_collects_learns_and_exports(chatty, grown, capsys, monkeypatch) -> None:  # noqa: F811
    base = (chatty / "tiny-chat.toml").read_text("utf-8")
    (grown / "tiny-chat.toml").write_text(base, "utf-8")
    text = 'extends = "tiny-chat"\n' + KTO.replace("[export]", "")
    (grown / "tiny-kto.toml").write_text(text, "utf-8")
    changes = (*SMALL, "model.block_size=64")
    given = [str(grown / "tiny-kto.toml"), "--out", str(grown)]
    given += [part for change in changes for part in ("--set", change)]

    def command(name, *rest) -> None:
        monkeypatch.setattr("sys.argv", ["trainer", name, *given, *rest])
        try:
            main()
        except SystemExit as left:
            assert not left.code, capsys.readouterr().out

    command("pairs", "--text", f"talk={chatty / 'talk.jsonl'}")
    found = rated.read(grown / rated.FILE)
    assert {each.label for each in found} == {True, False}
    assert "loops" in capsys.readouterr().out
    command("kto", "--device", "cpu")
    assert checkpoint.load(grown / "tiny-kto" / "best").state.iteration == 24
    command("export", "--to", str(grown / "x.mind"))
    mind = open_mind(grown / "x.mind")
    assert mind.can_chat
    assert mind.card["recipe"] == "tiny-kto"
    assert len({sample["tokens_seen"] for sample in mind.card["samples"]}) > 5  # of all three stages


def test_a_recipe_that_extends_itself_is_refused(tmp_path) -> None:
    (tmp_path / "one.toml").write_text('extends = "two"', "utf-8")
    (tmp_path / "two.toml").write_text('extends = "one"', "utf-8")
    with pytest.raises(RecipeError, match="extends itself"):
        recipes.load(tmp_path / "one.toml")


def test_two_voices_go_into_one_mind(grown, healing) -> None:
    for name, targets in (("sober", ("attn.c_q",)), ("strange", ("attn.c_proj",))):
        chosen = healing(lora_rank=2, lora_targets=targets, max_iters=6).model_copy(
            update={"name": name, "extends": "tiny-chat"}
        )
        for _ in prepare(grown, chosen).go():
            pass
    voice = Variant(recipe="strange", title="Странный", temperature=1.1, max_tokens=9)
    sober = healing().model_copy(update={"name": "sober", "extends": "tiny-chat"})
    both = sober.model_copy(update={"export": sober.export.model_copy(update={"variants": {"artistic": voice}})})
    export.export(both, grown, vocabulary.load(grown), grown / "two.mind")
    mind = open_mind(grown / "two.mind")
    found = mind.variants["artistic"]
    assert set(found.tensors) == {"h.0.attn.c_q.weight", "h.0.attn.c_proj.weight"}
    assert (found.title, found.sampling.temperature, found.sampling.max_tokens) == ("Странный", 1.1, 9)
    own = checkpoint.load(grown / "strange" / "best").model["h.0.attn.c_proj.weight"].half().numpy()
    assert mind.tensor("h.0.attn.c_proj.weight", "artistic").tobytes() == own.tobytes()
    assert 0 < mind.card["variants"]["artistic"] < 0.3
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-3
    small = both.export.model_copy(update={"variants_at_most": 0.01})
    with pytest.raises(ExportError, match=r"larger by \d+%, above export.variants_at_most \(1%\)"):
        export.export(both.model_copy(update={"export": small}), grown, vocabulary.load(grown), grown / "three.mind")


def test_growing_a_recipe_of_kto_is_refused_with_what_to_run_instead(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["trainer", "grow", "homunculus-small-kto", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "grow homunculus-small first, then run pairs, kto and export of this one." in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 5}, "another seed"),
        ({"lora_targets": ("c_q",)}, "another lora_targets"),
    ],
)
def test_what_would_break_a_resumption_is_refused(grown, healing, changes, sentence) -> None:
    adapted = {"lora_rank": 2, "lora_targets": ("attn.c_proj",), "max_iters": 3}
    for _ in prepare(grown, healing(**adapted)).go():
        pass
    assert prepare(grown, healing(**adapted)).state.iteration == 3
    shutil.rmtree(grown / "kto" / "best")
    for path in (grown / "kto").glob("*.npz"):
        path.unlink()  # of the answers as they were split by the seed
    with pytest.raises(StageError, match=sentence):
        prepare(grown, healing(**adapted | changes))


def test_adapters_beside_no_matrix_are_a_sentence(grown, healing) -> None:
    with pytest.raises(StageError, match=r"No adapters can stand beside c_pro: lora_targets are ends of names"):
        prepare(grown, healing(lora_rank=2, lora_targets=("c_pro",)))


def test_a_damaged_file_of_the_reference_is_a_sentence(grown, healing) -> None:
    prepare(grown, healing())
    path = grown / "kto" / "reference-val.npz"
    whole = path.read_bytes()
    for content in (b"", b"{", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(StageError, match=r"reference-val\.npz is damaged .*remove it"):
            prepare(grown, healing())


def test_without_rated_answers_the_stage_that_collects_them_is_named(grown, healing) -> None:
    (grown / rated.FILE).unlink()
    with pytest.raises(CorpusError, match=r"There are no rated answers at .*: run the pairs stage first"):
        prepare(grown, healing())


def test_answers_that_the_context_does_not_hold_are_told(grown, healing) -> None:
    rows = rated.read(grown / rated.FILE)
    long = [replace(each, completion=each.completion * 60) if each.label else each for each in rows]
    rated.write(grown / rated.FILE, long)
    with pytest.raises(
        StageError, match=r"fit into model\.block_size 64, and good and bad ones are not both among them"
    ):
        prepare(grown, healing())


def test_prompts_that_are_all_too_long_to_be_watched_are_told(grown, healing) -> None:
    rows = [
        Rated([Message("user", f"{number} Кто гулял в лесу у реки, когда все спали?")], "Кот.", label=label)
        for number in range(60) for label in (True, False)
    ]  # fmt: skip
    rated.write(grown / rated.FILE, rows)
    with pytest.raises(StageError, match=r"none is shorter than half of model\.block_size \(32 tokens\)"):
        prepare(grown, healing())
