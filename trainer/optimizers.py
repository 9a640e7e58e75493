"""Optimizers and their rates. Knows a model's parameters and the iteration, no text and no device."""

from __future__ import annotations

import math
from typing import Any

import torch

from trainer.model import Transformer
from trainer.sections import Training


def make(model: Transformer, settings: Training) -> list[torch.optim.Optimizer]:
    """Muon, where chosen, takes the layers' matrices, which alone decay; without it tables do, too. Gains never do."""
    learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in learning if p.dim() == 2 and name.startswith("h.")]
    tables = [p for name, p in learning if p.dim() == 2 and not name.startswith("h.")]
    gains = [p for _, p in learning if p.dim() < 2]
    betas = (settings.beta1, settings.beta2)
    groups = [
        {"params": tables, "weight_decay": settings.weight_decay if settings.optimizer == "adamw" else 0.0},
        {"params": gains, "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        groups.append({"params": matrices, "weight_decay": settings.weight_decay})
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=settings.lr, betas=betas, fused=next(model.parameters()).is_cuda)
    ]
    if settings.optimizer == "muon":
        optimizers.append(torch.optim.Muon(matrices, lr=settings.muon_lr, weight_decay=settings.weight_decay))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def load(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Take up the momenta of a checkpoint, but keep what the recipe says now of rates and decay."""
    told = ("peak_lr", "weight_decay", "betas", "momentum")
    now = [{key: group[key] for key in told if key in group} for group in optimizer.param_groups]
    optimizer.load_state_dict(saved)
    for group, values in zip(optimizer.param_groups, now, strict=True):
        group.update(values)


def set_rates(optimizers: list[torch.optim.Optimizer], ratio: float) -> None:
    """Give every group `ratio` of its peak rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * ratio


def rate_ratio(settings: Training, iteration: int, max_iters: int, cooldown: tuple[int, float] | None = None) -> float:
    """The share of the peak rate at an iteration (counted from 0) of a run that ends at `max_iters`.

    Where the end was moved during the `cooldown`, the rate comes down straight from this (iteration, what was left).
    The warm-up ends where the cooldown begins, if a run that has little time comes to that first.
    """
    warmup = 0 if cooldown else min(settings.warmup_iters, planned_cooldown(settings, max_iters))
    if iteration < warmup:
        return (iteration + 1) / (warmup + 1)
    floor = settings.min_lr_ratio
    if settings.schedule == "cosine":
        end = settings.lr_decay_iters or max_iters
        done = min(1.0, (iteration - warmup) / max(1, end - warmup))
        return floor + 0.5 * (1 + math.cos(math.pi * done)) * (1 - floor)
    return floor + cooldown_left(settings, iteration, max_iters, cooldown) * (1 - floor)


def cooldown_left(
    settings: Training, iteration: int, max_iters: int, cooldown: tuple[int, float] | None = None
) -> float:
    """How much of the way down from the peak to the floor is still to go: 1 before the cooldown, 0 at `max_iters`."""
    start, share = cooldown or (planned_cooldown(settings, max_iters), 1.0)
    return min(1.0, share * (max_iters - iteration) / max(1, max_iters - start))


def planned_cooldown(settings: Training, max_iters: int) -> int:
    """The first iteration of the cooldown of a run of that length; `max_iters` where the schedule has none."""
    return max_iters - (int(settings.cooldown * max_iters) if settings.schedule == "wsd" else 0)
