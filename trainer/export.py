"""The export stage, the only bridge from torch to the runtime: checkpoint -> fp16 `.mind` with golden answers."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chat_app import template
from chat_app import tokenizer as tokenizer_module
from chat_app.config import Config
from chat_app.pieces import Pieces
from chat_app.tokenizer import Tokenizer
from trainer import checkpoint, childhood, kto, mind_file, pretrain, sft, tokens
from trainer.checkpoint import State
from trainer.dialogues import gather
from trainer.errors import ExportError
from trainer.held_out import HeldOut, HeldOutText, bits_per_byte, bits_per_character
from trainer.model import Transformer
from trainer.recipe import Recipe
from trainer.sections import Export, Manner, Training
from trainer.writing import Writer

TOP_LOGITS = 8
_ROWS = 448  # of held-out conversations, shared by their sources: all of a large set take half an hour on two cores


def export(recipe: Recipe, folder: Path, pieces: Pieces, path: Path, stage: str | None = None) -> str:
    """Turn the best checkpoint of a stage, the recipe's last by default, into the mind at `path`; return its sha256."""
    stages = {pretrain.STAGE: recipe.pretrain, sft.STAGE: recipe.sft, kto.STAGE: recipe.kto}
    stage = stage or [name for name, settings in stages.items() if settings][-1]
    if (settings := stages.get(stage)) is None:
        raise ExportError(f"The recipe {recipe.name} has no stage {stage}.")
    grown = checkpoint.load(folder / (kto.stage_of(recipe) if stage == kto.STAGE else stage) / checkpoint.BEST)
    config = Config.from_dict(grown.config)
    if grown.pieces != list(pieces.pieces):
        raise ExportError("The vocabulary is not the one the checkpoint was grown with: run the stages again in order.")
    weights = {name: tensor.float().numpy() for name, tensor in grown.model.items()}
    halves = mind_file.rounded(config, weights)
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    model = as_shipped(config, halves)
    chat = stage != pretrain.STAGE
    writer = Writer(tokenizer, chat, recipe.dialogues.system if chat and recipe.dialogues else "")
    prompts = [writer.prompt_ids(prompt) for prompt in recipe.export.golden_prompts]
    voices, about = _variants(recipe, folder, config, halves, prompts)
    judged = as_shipped(config, halves, tokenizer.bos_id if chat else None)
    card = _card(recipe, settings, _held_out(folder, config, chat=chat), judged, grown.state)
    return mind_file.write(
        path, config, halves, pieces,
        chat=_chat(recipe, tokenizer) if chat else _continue(recipe), card=card | about,
        golden=[golden_answer(model, prompt, recipe.export) for prompt in prompts], variants=voices,
    )  # fmt: skip


def _variants(
    recipe: Recipe, folder: Path, config: Config, halves: dict[str, np.ndarray], prompts: list[list[int]]
) -> tuple[dict[str, mind_file.Variant], dict[str, Any]]:
    """(the other voices, what the card says of them). ExportError where they make the mind too large."""
    voices, shares = {}, {}
    for name, settings in recipe.export.variants.items():
        grown = checkpoint.load(folder / settings.recipe / checkpoint.BEST)
        if grown.config != config.to_dict():
            raise ExportError(f"The variant {name} has another config than the mind: both must be of one family.")
        theirs = mind_file.rounded(config, {n: tensor.float().numpy() for n, tensor in grown.model.items()})
        model = as_shipped(config, theirs)
        about = {
            "title": settings.title, "description": settings.description, "sampling": _sampling(settings),
            "answers": [golden_answer(model, prompt, recipe.export) for prompt in prompts],
        }  # fmt: skip
        voices[name] = mind_file.Variant(theirs, about)
        own = sum(theirs[n].nbytes for n in mind_file.differing(halves, theirs))
        shares[name] = round(own / sum(half.nbytes for half in halves.values()), 4)
    if sum(shares.values()) > recipe.export.variants_at_most:
        raise ExportError(
            f"The variants make the mind larger by {sum(shares.values()):.0%}, above export.variants_at_most "
            f"({recipe.export.variants_at_most:.0%}): train them with kto.lora_targets that touch fewer matrices."
        )
    return voices, {"variants": shares} if shares else {}


