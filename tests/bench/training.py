"""How fast a mind grows: one iteration as the trainer does it, beside nanoGPT-style plain code of the same shape.

Run by `nox -s bench -- train`. They take turns, so that a busy moment hits both. On a GPU it is the flagship, with
its share of the chip's peak. Prints one JSON object.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from chat_app import tokenizer as tokenizers
from tests.bench import shape
from trainer import recipe as recipes
from trainer.batches import Batches
from trainer.held_out import HeldOutText
from trainer.loop import Run
from trainer.model import Transformer
from trainer.recipe import Recipe
from trainer.sections import Source
from trainer.tokens import Counts, Tokens
from trainer.writing import Writer

TOKENS = 4_000_000
ROUNDS = 7
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # bf16, dense, as NVIDIA's data sheets say


class Plain:
    """fp32, AdamW, no compilation: the training step of nanoGPT's train.py, written anew."""

    def __init__(self, recipe: Recipe, vocab_size: int, ids: np.ndarray, device: str) -> None:
        torch.manual_seed(0)
        self.model = Transformer(recipe.model.config(vocab_size)).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
        self.ids, self.settings, self.device = ids, recipe.pretrain, device
        self.block_size = recipe.pretrain.early_block_size or recipe.model.block_size

    def step(self) -> float:
        """One iteration; the loss."""
        self.model.train()
        total = 0.0
        for _ in range(self.settings.gradient_accumulation):
            starts = torch.randint(len(self.ids) - self.block_size - 1, (self.settings.batch_size,))
            rows = np.stack([self.ids[start : start + self.block_size + 1] for start in starts]).astype(np.int64)
            whole = torch.from_numpy(rows).to(self.device)
            loss = self.model(whole[:, :-1], whole[:, 1:]) / self.settings.gradient_accumulation
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total


def ours(recipe: Recipe, vocab_size: int, ids: np.ndarray, device: str) -> Run:
    """The trainer's own run over the same ids, without a folder of corpus files."""
    counts = {"random": Counts(1, len(ids), len(ids), len(ids))}
    tokens = Tokens(ids, np.array([0, len(ids)]), counts)
    config, settings = recipe.model.config(vocab_size), recipe.pretrain
    size = settings.batch_size * settings.gradient_accumulation
    early = settings.early_block_size
    torch.manual_seed(0)
    return Run(
        settings, Path("out/bench"), Transformer(config), Writer(tokenizers.from_dict(shape.pieces().to_dict())),
        Batches(tokens, {"random": Source()}, config.block_size, size, 0, early),
        HeldOutText(tokens, config.block_size, 1),
        device=device,
    )  # fmt: skip


def seconds(step: Callable[[], float], device: str) -> float:
    """How long one step takes."""
    started = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = recipes.load(recipes.find("homunculus" if device == "cuda" else "homunculus-small"))
    vocab_size = recipe.vocabulary.vocab_size
    ids = np.random.default_rng(0).integers(0, vocab_size, TOKENS).astype(np.uint16)
    plain, run = Plain(recipe, vocab_size, ids, device), ours(recipe, vocab_size, ids, device)
    for step in (plain.step, run.step, run.step):  # compilation and first allocations are not what is measured
        step()
    pairs = [(seconds(plain.step, device), seconds(run.step, device)) for _ in range(ROUNDS)]
    tokens = run.state.tokens_per_iteration
    speed = tokens / statistics.median(mine for _, mine in pairs)
    measured = {
        "train_recipe": recipe.name,
        "train_device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "train_tokens_per_second": speed,
        "train_plain_tokens_per_second": tokens / statistics.median(theirs for theirs, _ in pairs),
        "train_ratio": statistics.median(theirs / mine for theirs, mine in pairs),
    }
    if peak := next((flops for name, flops in PEAK_FLOPS.items() if name in measured["train_device"]), None):
        measured["train_mfu"] = speed * flops_per_token(run) / peak
    print(json.dumps(measured))


def flops_per_token(run: Run) -> float:
    """Of forward and backward: 6 N + 12 L d T (Chowdhery et al., arXiv 2204.02311, appendix B)."""
    config = run.model.config
    length = run.settings.early_block_size or config.block_size
    return 6 * run.state.parameters + 12 * config.n_layer * config.n_embd * length


if __name__ == "__main__":
    main()
