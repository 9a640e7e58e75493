from __future__ import annotations

import pytest
import torch

from trainer import recipe as recipes
from trainer.__main__ import main
from trainer.errors import RecipeError
from trainer.model import Transformer


def test_every_recipe_that_comes_with_the_trainer_holds() -> None:
    names = sorted(path.stem for path in recipes.RECIPES.glob("*.toml"))
    assert names
    for name in names:
        assert recipes.load(recipes.find(name)).name == name


@pytest.mark.parametrize(
    ("name", "vocab_size", "millions"),
    [
        ("chekhov-char", 102, 10.76),
        ("russian-classics", 16000, 46.22),
        ("mini-tron", 32000, 47.85 + 1024 * 512 / 1e6),  # nanoGPT does not count the table of positions
        ("homunculus", 8192, 45.50),
        ("homunculus-small", 8192, 12.88),
    ],
)
def test_a_recipe_grows_as_many_parameters_as_it_says(name, vocab_size, millions) -> None:
    recipe = recipes.load(recipes.find(name))
    with torch.device("meta"):
        model = Transformer(recipe.model.config(vocab_size))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_a_batch_that_longer_sequences_cannot_share_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"early_block_size 48 needs the schedule wsd"):
        recipes.load(recipes.find("tiny"), ("pretrain.early_block_size=48", 'pretrain.schedule="cosine"'))
    with pytest.raises(RecipeError, match="is not divisible by block_size 64"):
        recipes.load(recipes.find("tiny"), ("pretrain.early_block_size=48", "pretrain.batch_size=3"))


def test_weights_are_given_to_every_source_or_to_none(tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"sources\.jokes\.weight is missing"):
        recipes.load(recipes.find("tiny"), ("corpus.sources.stories.weight=1", "corpus.sources.jokes.clean=false"))
    with pytest.raises(RecipeError, match="cooldown_weight needs a weight"):
        recipes.load(recipes.find("tiny"), ("corpus.sources.stories.cooldown_weight=1",))
    with pytest.raises(RecipeError, match=r"wieght is not a key; did you mean weight\?"):
        recipes.load(recipes.find("tiny"), ("corpus.sources.stories.wieght=1",))


def test_exercises_that_do_not_exist_are_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"sources\.exercises: .*called sams; did you mean sums\? Known: sums,"):
        recipes.load(recipes.find("homunculus-small"), ("dialogues.sources.exercises.generated.sams=5",))


def test_stages_that_need_each_other_are_asked_for(tmp_path) -> None:
    text = recipes.find("mini-tron").read_text("utf-8")
    for lost, words in (
        ("[sft]", "dialogues and sft belong together"),
        ("[dialogues]", "dialogues and sft belong together"),
    ):
        before, _, rest = text.partition(lost)
        after = rest[rest.index("\n[sft]" if lost == "[dialogues]" else "\n[export]") :]
        (tmp_path / "half.toml").write_text(before + after, "utf-8")
        with pytest.raises(RecipeError, match=words if lost == "[dialogues]" else "neither pretrain nor sft|belong"):
            recipes.load(tmp_path / "half.toml")


def test_the_chekhov_recipes_have_the_shape_of_the_article() -> None:
    for name in ("chekhov-char", "chekhov-char-cpu"):
        model = recipes.load(recipes.find(name)).model
        assert (model.n_layer, model.n_head, model.n_embd, model.block_size) == (6, 6, 384, 256)
        assert (model.position, model.norm, model.mlp, model.tied) == ("learned", "layernorm", "gelu", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("pretrain.learning_rate=1", ["pretrain.learning_rate is not a key"]),
        ("pretrain.max_itres=1", ["pretrain.max_itres", "did you mean max_iters?"]),
        ("corpus.sources.stories.txet=1", ["txet is not a key; did you mean text?"]),
        ("modle.n_layer=1", ["modle is not a key", "did you mean model?"]),
        ("pretrain.max_iters=many", ["pretrain.max_iters", "many"]),
        ("model.n_head=3", ["n_embd 64 is not divisible by n_head 3"]),
        ("model.position=spiral", ["model.position", "learned"]),
        ("vocabulary.vocab_size=100000", ["65536"]),
        ("n_layer=2", ["section.key=value"]),
        ("corpus.sources.stories.text=foo", ["corpus.sources.stories.text is a list: write it in brackets, ['foo']."]),
        ("pretrain.max_iters=10", ["pretrain: warmup_iters 10 is not below max_iters 10", "lower warmup_iters, too."]),
    ],
)
def test_a_mistake_in_a_recipe_is_named(change, words) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.load(recipes.find("tiny"), (change,))
    for word in words:
        assert word in str(caught.value)


