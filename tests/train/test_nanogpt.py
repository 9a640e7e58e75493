"""Minds of nanoGPT's checkpoints, against the same model written down once more in nanoGPT's own names."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
import torch
import torch.nn.functional as F
from torch import Tensor

from chat_app import selftest
from chat_app import tokenizer as tokenizers
from chat_app.chat import Chat
from chat_app.integrity import verify
from chat_app.mind import open_mind
from chat_app.weights import Weights
from trainer.__main__ import main
from trainer.corpora import generated
from trainer.errors import ExportError
from trainer.nanogpt import import_checkpoint, read_tokenizer

SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 64}
CLOSE = 1e-3  # where two logits lie nearer than this, either may be the greedy one
LETTERS = "\n !,.абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯ"


def state(vocab_size: int, *, bias: bool, padding: int = 0, seed: int = 0) -> dict[str, Tensor]:
    """The tensors of a random model, under nanoGPT's names, in numbers that fp16 holds exactly."""
    torch.manual_seed(seed)
    C = SHAPE["n_embd"]
    shapes = {"transformer.wte.weight": (vocab_size, C), "transformer.wpe.weight": (SHAPE["block_size"], C)}
    for i in range(SHAPE["n_layer"]):
        for name, (n_out, n_in) in {
            "attn.c_attn": (3 * C, C), "attn.c_proj": (C, C), "mlp.c_fc": (4 * C, C), "mlp.c_proj": (C, 4 * C),
        }.items():  # fmt: skip
            shapes[f"transformer.h.{i}.{name}.weight"] = (n_out, n_in)
            shapes[f"transformer.h.{i}.{name}.bias"] = (n_out,)
        for name in ("ln_1", "ln_2"):
            shapes |= {f"transformer.h.{i}.{name}.{kind}": (C,) for kind in ("weight", "bias")}
    shapes |= {f"transformer.ln_f.{kind}": (C,) for kind in ("weight", "bias")}
    tensors = {
        name: (torch.randn(shape) * 0.2 + (".ln_" in name and name.endswith("weight"))).half().float()
        for name, shape in shapes.items()
        if bias or name.endswith("weight")
    }
    tensors["transformer.wte.weight"] *= 2
    tensors["transformer.wte.weight"] = F.pad(tensors["transformer.wte.weight"], (0, 0, 0, padding))
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"]}


