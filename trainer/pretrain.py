"""The pretraining stage: next-token prediction on the token files, stopped and resumed at any iteration.

Every batch is drawn from (seed, iteration), so a resumed run sees the text an unbroken one would have seen.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chat_app import tokenizer as tokenizer_module
from chat_app.config import Config
from chat_app.tokenizer import Pieces
from trainer import tokens
from trainer.batches import Batches
from trainer.errors import StageError
from trainer.files import replacing
from trainer.model import Transformer
from trainer.recipe import Pretrain, Recipe

CHECKPOINT = "checkpoint.pt"
_OPTIMIZER_KEYS = ("batch_size", "gradient_accumulation", "optimizer", "seed")  # changed, they break a resumption


@dataclasses.dataclass
class State:
    """All of a run that is not weights or optimizer; what a checkpoint keeps and a card tells."""

    iteration: int = 0
    seconds: float = 0.0
    recent_loss: float | None = None
    best_loss: float = math.inf
    best_iteration: int = 0
    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)
    samples: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def learning_rate_ratio(settings: Pretrain, iteration: int) -> float:
    """The share of the peak rate at `iteration`: warm-up, then nanoGPT's cosine or stable and a linear cooldown."""
    if iteration < settings.warmup_iters:
        return (iteration + 1) / (settings.warmup_iters + 1)
    floor = settings.min_lr_ratio
    if settings.schedule == "cosine":
        end = settings.lr_decay_iters or settings.max_iters
        done = min(1.0, (iteration - settings.warmup_iters) / max(1, end - settings.warmup_iters))
        return floor + 0.5 * (1 + math.cos(math.pi * done)) * (1 - floor)
    left = (settings.max_iters - iteration) / (settings.cooldown * settings.max_iters)
    return floor + min(1.0, left) * (1 - floor)