def as_shipped(config: Config, halves: dict[str, np.ndarray], begin: int | None = None) -> Transformer:
    """The torch model with the weights that the mind will hold: rounded to fp16, computing in fp32.

    `begin` is for rows that pack several texts.
    """
    model = Transformer(config, begin=begin)
    model.load_state_dict({name: torch.from_numpy(half).float() for name, half in halves.items()})
    return model.eval()


@torch.no_grad()
def golden_answer(model: Transformer, prompt: list[int], settings: Export) -> dict[str, Any]:
    """What torch says after `prompt`: its greedy ids, and the top logits of the first step."""
    ids = list(prompt)
    first: torch.Tensor | None = None
    for _ in range(min(settings.golden_tokens, model.config.block_size - len(prompt))):
        logits = model(torch.tensor([ids]))[0, -1]
        first = logits if first is None else first
        ids.append(int(logits.argmax()))
    if first is None:
        raise ExportError("A golden prompt fills the whole context: make it shorter.")
    top = first.topk(min(TOP_LOGITS, len(first)))
    return {
        "prompt": prompt,
        "ids": ids[len(prompt) :],
        "top_ids": top.indices.tolist(),
        "top_logits": top.values.tolist(),
    }


def _continue(recipe: Recipe) -> dict[str, Any]:
    """The manners of a mind that goes on from a text."""
    return {
        "template": "",
        "system": "",
        "stop_ids": [],
        "sampling": _sampling(recipe.export),
        "greeting": recipe.export.greeting,
        "language": recipe.mind.language,
    }


def _sampling(settings: Manner) -> dict[str, Any]:
    names = Manner.model_fields.keys()
    return {name: value for name, value in sorted(settings.sampling().to_dict().items()) if name in names}


def _chat(recipe: Recipe, tokenizer: Tokenizer) -> dict[str, Any]:
    """The manners of a mind that answers."""
    system = recipe.dialogues.system if recipe.dialogues else ""
    return _continue(recipe) | {
        "template": template.NAME, "system": system, "stop_ids": [tokenizer.control[template.END]],
    }  # fmt: skip


def _held_out(folder: Path, config: Config, *, chat: bool) -> HeldOut:
    if chat:
        return sft.HeldOutAnswers(*gather.load(folder, "val"), config.block_size, _ROWS)
    return HeldOutText(tokens.load(folder, "val"), config.block_size)


def _card(recipe: Recipe, settings: Training, held_out: HeldOut, model: Transformer, state: State) -> dict[str, Any]:
    """Who the mind is, with figures measured now on the weights that ship."""
    losses = held_out.losses(lambda ids, targets: _loss(model, ids, targets), settings.batch_size)
    loss = held_out.overall(losses)
    return {
        **recipe.mind.model_dump(exclude={"language"}),
        "recipe": recipe.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "figures": {
            "held_out_nats_per_token": round(loss, 4),
            "held_out_bits_per_character": round(bits_per_character(loss, held_out.total), 4),
            "held_out_bits_per_byte": round(bits_per_byte(loss, held_out.total), 4),
            "held_out_characters": held_out.total.characters,
            "iterations": state.iteration,
            "tokens_seen": state.tokens_before + state.iteration * state.tokens_per_iteration,
            "hours": round((state.seconds_before + state.seconds) / 3600, 2),
        },
        "held_out_bits_per_byte": {n: round(bits_per_byte(losses[n], c), 4) for n, c in held_out.counts.items()},
        "curve": [{key: row[key] for key in ("iteration", "train", "val")} for row in state.curve],
        "samples": childhood.of(state),
        "torch": importlib.metadata.version("torch").partition("+")[0],
        "commit": _commit(),
    }


@torch.no_grad()
def _loss(model: Transformer, ids: np.ndarray, targets: np.ndarray) -> float:
    loss: float = model(torch.from_numpy(ids), torch.from_numpy(targets)).item()  # in fp32, as the box computes
    return loss


def _commit() -> str:
    """The trainer's own commit, where it runs from a checkout."""
    try:
        run = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()
