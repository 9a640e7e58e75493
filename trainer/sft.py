"""The fine-tuning stage: a mind learns to answer, from a pretrained one's weights or from scratch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from chat_app import tokenizer as tokenizer_module
from chat_app.pieces import Pieces
from trainer import checkpoint, lora, pretrain, tokens
from trainer.dialogues import gather
from trainer.dialogues.packing import AnswerBatches, Packed
from trainer.errors import StageError
from trainer.files import replacing
from trainer.held_out import HeldOut, Rows
from trainer.loop import Run
from trainer.model import Transformer
from trainer.ranks import Ranks
from trainer.recipe import Recipe
from trainer.tokens import Tokens
from trainer.writing import Writer

STAGE = "sft"
START = "start.safetensors"  # what it began with, where the weights that are kept are to hold some of it


class HeldOutAnswers(HeldOut):
    """Held-out conversations, of which the answers are foretold."""

    def __init__(self, found: Tokens, mask: np.ndarray, block_size: int, sequences: int | None = None) -> None:
        super().__init__(found)
        ends = np.cumsum([0, *(counts.documents for counts in found.counts.values())]).tolist()
        self._rows = {}
        for name, (first, last) in zip(found.counts, itertools.pairwise(ends), strict=True):
            ids, targets = Packed(found, mask, first, last, block_size, (0,)).epoch()
            share = len(ids) if sequences is None else max(1, sequences // len(found.counts))
            self._rows[name] = ids[:share], targets[:share]

    def rows(self, name: str, batch_size: int) -> Iterator[Rows]:
        """Packed as they are learned."""
        ids, targets = self._rows[name]
        for begin in range(0, len(ids), batch_size):
            yield ids[begin : begin + batch_size], targets[begin : begin + batch_size]


def prepare(
    recipe: Recipe, folder: Path, pieces: Pieces, *, device: str = "cpu", ranks: Ranks = Ranks(),  # noqa: B008
    minutes: float | None = None, start: Path | None = None, say: Callable[[str], None] = lambda line: None,
) -> Run:  # fmt: skip
    """A run that stands at its last checkpoint, or at its beginning.

    It begins with the weights of `start` if given, else with the best of the pretrain stage; a recipe that has no such
    stage begins from scratch. StageError where the pretrain stage has left nothing.
    """
    if recipe.sft is None or recipe.dialogues is None:
        raise StageError(f"The recipe {recipe.name} has no sft: it ends with the pretrain stage.")
    settings, sources = recipe.sft, recipe.dialogues.sources
    config = recipe.model.config(len(pieces.pieces))
    (found, mask), apart = gather.load(folder, "train"), gather.load(folder, "val")
    text = tokens.load(folder, "train") if settings.text_weight else None
    torch.manual_seed(settings.seed)
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    model = Transformer(config, settings.dropout, settings.attention_dropout, begin=tokenizer.bos_id)
    before = folder / pretrain.STAGE / checkpoint.BEST
    told = say if start else lambda line: None  # of a start that nobody gave there is nothing to say
    origin = {"set of dialogues": found.digest, "set of held-out dialogues": apart[0].digest}
    if text:
        origin["pretraining text"] = text.digest
    if start is None and (recipe.pretrain or checkpoint.exists(before)):
        start = before
    pretrain.begin(model, start, folder / STAGE, pieces, told)
    if not checkpoint.exists(folder / STAGE / checkpoint.LAST):
        origin["pretrained mind"] = checkpoint.digest(model.state_dict())
    elif start == before and checkpoint.exists(before):  # one that is given now was not begun with
        origin["pretrained mind"] = checkpoint.digest(checkpoint.load(before).model)
    begun = _begun(model, folder / STAGE, ranks) if settings.start_share else {}
    if settings.lora_rank:
        lora.adapt(model, settings.lora_rank)
    shipped = lora.merged if settings.lora_rank else Transformer.state_dict
    run = Run(
        settings, folder / STAGE, model,
        Writer(tokenizer, chat=True, system=recipe.dialogues.system),
        AnswerBatches(
            found, mask, {name: source.weight for name, source in sources.items()}, config.block_size,
            settings.batch_size * settings.gradient_accumulation, settings.seed, text, settings.text_weight,
        ),
        HeldOutAnswers(*apart, config.block_size, settings.eval_sequences),
        device=device, start=start, origin=origin, ranks=ranks, minutes=minutes, say=say,
        shipped=lambda model: averaged(shipped(model), begun, settings.start_share),
    )  # fmt: skip
    if model.begin is None:
        run.say(f"{STAGE}: without <s> in vocabulary.marks, conversations that share a row see those before them.")
    run.resume()
    return run


def averaged(weights: dict[str, Tensor], begun: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of `begun` and the rest of `weights`, tensor by tensor (Wortsman et al., arXiv 2109.01903, section 3)."""
    if not share:
        return weights
    return {name: (1 - share) * tensor + share * begun[name].to(tensor.device) for name, tensor in weights.items()}


def _begun(model: Transformer, stage: Path, ranks: Ranks) -> dict[str, Tensor]:
    """The weights [as `state_dict`, on the CPU] that the stage began with, kept in its folder for resumptions."""
    path = stage / START
    if checkpoint.exists(stage / checkpoint.LAST):
        if not path.exists():
            raise StageError(f"There is no {path}: sft.start_share must be there from the stage's first iteration on.")
        return safetensors.torch.load_file(path)
    begun = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if ranks.first:
        with replacing(path) as file:
            file.write(safetensors.torch.save(begun))
    return begun