def logits(tensors: dict[str, Tensor], ids: list[int]) -> Tensor:
    """What GPT-2's shape computes after `ids`, straight from the tensors."""
    C, H, T = SHAPE["n_embd"], SHAPE["n_head"], len(ids)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (C,), tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"))

    x = tensors["transformer.wte.weight"][ids] + tensors["transformer.wpe.weight"][:T]
    ahead = torch.full((T, T), -torch.inf).triu(1)
    for i in range(SHAPE["n_layer"]):
        h = f"transformer.h.{i}"
        q, k, v = (
            part.view(T, H, C // H).transpose(0, 1)
            for part in linear(f"{h}.attn.c_attn", norm(f"{h}.ln_1", x)).split(C, dim=1)
        )
        scores = (q @ k.transpose(1, 2) / (C // H) ** 0.5 + ahead).softmax(-1)
        x = x + linear(f"{h}.attn.c_proj", (scores @ v).transpose(0, 1).reshape(T, C))
        x = x + linear(f"{h}.mlp.c_proj", F.gelu(linear(f"{h}.mlp.c_fc", norm(f"{h}.ln_2", x))))
    return norm("transformer.ln_f", x)[-1] @ tensors["lm_head.weight"].T


def greedy(tensors: dict[str, Tensor], prompt: list[int], count: int, never: frozenset[int] = frozenset()) -> list[int]:
    """The ids that follow, up to where the choice is close."""
    ids = list(prompt)
    for _ in range(count):
        found = logits(tensors, ids)
        found[sorted(never)] = -torch.inf
        (first, second), (best, _) = found.topk(2)
        if first - second < CLOSE:
            break
        ids.append(int(best))
    return ids[len(prompt) :]


def saved(path: Path, tensors: dict[str, Tensor], *, prefix: str = "", **changes) -> Path:
    """A checkpoint as train.py writes it, with a mask as nanoGPT had before PyTorch 2, and what an optimizer leaves."""
    masks = {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 64, 64).tril() for i in range(SHAPE["n_layer"])}
    model_args = {**SHAPE, "bias": "transformer.ln_f.bias" in tensors, "vocab_size": 50304, "dropout": 0.0}
    values = {
        "model": {prefix + name: tensor for name, tensor in (tensors | masks).items()},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
        "model_args": model_args,
        "iter_num": 2000,
        "best_val_loss": torch.tensor(1.4697),
        "config": {"out_dir": "out-shakespeare-char", "compile": True},
    }
    torch.save({key: value for key, value in (values | changes).items() if value is not None}, path)
    return path


def meta(path: Path, letters: str = LETTERS) -> Path:
    itos = dict(enumerate(letters))
    values = {"vocab_size": len(letters), "itos": itos, "stoi": {c: i for i, c in itos.items()}}
    path.write_bytes(pickle.dumps(values))
    return path


def spm(path: Path, **options) -> Path:
    """A model with SentencePiece's own defaults."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=generated.stories(300, 1), model_writer=model, vocab_size=400, hard_vocab_limit=False,
        minloglevel=2, **options,
    )  # fmt: skip
    path.write_bytes(model.getvalue())
    return path


def run(monkeypatch, *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["trainer", "import", "nanogpt", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("prefix", "padding"), [("", 0), ("_orig_mod.", 7)])
def test_a_character_mind_writes_what_nanogpt_writes(tmp_path, monkeypatch, capsys, bias, prefix, padding) -> None:
    tensors = state(len(LETTERS), bias=bias, padding=padding)
    checkpoint = saved(tmp_path / "ckpt.pt", tensors, prefix=prefix)
    code = run(
        monkeypatch, checkpoint, "--tokenizer", meta(tmp_path / "meta.pkl"), "--prompt", "Вода", "--prompt", "\n"
    )
    assert not code
    assert ("7 rows" in capsys.readouterr().out) == bool(padding)
    mind = open_mind(tmp_path / "ckpt.mind")
    verify(mind)
    assert mind.config.bias == bias
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-4
    for golden, prompt in zip(mind.golden, ("Вода", "\n"), strict=True):
        assert list(golden.prompt) == [LETTERS.index(c) for c in prompt]
        expected = greedy(tensors, list(golden.prompt), 32)
        assert len(expected) > 5
        assert list(golden.ids)[: len(expected)] == expected


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "options",
    [{"model_type": "bpe"}, {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "nfkc_cf"}],
)
def test_a_mind_of_pieces_talks_as_nanogpt_does(tmp_path, options, bias) -> None:
    model = spm(tmp_path / "spm.model", **options)
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(model))
    tensors = state(theirs.vocab_size(), bias=bias, padding=64, seed=1)
    import_checkpoint(saved(tmp_path / "ckpt.pt", tensors), model, tmp_path / "my.mind", card={})
    mind = open_mind(tmp_path / "my.mind")
    assert mind.manners.stop_ids == (theirs.eos_id(),)
    assert selftest.run(mind, Weights.from_mind(mind)) < 1e-4
    chat = Chat.with_mind(mind, tmp_path)
    chat.sampling = replace(chat.sampling, temperature=0.0, max_tokens=24)
    prompt = "  Старик   ﬁ взял…"
    ids = theirs.encode(prompt)
    expected = greedy(tensors, ids, 24, never=frozenset({theirs.unk_id(), theirs.bos_id()}))
    assert len(expected) > 5
    assert theirs.eos_id() not in expected  # there the answer would end
    answer = chat.say(prompt)
    text = "".join(answer)
    assert answer.ids[: len(expected)] == expected
    begun, whole = theirs.decode(ids), theirs.decode(ids + expected)
    assert text.startswith(whole.removeprefix(begun).rstrip("\ufffd"))  # the last letter may not be whole


def test_the_card_tells_what_is_known(tmp_path) -> None:
    folder = tmp_path / "out-shakespeare-char"
    folder.mkdir()
    checkpoint = saved(folder / "ckpt.pt", state(3, bias=True))
    import_checkpoint(checkpoint, meta(tmp_path / "meta.pkl", "abc"), folder / "a.mind", card={"licence": "MIT"})
    mind = open_mind(folder / "a.mind")
    assert mind.card["title"] == "out-shakespeare-char"
    assert mind.card["licence"] == "MIT"
    assert mind.card["figures"] == {"iterations": 2000, "held_out_nats_per_token": 1.4697}
    assert mind.card["parameters"] == sum(mind.tensor(name).size for name in mind.tensors)
    assert mind.manners.language == "en"
    assert mind.manners.sampling.top_k == 200
    assert [golden.prompt for golden in mind.golden] == [(0,)]


def test_letters_that_the_vocabulary_lacks_are_left_out(tmp_path) -> None:
    checkpoint = saved(tmp_path / "ckpt.pt", state(len(LETTERS), bias=False))
    import_checkpoint(checkpoint, meta(tmp_path / "meta.pkl"), tmp_path / "a.mind", card={})
    chat = Chat.with_mind(open_mind(tmp_path / "a.mind"), tmp_path)
    chat.sampling = replace(chat.sampling, temperature=0.0, max_tokens=5)
    answer = chat.say("Ω Вода")
    text = "".join(answer)
    assert answer.stats.prompt == len(" Вода")
    chat.undo()
    assert "".join(chat.say(" Вода")) == text
    chat.undo()
    assert "".join(chat.say("Ω"))  # nothing is left: it begins at a line end


def test_a_head_of_its_own_stays(tmp_path) -> None:
    tensors = state(len(LETTERS), bias=False)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].flip(0)
    import_checkpoint(saved(tmp_path / "c.pt", tensors), meta(tmp_path / "m"), tmp_path / "a.mind", card={})
    mind = open_mind(tmp_path / "a.mind")
    assert not mind.config.tied
    expected = greedy(tensors, list(mind.golden[0].prompt), 32)
    assert list(mind.golden[0].ids)[: len(expected)] == expected


def test_the_program_replays_the_golden_answers(tmp_path) -> None:
    checkpoint = saved(tmp_path / "ckpt.pt", state(len(LETTERS), bias=True))
    import_checkpoint(checkpoint, meta(tmp_path / "meta.pkl"), tmp_path / "a.mind", card={})
    command = [sys.executable, "-m", "chat_app", "--mind", tmp_path / "a.mind", "--selftest"]
    assert subprocess.run(command, check=False).returncode == 0


class Trap:
    def __reduce__(self):
        return print, ("sprung",)


def damaged(tmp_path: Path, how: str) -> tuple[Path, Path]:
    """(checkpoint, tokenizer), one of them wrong."""
    tensors = state(len(LETTERS), bias=True)
    checkpoint, tokenizer = tmp_path / "ckpt.pt", meta(tmp_path / "meta.pkl")
    changes: dict[str, dict] = {
        "no model": {"model": None},
        "no args": {"model_args": None},
        "args without a head": {"model_args": {"n_layer": 2, "n_embd": 32, "block_size": 64}},
        "heads that do not divide": {"model_args": SHAPE | {"n_head": 5}},
        "more layers than tensors": {"model_args": SHAPE | {"n_layer": 3}},
        "fewer layers than tensors": {"model_args": SHAPE | {"n_layer": 1}},
        "another context": {"model_args": SHAPE | {"block_size": 32}},
        "a model of words": {"model": {"a": "b"}},
        "another model": {"model": {"encoder.weight": torch.zeros(3)}},
        "code in the checkpoint": {"config": Trap()},
    }
    if how == "NaN":
        tensors["transformer.h.1.mlp.c_fc.bias"][3] = torch.nan
    saved(checkpoint, tensors, **changes.get(how, {}))
    if how == "no checkpoint":
        checkpoint.unlink()
    if how == "cut checkpoint":
        checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    if how == "text for a checkpoint":
        checkpoint.write_text("model = 5")
    if how == "no tokenizer":
        tokenizer.unlink()
    if how == "text for a tokenizer":
        tokenizer.write_text("abc")
    if how == "code in the tokenizer":
        tokenizer.write_bytes(pickle.dumps({"itos": Trap()}))
    if how == "cut tokenizer":
        tokenizer.write_bytes(tokenizer.read_bytes()[:100])
    if how == "syllables":
        tokenizer.write_bytes(pickle.dumps({"itos": {0: "ab", 1: "c"}}))
    if how == "more pieces than rows":
        meta(tokenizer, LETTERS + "xyz")
    return checkpoint, tokenizer


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no checkpoint", "There is no checkpoint at"),
        ("cut checkpoint", "cannot be read"),
        ("text for a checkpoint", "not a checkpoint of weights"),
        ("code in the checkpoint", "could run code"),
        ("no model", "has no model:"),
        ("no args", "has no model_args:"),
        ("args without a head", "have no n_head"),
        ("heads that do not divide", "not divisible by n_head 5"),
        ("more layers than tensors", "has no tensor h.2"),
        ("fewer layers than tensors", "h.1.attn.c_k.bias has no place"),
        ("another context", "wpe.weight is [64, 32], and the config wants [32, 32]"),
        ("a model of words", "something else than tensors"),
        ("another model", "has no tensor transformer.wte.weight"),
        ("NaN", "h.1.mlp.c_fc.bias holds NaN"),
        ("no tokenizer", "cannot be read: No such file"),
        ("text for a tokenizer", "neither a meta.pkl nor a model"),
        ("code in the tokenizer", "it asks for builtins.print"),
        ("cut tokenizer", "not nanoGPT's meta.pkl"),
        ("syllables", "not one character"),
        ("more pieces than rows", "do not belong together"),
    ],
)
def test_what_cannot_become_a_mind_is_a_sentence_and_leaves_none(tmp_path, monkeypatch, capsys, how, words) -> None:
    checkpoint, tokenizer = damaged(tmp_path, how)
    assert run(monkeypatch, checkpoint, "--tokenizer", tokenizer, "--to", tmp_path / "a.mind") == 2
    said = " ".join(capsys.readouterr().out.split())
    assert words in said
    assert "sprung" not in said
    assert not (tmp_path / "a.mind").exists()


def test_a_prompt_of_which_nothing_is_left_is_refused(tmp_path) -> None:
    checkpoint = saved(tmp_path / "ckpt.pt", state(len(LETTERS), bias=True))
    with pytest.raises(ExportError, match="Nothing is left of the prompt 'xyz'"):
        import_checkpoint(checkpoint, meta(tmp_path / "m"), tmp_path / "a.mind", card={}, prompts=["Вода", "xyz"])
    with pytest.raises(ExportError, match="fills the whole context"):
        import_checkpoint(checkpoint, meta(tmp_path / "m"), tmp_path / "a.mind", card={}, prompts=["Вода" * 20])


def test_a_character_table_brings_no_normaliser_of_ours(tmp_path) -> None:
    letters = "\r\n\t «ё.\u2581"
    tokenizer = tokenizers.of(read_tokenizer(meta(tmp_path / "meta.pkl", letters)))
    assert tokenizer.encode(letters) == list(range(len(letters)))
    assert tokenizer.decode(tokenizer.encode("ё...\r\n«")) == "ё...\r\n«"
