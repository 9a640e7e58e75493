"""Checkpoints of nanoGPT, or of GPT-2 in nanoGPT's words, to minds. Knows their names and files; trains nothing.

Neither a checkpoint nor a meta.pkl may run code: both are read for weights and plain values alone.
"""

from __future__ import annotations

import importlib.metadata
import io
import math
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chat_app import tokenizer as tokenizers
from chat_app.config import Config, tensor_shapes
from chat_app.pieces import NORMAL, Foreign, Pieces
from chat_app.tokenizer import Tokenizer
from trainer import mind_file
from trainer.errors import CorpusError, ExportError, first_line
from trainer.export import as_shipped, golden_answer
from trainer.sections import Export
from trainer.vocabulary import from_sentencepiece

SAMPLING = {"temperature": 0.8, "top_k": 200, "max_tokens": 500}  # as in nanoGPT's sample.py
START = "\n"  # likewise
END = "</s>"  # SentencePiece's mark of a text's end
_PICKLE = b"\x80"  # how a pickle begins; a SentencePiece model never does


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a checkpoint. `left_out` are rows of the embedding that no piece of the vocabulary uses."""

    sha256: str
    parameters: int
    left_out: int


def import_checkpoint(
    checkpoint: Path, tokenizer: Path, to: Path, *, card: Mapping[str, str], language: str | None = None,
    prompts: Sequence[str] = (),
) -> Imported:  # fmt: skip
    """Write the mind that a checkpoint and its tokenizer are. ExportError where they are not, or are of no known shape.

    The mind continues what it is given, and its golden answers follow `prompts`. Its language is that of most of its
    pieces unless given.
    """
    values = read_checkpoint(checkpoint)
    pieces = read_tokenizer(tokenizer)
    tensors = renamed(values["model"])
    left_out = _fit_vocabulary(tensors, len(pieces.pieces))
    config = _config(values["model_args"], tensors)
    if strange := sorted(tensors.keys() - tensor_shapes(config).keys()):
        raise ExportError(f"The checkpoint's tensor {strange[0]} has no place in a mind of its shape.")
    halves = mind_file.rounded(config, {name: tensor.float().numpy() for name, tensor in tensors.items()})
    model, spelling = as_shipped(config, halves), tokenizers.of(pieces)
    parameters = sum(p.numel() for p in model.parameters())
    sha256 = mind_file.write(
        to, config, halves, pieces,
        chat={
            "template": "", "system": "", "stop_ids": [i for mark, i in spelling.control.items() if mark == END],
            "sampling": SAMPLING, "greeting": "", "language": language or _language(pieces),
        },
        card={"title": _title(checkpoint), **card, "parameters": parameters, **_figures(values)},
        golden=[golden_answer(model, ids, Export(golden_prompts=())) for ids in _prompt_ids(spelling, prompts)],
    )  # fmt: skip
    return Imported(sha256, parameters, left_out)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What nanoGPT's train.py saved: `model`, `model_args` and more. ExportError where it is not that."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ExportError(f"There is no checkpoint at {path}.") from None
    except pickle.UnpicklingError as error:
        raise ExportError(
            f"{path} is not a checkpoint of weights and plain values alone, and anything else could run code. "
            "Save its model and model_args anew with torch.save."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise ExportError(f"The checkpoint {path} cannot be read: {first_line(error)}") from error
    for key in ("model", "model_args"):
        if not (isinstance(values, dict) and isinstance(values.get(key), dict)):
            raise ExportError(f"{path} has no {key}: it is not a checkpoint that nanoGPT's train.py wrote.")
    if not all(isinstance(tensor, Tensor) for tensor in values["model"].values()):
        raise ExportError(f"{path} has something else than tensors in its model.")
    return values


def read_tokenizer(path: Path) -> Pieces:
    """The pieces of a SentencePiece model, or of nanoGPT's meta.pkl. ExportError where it is neither."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"The tokenizer {path} cannot be read: {error.strerror or error}.") from error
    if data.startswith(_PICKLE):
        return _characters(path, data)
    try:
        return from_sentencepiece(data)
    except CorpusError as error:
        raise ExportError(
            f"The tokenizer {path} is neither a meta.pkl nor a model that can be used. {error}"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads dictionaries, lists, strings and numbers, and nothing that has a class or a function in it."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _characters(path: Path, data: bytes) -> Pieces:
    try:
        itos = _PlainUnpickler(io.BytesIO(data)).load()["itos"]
        pieces = tuple(itos[i] for i in range(len(itos)))
        return Pieces(kind="char", pieces=pieces, types=(NORMAL,) * len(pieces), foreign=Foreign())
    except Exception as error:  # a broken pickle raises anything at all
        raise ExportError(
            f"The tokenizer {path} is not nanoGPT's meta.pkl, with a plain table of characters: {first_line(error)}."
        ) from error


def renamed(model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under our names: queries, keys and values apart, masks gone, torch.compile's prefix too."""
    found = {}
    for theirs, tensor in model.items():
        name = theirs.removeprefix("_orig_mod.").removeprefix("transformer.")
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        if ".attn.c_attn." in name:
            for letter, rows in zip("qkv", tensor.chunk(3), strict=False):
                found[name.replace("c_attn", f"c_{letter}")] = rows
        else:
            found[name] = tensor
    if "wte.weight" not in found:
        raise ExportError("The checkpoint has no tensor transformer.wte.weight: it is not of GPT-2's shape.")
    if "lm_head.weight" in found and torch.equal(found["lm_head.weight"], found["wte.weight"]):
        del found["lm_head.weight"]
    return found


def _fit_vocabulary(tensors: dict[str, Tensor], size: int) -> int:
    """Cut the rows beyond the vocabulary; how many there were.

    nanoGPT pads its vocabulary (50304 for GPT-2's 50257). No text leads to those rows, and none comes of them: its own
    sampling would fail at such an id. Without them every other id has the same logit, so that greedy text is the same.
    """
    rows = len(tensors["wte.weight"])
    if rows < size:
        raise ExportError(
            f"The tokenizer has {size} pieces, and the checkpoint only {rows}: they do not belong together."
        )
    for name in ("wte.weight", "lm_head.weight"):
        if name in tensors:
            tensors[name] = tensors[name][:size]
    return rows - size


def _config(model_args: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Config:
    """The shape that the arguments and the tensors tell together; whether they agree is seen when they are rounded."""
    sizes = {}
    for name in ("n_layer", "n_head", "n_embd", "block_size"):
        if name not in model_args:
            raise ExportError(f"The checkpoint's model_args have no {name}.")
        sizes[name] = model_args[name]
    c_fc = tensors.get("h.0.mlp.c_fc.weight")
    try:
        return Config(
            **sizes,
            n_kv_head=sizes["n_head"],
            n_inner=4 * sizes["n_embd"] if c_fc is None else len(c_fc),
            vocab_size=len(tensors["wte.weight"]),
            bias="ln_f.bias" in tensors,
            tied="lm_head.weight" not in tensors,
        )
    except (ValueError, TypeError) as error:
        raise ExportError(f"The checkpoint's model_args make no model: {error}.") from error


def _prompt_ids(tokenizer: Tokenizer, prompts: Sequence[str]) -> list[list[int]]:
    """Ids to answer; without a prompt those of a line end, or the first piece where spaces are tidied away."""
    if not prompts:
        return [tokenizer.encode(START) or [tokenizer.pieces.types.index(NORMAL)]]
    found = [tokenizer.encode(prompt) for prompt in prompts]
    if [] in found:
        raise ExportError(f"Nothing is left of the prompt {prompts[found.index([])]!r} in this vocabulary.")
    return found


def _language(pieces: Pieces) -> str:
    """The language of the interface: Russian where more pieces are Cyrillic than Latin."""
    text = "\n".join(p for p, kind in zip(pieces.pieces, pieces.types, strict=True) if kind == NORMAL)
    return "ru" if len(re.findall("[а-яё]+", text)) > len(re.findall("[a-z]+", text)) else "en"


def _title(checkpoint: Path) -> str:
    """nanoGPT calls every checkpoint ckpt.pt, so its folder says more."""
    return checkpoint.stem if checkpoint.stem != "ckpt" else checkpoint.resolve().parent.name


def _figures(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoint tells of its growth."""
    figures: dict[str, Any] = {}
    if type(iterations := values.get("iter_num")) is int:
        figures["iterations"] = iterations
    loss = values.get("best_val_loss")
    if isinstance(loss, float | Tensor) and torch.numel(torch.as_tensor(loss)) == 1 and math.isfinite(loss):
        figures["held_out_nats_per_token"] = round(float(loss), 4)
    return {"figures": figures, "torch": importlib.metadata.version("torch").partition("+")[0]}