def make_optimizers(model: Transformer, settings: Pretrain) -> list[torch.optim.Optimizer]:
    """Matrices decay, gains and tables do not; Muon, where chosen, takes the layers' matrices only."""
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and n.startswith("h.")]
    tables = [p for n, p in model.named_parameters() if p.dim() == 2 and not n.startswith("h.")]
    gains = [p for p in model.parameters() if p.dim() < 2]
    betas = (settings.beta1, settings.beta2)
    groups = [
        {"params": tables, "weight_decay": settings.weight_decay if settings.optimizer == "adamw" else 0.0},
        {"params": gains, "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        groups.append({"params": matrices, "weight_decay": settings.weight_decay})
        return [torch.optim.AdamW(groups, lr=settings.lr, betas=betas)]
    muon = torch.optim.Muon(matrices, lr=settings.muon_lr, weight_decay=settings.weight_decay)
    return [torch.optim.AdamW(groups, lr=settings.lr, betas=betas), muon]


class Run:
    """One pretraining run of a recipe in its work folder."""

    def __init__(self, recipe: Recipe, folder: Path, pieces: Pieces, device: str) -> None:
        self.settings, self.folder, self.device = recipe.pretrain, folder, device
        self.config = recipe.model.config(len(pieces.pieces))
        self.tokenizer = tokenizer_module.from_dict(pieces.to_dict())
        val = tokens.load(folder, "val")
        self.val_ids, self.val_counts = val.ids, val.total
        if len(self.val_ids) <= self.config.block_size:
            raise StageError(
                f"The validation text has {len(self.val_ids)} tokens, and one sequence takes "
                f"{self.config.block_size + 1}: give more text, or a smaller block_size."
            )
        size = self.settings.batch_size * self.settings.gradient_accumulation
        self.batches = Batches(
            tokens.load(folder, "train"), recipe.corpus.sources, self.config.block_size, size, self.settings.seed
        )
        torch.manual_seed(self.settings.seed)
        self.model = Transformer(self.config, self.settings.dropout).to(device)
        self.optimizers = make_optimizers(self.model, self.settings)
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self.state = State()
        self.stop = False

    def autocast(self) -> AbstractContextManager[None]:
        """bf16, which both CUDA and recent CPUs multiply several times faster than fp32."""
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def _windows(self, ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
        size = self.config.block_size + 1
        return np.stack([ids[s : s + size] for s in starts]).astype(np.int64)  # [B, T + 1]

    def _loss(self, windows: np.ndarray) -> Tensor:
        """Mean nats a token of windows [B, T + 1]."""
        whole = torch.from_numpy(windows).to(self.device)
        with self.autocast():
            return self.model(whole[:, :-1], whole[:, 1:])

    def step(self) -> float:
        """One iteration: forward, backward, update. The mean loss in nats a token."""
        settings, total = self.settings, 0.0
        self.model.train()
        windows = self.batches.batch(self.state.iteration, settings.cooldown_start)
        for micro in np.split(windows, settings.gradient_accumulation):
            loss = self._loss(micro) / settings.gradient_accumulation
            loss.backward()
            total += loss.item()
        if not math.isfinite(total):
            rates = "pretrain.lr or pretrain.muon_lr" if settings.optimizer == "muon" else "pretrain.lr"
            raise StageError(
                f"The loss is no longer a number at iteration {self.state.iteration}: lower {rates}, or lengthen "
                "warmup_iters, and go on from the last checkpoint, which is kept."
            )
        if settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.grad_clip)
        ratio = learning_rate_ratio(settings, self.state.iteration)
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * ratio
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.state.iteration += 1
        return total

    @torch.no_grad()
    def held_out_loss(self, sequences: int | None = None) -> float:
        """Nats a token over evenly spread sequences of the validation text, or over all of it, without overlap."""
        self.model.eval()
        size = self.config.block_size
        last = len(self.val_ids) - size - 1
        every = np.arange(0, last + 1, size)
        if sequences is not None and sequences < len(every):
            every = np.linspace(0, last, sequences).astype(np.int64)
        chunks = np.array_split(every, -(-len(every) // self.settings.batch_size))
        return sum(self._loss(self._windows(self.val_ids, chunk)).item() * len(chunk) for chunk in chunks) / len(every)

    @torch.no_grad()
    def sample(self, prompt: str, length: int) -> str:
        """Let the unfinished mind go on from `prompt`, at temperature 0.8, always with the same dice."""
        self.model.eval()
        dice = torch.Generator().manual_seed(self.settings.seed)
        start = [] if self.tokenizer.bos_id is None else [self.tokenizer.bos_id]
        ids = start + self.tokenizer.encode(prompt)
        never = [self.tokenizer.unk_id, *self.tokenizer.control.values()]
        for _ in range(length):
            row = torch.tensor([ids[-self.config.block_size :]], device=self.device)
            with self.autocast():
                logits = self.model(row)[0, -1].float().cpu() / 0.8
            logits[never] = -math.inf
            ids.append(int(torch.multinomial(logits.softmax(0), 1, generator=dice)))
        return self.tokenizer.decode(ids)

    def save(self) -> None:
        """Write everything a resumption needs, in place of the last checkpoint."""
        values = {
            "config": self.config.to_dict(),
            "pieces": list(self.tokenizer.pieces.pieces),
            "settings": self.settings.model_dump(),
            "state": dataclasses.asdict(self.state),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "random": torch.get_rng_state(),
        }
        with replacing(self.folder / CHECKPOINT) as file:
            torch.save(values, file)

    def resume(self) -> bool:
        """Take up the checkpoint, if there is one. StageError where it belongs to another recipe."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        values = read_checkpoint(path)
        before = values["settings"]
        now = self.settings.model_dump()
        changed = [key for key in _OPTIMIZER_KEYS if before[key] != now[key]]
        if values["config"] != self.config.to_dict() or values["pieces"] != list(self.tokenizer.pieces.pieces):
            changed.append("model or vocabulary")
        if changed:
            raise StageError(
                f"{path} was grown with another {', '.join(changed)}: change the recipe back, "
                "or start afresh by giving another --out."
            )
        self.model.load_state_dict(values["model"])
        for optimizer, saved in zip(self.optimizers, values["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(values["random"])
        self.state = State(**values["state"])
        return True

    def go(self, report: Callable[[str], None]) -> Iterator[int]:
        """Grow to `max_iters`, or until `stop` is set, yielding each finished iteration; saves as it goes.

        What breaks off an iteration halfway is not saved: the last checkpoint stays, and is exact.
        """
        settings, state = self.settings, self.state
        moments = [max(1, round(share * settings.max_iters)) for share in settings.sample_at]
        saved = started = time.monotonic()
        before = state.seconds
        try:
            while state.iteration < settings.max_iters and not self.stop:
                loss = self.step()
                state.recent_loss = loss if state.recent_loss is None else 0.95 * state.recent_loss + 0.05 * loss
                state.seconds = before + time.monotonic() - started
                if state.iteration % settings.eval_interval == 0 or state.iteration == settings.max_iters:
                    self._evaluate(report)
                # Counted, not met: a run whose length was changed on the way must not skip one.
                if sum(moment <= state.iteration for moment in moments) > len(state.samples):
                    self._let_write(report)
                if time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
                yield state.iteration
        except GeneratorExit:  # the caller has seen enough, and we stand between two iterations
            self.save()
            raise
        self.save()

    def _evaluate(self, report: Callable[[str], None]) -> None:
        state = self.state
        loss = self.held_out_loss(self.settings.eval_sequences)
        if loss < state.best_loss:
            state.best_loss, state.best_iteration = loss, state.iteration
        state.curve.append(
            {"iteration": state.iteration, "train": round(state.recent_loss or math.nan, 4), "val": round(loss, 4)}
        )
        report(
            f"iteration {state.iteration}: train {state.recent_loss:.4f}, held-out {loss:.4f} nats a token, "
            f"{self.bits_per_byte(loss):.4f} bits a byte, {state.seconds / 60:.1f} min"
        )

    def _let_write(self, report: Callable[[str], None]) -> None:
        text = self.sample(self.settings.sample_prompt, self.settings.sample_tokens)
        self.state.samples.append({"iteration": self.state.iteration, "text": text})
        report(f"at iteration {self.state.iteration} it writes: {text}")

    def bits_per_byte(self, loss: float) -> float:
        """Nats a token to bits a byte of UTF-8, the measure that no vocabulary flatters."""
        return loss / math.log(2) * self.val_counts.tokens / self.val_counts.bytes

    def bits_per_character(self, loss: float) -> float:
        """Nats a token to bits a character."""
        return loss / math.log(2) * self.val_counts.tokens / self.val_counts.characters


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The values that `save` wrote, on the CPU."""
    if not path.exists():
        raise StageError(f"There is no {path}: run the pretrain stage first.")
    try:
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise StageError(f"The checkpoint {path} cannot be read: {str(error).splitlines()[0]}") from error
    return values


def config_of(checkpoint: dict[str, Any]) -> Config:
    """The architecture a checkpoint was grown with."""
    return Config.from_dict(checkpoint["config"])
