from __future__ import annotations

import io
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from rich.console import Console

from chat_app import childhood, selftest
from chat_app import tokenizer as tokenizers
from chat_app.config import Config, tensor_shapes
from chat_app.errors import SelftestFailed
from chat_app.integrity import verify
from chat_app.mind import open_mind
from chat_app.pieces import NORMAL, UNKNOWN, Pieces
from chat_app.weights import Weights
from trainer import checkpoint, export, mind_file, pretrain, vocabulary
from trainer.__main__ import _say, main
from trainer.errors import ExportError
from trainer.model import Transformer
from trainer.sections import Export
from trainer.writing import Writer


@pytest.fixture(scope="module")
def grown(prepared, small, tmp_path_factory):
    """A folder with a checkpoint, and the mind that was exported from it."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("export") / "grown")
    for _ in pretrain.prepare(small, folder, vocabulary.load(folder)).go():
        pass
    export.export(small, folder, vocabulary.load(folder), folder / "small.mind")
    return folder


def test_a_mind_answers_as_torch_did(grown) -> None:
    mind = open_mind(grown / "small.mind")
    verify(mind)
    assert selftest.run(mind, Weights.from_mind(mind)) < 2e-5
    assert len(mind.golden) == 3


def test_the_selftest_notices_one_wrong_weight(grown) -> None:
    mind = open_mind(grown / "small.mind")
    weights = Weights.from_mind(mind)
    weights.tensors["h.0.mlp.c_fc.weight"][7, 3] += 3.0
    with pytest.raises(SelftestFailed):
        selftest.run(mind, weights)


def test_the_weights_are_the_checkpoints_rounded_to_fp16(grown) -> None:
    mind = open_mind(grown / "small.mind")
    for name, tensor in checkpoint.load(grown / "pretrain" / "best").model.items():
        assert np.array_equal(mind.tensor(name), tensor.numpy().astype(np.float16)), name


def test_any_safetensors_library_opens_a_mind(grown) -> None:
    tensors = safetensors.numpy.load_file(grown / "small.mind")
    mind = open_mind(grown / "small.mind")
    assert tensors.keys() == mind.tensors.keys() == tensor_shapes(mind.config).keys()
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, mind.tensor(name))


def test_the_same_checkpoint_gives_the_same_bytes_in_another_process(grown, small) -> None:
    code = (
        "import sys; from pathlib import Path; from trainer import export, recipe, vocabulary;"
        "sys.path.insert(0, 'tests/train'); from conftest import SMALL; folder = Path(sys.argv[1]);"
        "export.export(recipe.load(recipe.find('tiny'), SMALL), folder, vocabulary.load(folder), folder / 'again.mind')"
    )
    subprocess.run([sys.executable, "-c", code, grown], check=True)
    assert (grown / "again.mind").read_bytes() == (grown / "small.mind").read_bytes()


def test_the_card_tells_figures_and_samples(grown) -> None:
    card = open_mind(grown / "small.mind").card
    figures = card["figures"]
    assert figures["iterations"] == 12
    assert figures["tokens_seen"] == 12 * 4 * 32
    assert 0 < figures["held_out_bits_per_byte"] < figures["held_out_bits_per_character"] < 10
    assert [sample["iteration"] for sample in card["samples"]] == [4, 8, 12]
    assert [stage.tokens for stage in childhood.of(card)[0].stages] == [i * 4 * 32 for i in (4, 8, 12)]
    assert [row["iteration"] for row in card["curve"]] == [4, 8, 12]
    assert card["held_out_bits_per_byte"] == {"stories": figures["held_out_bits_per_byte"]}
    assert card["title"] == "Крошка"


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "holds NaN"), (float("inf"), "holds NaN or infinity"), (1e6, "above fp16's 65504")],
)
def test_weights_that_fp16_cannot_hold_are_refused(grown, small, tmp_path, value, words) -> None:
    folder = shutil.copytree(grown, tmp_path / "bad")
    best = folder / "pretrain" / "best"
    grown_wrong = checkpoint.load(best)
    grown_wrong.model["h.0.attn.c_k.weight"][0, 0] = value
    grown_wrong.save(best)
    with pytest.raises(ExportError, match=words) as caught:
        export.export(small, folder, vocabulary.load(folder), tmp_path / "bad.mind")
    assert "h.0.attn.c_k.weight" in str(caught.value)
    assert not (tmp_path / "bad.mind").exists()


def test_a_vocabulary_of_the_same_size_is_not_taken_for_that_of_the_checkpoint(grown, small, tmp_path) -> None:
    pieces = vocabulary.load(grown)
    other = replace(pieces, pieces=(*pieces.pieces[:-2], *pieces.pieces[:-3:-1]))
    with pytest.raises(ExportError, match="not the one the checkpoint was grown with"):
        export.export(small, grown, other, tmp_path / "other.mind")


def test_tensors_that_do_not_fit_the_config_are_refused(grown) -> None:
    mind = open_mind(grown / "small.mind")
    tensors = {name: mind.tensor(name) for name in mind.tensors}
    with pytest.raises(ExportError, match=r"has no tensor ln_f\.weight"):
        mind_file.rounded(mind.config, {n: t for n, t in tensors.items() if n != "ln_f.weight"})
    with pytest.raises(ExportError, match=r"wte\.weight is"):
        mind_file.rounded(mind.config, tensors | {"wte.weight": tensors["wte.weight"].T})


def test_the_tiny_recipe_goes_the_whole_way(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["trainer", "grow", "tiny", "--out", str(tmp_path), "--device", "cpu"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    mind = open_mind(tmp_path / "tiny.mind")
    verify(mind)
    assert selftest.run(mind, Weights.from_mind(mind)) < 2e-5
    assert (
        mind.card["figures"]["held_out_bits_per_character"] < 0.2
    )  # it knows the stories; an untrained one has over 2
    text = mind.tokenizer.decode([*mind.golden[0].prompt, *mind.golden[0].ids])
    assert text.startswith("Кот гулял ")
    assert "Там лежал" in text
    assert "export:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pretrain", "tiny", "--set", "pretrain.lrr=1"], "did you mean lr?"),
        (["pretrain", "tiny"], "run the vocabulary stage first"),
        (["corpus", "chekhov-char"], "names no text"),
        (["grow", "chekov"], "did you mean chekhov-char?"),
        (["wither", "tiny"], "No such command"),
        (["pretrain", "tiny", "--sett", "a=1"], "No such option"),
    ],
)
def test_a_makers_mistake_is_a_sentence_and_not_a_traceback(tmp_path, monkeypatch, capsys, arguments, words) -> None:
    monkeypatch.setattr(sys, "argv", ["trainer", *arguments, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert words in " ".join((said.out + said.err).split())


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch, capsys) -> None:
    def full(*_args, **_options):
        raise OSError(28, "No space left on device", "train.jsonl")

    monkeypatch.setattr("trainer.corpora.gather.gather", full)
    monkeypatch.setattr(sys, "argv", ["trainer", "corpus", "tiny", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "train.jsonl: No space left on device" in capsys.readouterr().out


def test_russian_goes_through_a_pipe_that_windows_opened(monkeypatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["trainer", "export", "чехов"])
    with pytest.raises(SystemExit, match="2"):
        main()
    stream.flush()
    assert "There is no recipe чехов" in " ".join(stream.buffer.getvalue().decode("utf-8").split())


def test_a_pipe_that_nobody_reads_any_more_does_not_end_the_training(monkeypatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("os.dup2", lambda *_: None)  # rich would send this process's own output nowhere
    console = Console(file=Closed())
    for _ in range(2):
        _say(console, "iteration 10")
    assert console.quiet


def test_an_empty_prompt_is_a_line_end_where_no_mark_begins_a_text() -> None:
    types = (UNKNOWN, NORMAL, NORMAL)
    pieces = Pieces(kind="char", pieces=("<unk>", "\n", "а"), types=types)
    writer = Writer(tokenizers.from_dict(pieces.to_dict()))
    assert writer.prompt_ids("") == [1]
    assert writer.prompt_ids("а") == [2]
    model = Transformer(Config(vocab_size=3, n_layer=1, n_embd=8, n_head=2, n_kv_head=2, n_inner=8, block_size=8))
    assert len(export.golden_answer(model, writer.prompt_ids(""), Export(golden_prompts=("",), golden_tokens=2))["ids"])
