from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import orjson
import pytest
import torch

from chat_app import selftest
from chat_app.chat import Chat
from chat_app.mind import open_mind
from chat_app.template import MARKS
from chat_app.weights import Weights
from tests.train.conftest import SMALL
from trainer import checkpoint, export, pretrain, sft, tokens, vocabulary
from trainer import recipe as recipes
from trainer.__main__ import main
from trainer.corpora import gather as corpus
from trainer.dialogues import gather
from trainer.errors import RecipeError, StageError
from trainer.model import Transformer

SECTIONS = """
[dialogues]
val_fraction = 0.2
[dialogues.sources.talk]
[sft]
optimizer = "muon"
lr = 1e-2
muon_lr = 0.02
schedule = "wsd"
warmup_iters = 2
max_iters = 60
batch_size = 8
eval_interval = 20
compile = false
sample_prompts = ["Кто гулял?"]
sample_tokens = 20
text_weight = 0.3

[export]"""


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    """The path of a recipe for a mind that answers, and of conversations to teach it."""
    folder = tmp_path_factory.mktemp("chatty")
    text = recipes.find("tiny").read_text("utf-8").replace("[export]", SECTIONS.strip())
    text = text.replace('marks = ["<s>"]', f"marks = {orjson.dumps(['<s>', *MARKS]).decode()}")
    (folder / "tiny-chat.toml").write_text(text, "utf-8")
    heroes = ("Кот", "Пес", "Еж", "Гусь", "Мальчик", "Старик")
    rows = [{"turns": [f"{i} Кто гулял?", f"{hero} гулял."]} for i in range(40) for hero in heroes]
    (folder / "talk.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def recipe(chatty):
    return recipes.load(chatty / "tiny-chat.toml", (*SMALL, "model.block_size=64"))


@pytest.fixture(scope="module")
def ready(recipe, chatty, tmp_path_factory):
    """A folder in which everything before fine-tuning has run."""
    folder = tmp_path_factory.mktemp("ready")
    corpus.gather(recipe.corpus, folder, 1)
    tokens.make(vocabulary.make(recipe.vocabulary, folder, yo_to_e=True), folder, 1)
    for _ in pretrain.prepare(recipe, folder, vocabulary.load(folder)).go():
        pass
    gather.gather(recipe, [f"talk={chatty / 'talk.jsonl'}"], vocabulary.load(folder), folder)
    return folder


@pytest.fixture
def folder(ready, tmp_path):
    return shutil.copytree(ready, tmp_path / "grow")


def run_in(folder, recipe, **options):
    return sft.prepare(recipe, folder, vocabulary.load(folder), **options)


def test_it_begins_with_the_best_pretrained_weights_and_learns_to_answer(folder, recipe) -> None:
    run = run_in(folder, recipe)
    best = checkpoint.load(folder / "pretrain" / "best").model
    assert all(torch.equal(run.model.state_dict()[name], tensor) for name, tensor in best.items())
    before = run.held_out.overall(run.losses(run.model))
    for _ in run.go():
        pass
    assert run.state.best_loss < before / 3
    assert "гулял" in run.state.samples[-1]["text"]
    assert "Кто" not in run.state.samples[-1]["text"]


def test_it_can_begin_from_scratch(folder, recipe) -> None:
    shutil.rmtree(folder / "pretrain")
    fresh = recipe.model_copy(update={"pretrain": None})
    run = run_in(folder, fresh)
    assert run.state.iteration == 0
    with pytest.raises(StageError, match="has no pretrain"):
        pretrain.prepare(fresh, folder, vocabulary.load(folder))


def test_it_never_begins_from_scratch_where_pretraining_is_wanted(folder, recipe) -> None:
    shutil.rmtree(folder / "pretrain")
    with pytest.raises(StageError, match="run the pretrain stage first"):
        run_in(folder, recipe)


def test_peft_is_asked_for_by_name(folder, recipe, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    settings = recipe.sft.model_copy(update={"lora_rank": 4, "optimizer": "adamw"})
    with pytest.raises(StageError, match="pip install peft"):
        run_in(folder, recipe.model_copy(update={"sft": settings}))


def test_the_system_text_stands_before_samples_and_golden_prompts(folder, recipe) -> None:
    dialogues = recipe.dialogues.model_copy(update={"system": "Кот гулял."})
    recipe = recipe.model_copy(update={"dialogues": dialogues, "sft": recipe.sft.model_copy(update={"max_iters": 2})})
    run = run_in(folder, recipe)
    for _ in run.go():
        pass
    export.export(recipe, folder, vocabulary.load(folder), folder / "chat.mind")
    mind = open_mind(folder / "chat.mind")
    assert mind.manners.system == "Кот гулял."
    for ids in (run.writer.prompt_ids("Там"), mind.golden[0].prompt):
        assert mind.tokenizer.decode(list(ids)).startswith("Кот гулял.")


def test_early_block_size_is_for_pretraining(chatty) -> None:
    with pytest.raises(RecipeError, match="early_block_size is for pretraining"):
        recipes.load(chatty / "tiny-chat.toml", ("sft.early_block_size=32",))


def test_a_recipe_without_sft_is_told_so(folder, small) -> None:
    with pytest.raises(StageError, match="has no sft"):
        run_in(folder, small)


def test_a_resumed_run_equals_an_unbroken_one(folder, recipe, tmp_path) -> None:
    settings = recipe.sft.model_copy(update={"max_iters": 20, "dropout": 0.1})
    recipe = recipe.model_copy(update={"sft": settings})
    whole = run_in(shutil.copytree(folder, tmp_path / "whole"), recipe)
    for _ in whole.go():
        pass
    for iteration in run_in(folder, recipe).go():
        if iteration == 7:
            break
    second = run_in(folder, recipe)
    assert second.state.iteration == 7
    for _ in second.go():
        pass
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_a_share_of_what_is_kept_is_what_it_began_with(folder, recipe) -> None:
    settings = recipe.sft.model_copy(update={"max_iters": 20, "start_share": 0.25, "keep": "last"})
    recipe = recipe.model_copy(update={"sft": settings})
    for iteration in run_in(folder, recipe).go():
        if iteration == 7:
            break
    for _ in run_in(folder, recipe, start=folder / "pretrain" / "last").go():
        pass
    begun = checkpoint.load(folder / "pretrain" / "best").model  # not what a resumption was told to start from
    kept, last = (checkpoint.load(folder / "sft" / name).model for name in ("best", "last"))
    for name, tensor in kept.items():
        assert torch.allclose(tensor, 0.75 * last[name] + 0.25 * begun[name], atol=1e-7), name
    (folder / "sft" / sft.START).unlink()
    with pytest.raises(StageError, match="must be there from the stage's first iteration on"):
        run_in(folder, recipe)


@pytest.fixture
def adapted(recipe):
    """The recipe with adapters."""
    settings = recipe.sft.model_copy(update={"lora_rank": 4, "optimizer": "adamw", "lr": 2e-2, "ema": 0.9})
    return recipe.model_copy(update={"sft": settings})


def test_adapters_alone_learn_and_are_merged_into_what_ships(folder, adapted) -> None:
    run = run_in(folder, adapted)
    learning = [name for name, p in run.model.named_parameters() if p.requires_grad]
    assert learning
    assert all(".lora_" in name or name == "wte.weight" for name in learning)
    before = run.held_out.overall(run.losses(run.model))
    for _ in run.go():
        pass
    assert run.state.best_loss < before - 2
    base = checkpoint.load(folder / "pretrain" / "best").model
    best = checkpoint.load(folder / "sft" / "best").model
    assert best.keys() == base.keys()
    assert torch.equal(best["ln_f.weight"], base["ln_f.weight"])
    assert not torch.allclose(best["h.0.attn.c_q.weight"], base["h.0.attn.c_q.weight"])
    plain = Transformer(run.model.config)
    plain.load_state_dict(best)
    better = run.average.module if run.state.curve[-1]["ema_val"] < run.state.curve[-1]["val"] else run.model
    ids = torch.arange(1, 20)[None]
    assert run.state.best_iteration == 60
    assert torch.allclose(plain.eval()(ids), better.eval()(ids), atol=1e-4)
    export.export(adapted, folder, vocabulary.load(folder), folder / "chat.mind")
    assert selftest.run(open_mind(folder / "chat.mind"), Weights.from_mind(open_mind(folder / "chat.mind"))) < 2e-5


def test_a_run_with_adapters_is_resumed_with_them(folder, adapted, recipe) -> None:
    for iteration in run_in(folder, adapted).go():
        if iteration == 3:
            break
    assert run_in(folder, adapted).state.iteration == 3
    with pytest.raises(StageError, match="another optimizer, ema, lora_rank"):
        run_in(folder, recipe)


def test_adapters_want_adamw(chatty) -> None:
    with pytest.raises(RecipeError, match=r"sft: .*adapters \(lora_rank\) want the optimizer adamw"):
        recipes.load(chatty / "tiny-chat.toml", ("sft.lora_rank=4",))


def test_the_mind_of_the_last_stage_chats_and_that_of_the_first_goes_on(folder, recipe) -> None:
    for _ in run_in(folder, recipe).go():
        pass
    pieces = vocabulary.load(folder)
    export.export(recipe, folder, pieces, folder / "chat.mind")
    export.export(recipe, folder, pieces, folder / "base.mind", "pretrain")
    mind, base = open_mind(folder / "chat.mind"), open_mind(folder / "base.mind")
    assert mind.can_chat
    assert not base.can_chat
    for each in (mind, base):
        assert selftest.run(each, Weights.from_mind(each)) < 2e-5
    answer = "".join(Chat.with_mind(mind, folder, {"temperature": "0"}).say("3 Кто гулял?"))
    assert answer.endswith("гулял.")
    assert mind.card["figures"]["iterations"] == checkpoint.load(folder / "sft" / "best").state.iteration
    assert 0 < mind.card["held_out_bits_per_byte"]["talk"] < 3


def test_a_chat_recipe_goes_the_whole_way(chatty, tmp_path, monkeypatch, capsys) -> None:
    words = ["trainer", "grow", str(chatty / "tiny-chat.toml"), "--out", str(tmp_path), "--device", "cpu"]
    words += ["--text", f"talk={chatty / 'talk.jsonl'}"]
    for change in (*SMALL, "model.block_size=64", "sft.max_iters=4"):
        words += ["--set", change]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr().out
    assert not caught.value.code, said
    assert "Conversations" in said
    assert open_mind(tmp_path / "tiny-chat.mind").can_chat


def test_a_resumption_speaks_of_a_start_only_where_one_was_given(folder, recipe) -> None:
    for iteration in run_in(folder, recipe).go():
        if iteration == 1:
            break
    said: list[str] = []
    run_in(folder, recipe, say=said.append)
    assert said == []
    run_in(folder, recipe, start=folder / "pretrain" / "best", say=said.append)
    assert "goes on from its last checkpoint, not from" in said[0]


def remade(folder, recipe, chatty, **changes) -> None:
    dialogues = recipe.dialogues.model_copy(update=changes)
    texts = [f"talk={chatty / 'talk.jsonl'}"]
    gather.gather(recipe.model_copy(update={"dialogues": dialogues}), texts, vocabulary.load(folder), folder)


def test_a_mind_that_grew_further_is_not_answered_with_the_old_one(folder, recipe) -> None:
    short = recipe.model_copy(update={"sft": recipe.sft.model_copy(update={"max_iters": 3})})
    for _ in run_in(folder, short).go():
        pass
    longer = recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update={"max_iters": 16})})
    for _ in pretrain.prepare(longer, folder, vocabulary.load(folder)).go():
        pass
    with pytest.raises(StageError, match=r"begun with another pretrained mind: remove .*sft to begin anew"):
        run_in(folder, short)
    run = run_in(folder, short, start=folder / "pretrain" / "last")  # of which it says that it is not begun with
    assert run.state.iteration == 3
    shutil.rmtree(folder / "pretrain")
    assert run_in(folder, short).state.iteration == 3