def test_a_missing_section_is_named(tmp_path) -> None:
    path = tmp_path / "half.toml"
    path.write_text(recipes.find("tiny").read_text("utf-8").partition("[export]")[0], "utf-8")
    with pytest.raises(RecipeError, match="export is missing"):
        recipes.load(path)


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="chekhov-chr; did you mean chekhov-char"):
        recipes.find("chekhov-chr")


@pytest.mark.parametrize("content", [b"[mind", b"\xff\xfe[mind]"])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path, content) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"bad\.toml cannot be read"):
        recipes.load(path)


def test_a_folder_of_the_same_name_hides_no_recipe(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert recipes.find("tiny") == recipes.RECIPES / "tiny.toml"


def test_a_recipe_that_an_editor_of_windows_saved_is_read(tmp_path) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text(recipes.find("tiny").read_text("utf-8"), "utf-8-sig")
    assert recipes.load(path) == recipes.load(recipes.find("tiny"))


def test_kto_has_no_patience() -> None:
    with pytest.raises(RecipeError, match=r"kto: patience waits for a better held-out loss, and kto asks for none"):
        recipes.load(recipes.find("homunculus-small-kto"), ("kto.patience=3",))


def test_kto_keeps_the_latest_weights_whatever_is_asked() -> None:
    with pytest.raises(RecipeError, match=r"kto: keep is not for kto"):
        recipes.load(recipes.find("homunculus-small-kto"), ("kto.keep='best'",))


def test_pretraining_is_not_gone_on_with_once_fine_tuning_has_begun(tmp_path, monkeypatch) -> None:
    """It may have been broken off by the clock, and would give fine-tuning another mind than the one it began with."""
    called: list[tuple[str, float | None]] = []
    for stage in ("corpus", "vocabulary", "tokens", "dialogues", "export"):
        monkeypatch.setattr(f"trainer.__main__.{stage}", lambda *_, stage=stage: called.append((stage, None)))
    for stage in ("pretrain", "sft"):
        monkeypatch.setattr(
            f"trainer.__main__.{stage}",
            lambda *words, stage=stage: called.append((stage, words[4])),
        )
    for begun in (False, True):
        monkeypatch.setattr("sys.argv", ["trainer", "grow", "homunculus", "--out", str(tmp_path), "--minutes", "60"])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        trained, called = [each for each in called if each[1]], []
        assert trained == ([("sft", 60)] if begun else [("pretrain", 40), ("sft", 20)])
        (tmp_path / "sft" / "last").mkdir(parents=True, exist_ok=True)


def test_a_command_that_finds_nothing_leaves_no_folder(tmp_path, monkeypatch, capsys) -> None:
    for words in (["pretrain", "tiny"], ["report", "tiny"], ["export", "tiny"]):
        monkeypatch.setattr("sys.argv", ["trainer", *words, "--out", str(tmp_path / "mistyped")])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2, capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_kto_is_not_compiled() -> None:
    with pytest.raises(RecipeError, match=r"kto: .*compile is not for kto"):
        recipes.load(recipes.find("homunculus-small-kto"), ("kto.compile=true",))
