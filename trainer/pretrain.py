"""The pretraining stage: next-token prediction on the token files, from fresh weights or from an earlier mind's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from chat_app import tokenizer as tokenizer_module
from chat_app.config import Config, tensor_shapes
from chat_app.pieces import Pieces
from trainer import checkpoint, tokens, vocabulary
from trainer.batches import Batches
from trainer.errors import StageError
from trainer.held_out import HeldOutText
from trainer.loop import Run
from trainer.model import Transformer
from trainer.ranks import Ranks
from trainer.recipe import Recipe
from trainer.writing import Writer

STAGE = "pretrain"


def prepare(
    recipe: Recipe, folder: Path, pieces: Pieces, *, device: str = "cpu", ranks: Ranks = Ranks(),  # noqa: B008
    minutes: float | None = None, start: Path | None = None, say: Callable[[str], None] = lambda line: None,
) -> Run:  # fmt: skip
    """A run that stands at its last checkpoint, or at its beginning: at the weights of `start` if given.

    `start` is a checkpoint's folder or a `.mind`. StageError where its shape or vocabulary is another.
    """
    if recipe.pretrain is None:
        raise StageError(f"The recipe {recipe.name} has no pretrain: it begins with the dialogues.")
    settings = recipe.pretrain
    config = recipe.model.config(len(pieces.pieces))
    torch.manual_seed(settings.seed)
    model = Transformer(config, settings.dropout, settings.attention_dropout)
    begin(model, start, folder / STAGE, pieces, say)
    train, val = tokens.load(folder, "train"), tokens.load(folder, "val")
    size = settings.batch_size * settings.gradient_accumulation
    run = Run(
        settings, folder / STAGE, model, Writer(tokenizer_module.from_dict(pieces.to_dict())),
        Batches(train, recipe.corpus.sources, config.block_size, size, settings.seed, settings.early_block_size),
        HeldOutText(val, settings.early_block_size or config.block_size, settings.eval_sequences),
        device=device, start=start, origin={"text": train.digest, "held-out text": val.digest}, ranks=ranks,
        minutes=minutes, say=say,
    )  # fmt: skip
    run.resume()
    return run


def begin(model: Transformer, start: Path | None, stage: Path, pieces: Pieces, say: Callable[[str], None]) -> None:
    """Give a model the weights to begin a stage with, unless the stage has begun already."""
    if start is None:
        return
    if checkpoint.exists(stage / checkpoint.LAST):
        say(f"{stage.name}: it goes on from its last checkpoint, not from {start}")
    else:
        model.load_state_dict(weights_of(start, model.config, pieces))


def weights_of(start: Path, config: Config, pieces: Pieces) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint's folder or a `.mind`, in fp32."""
    if checkpoint.is_one(start):
        found = checkpoint.load(start)
        their_config, their_pieces, weights = Config.from_dict(found.config), found.pieces, found.model
    else:
        mind = vocabulary.opened(start)
        their_config, their_pieces = mind.config, list(mind.tokenizer.pieces.pieces)
        weights = {name: torch.from_numpy(mind.tensor(name).astype(np.float32)) for name in mind.tensors}
    if weights.keys() != tensor_shapes(their_config).keys():
        raise StageError(f"{start} holds adapters that are still learning: give {start.parent / checkpoint.BEST}.")
    if their_pieces != list(pieces.pieces):
        raise StageError(f"{start} has another vocabulary: run the vocabulary stage with --from {start}.")
    ours, theirs = config.to_dict(), their_config.to_dict()
    if config.position == "rope":  # no weight depends on the context's length
        theirs["block_size"] = ours["block_size"]
    if differing := [key for key in ours if ours[key] != theirs[key]]:
        key = differing[0]
        raise StageError(
            f"{start} has {key} {theirs[key]}, and the recipe's model.{key} is {ours[key]}: make it the same."
        )
    return weights