def test_dialogues_made_anew_are_not_gone_on_with(folder, recipe, chatty) -> None:
    for iteration in run_in(folder, recipe).go():
        if iteration == 2:
            break
    remade(folder, recipe, chatty)
    assert run_in(folder, recipe).state.iteration == 2
    remade(folder, recipe, chatty, val_fraction=0.4)
    with pytest.raises(StageError, match=r"begun with another set of dialogues, set of held-out dialogues: remove"):
        run_in(folder, recipe)
    state = folder / "sft" / "last" / "state.json"
    older = orjson.loads(state.read_bytes())
    del older["origin"]
    state.write_bytes(orjson.dumps(older))
    assert run_in(folder, recipe).state.iteration == 2


def test_conversations_that_see_each_other_are_spoken_of(folder, recipe) -> None:
    said: list[str] = []
    unmarked = replace(vocabulary.load(folder), add_bos=False)
    sft.prepare(recipe, folder, unmarked, say=said.append)
    assert said == ["sft: without <s> in vocabulary.marks, conversations that share a row see those before them."]


def test_a_work_folder_is_no_checkpoint_to_start_from(folder, recipe, tmp_path) -> None:
    with pytest.raises(StageError, match=r"is no checkpoint: give the folder of one, as .*/pretrain/best, or a \.mind"):
        run_in(folder, recipe, start=folder)
    with pytest.raises(StageError, match=r"is no checkpoint of a run.*: give .*/pretrain/best, or a \.mind"):
        vocabulary.take(folder, tmp_path / "other")
