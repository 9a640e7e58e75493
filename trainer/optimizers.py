"""Optimizers and their rates. Knows a model's parameters and the iteration, no text and no device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer.model import Transformer
from trainer.sections import Training


class StackedMuon(torch.optim.Muon):
    """torch.optim.Muon for a GPU, which takes the matrices of one shape together instead of launching for each.

    The same updates from the same state: Nesterov's momentum and the original adjustment of the rate, torch's defaults.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient (Jordan et al., kellerjordan.github.io/posts/muon)."""
        for group in self.param_groups:
            params, grads, momenta = list[Tensor](), list[Tensor](), list[Tensor]()
            self._init_group(group, params, grads, momenta)
            alike = defaultdict[torch.Size, list[int]](list)
            for i, param in enumerate(params):
                alike[param.shape].append(i)
            for (rows, columns), places in alike.items():
                grad = torch.stack([grads[i] for i in places])  # [N, rows, columns]
                momentum = torch.stack([momenta[i] for i in places]).lerp_(grad, 1 - group["momentum"])
                update = orthogonal(grad.lerp(momentum, group["momentum"]), group["ns_coefficients"], group["ns_steps"])
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                for n, i in enumerate(places):
                    momenta[i].copy_(momentum[n])
                    params[i].mul_(1 - group["lr"] * group["weight_decay"]).add_(update[n], alpha=-rate)


def orthogonal(matrices: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """U V^T of each matrix U S V^T [N, rows, columns], roughly, by Newton and Schulz' iteration in bf16."""
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.bfloat16().mT if tall else matrices.bfloat16()
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]  # no singular value above 1
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


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
        kind = StackedMuon if matrices[0].is_cuda else torch.optim.Muon  # stacked, a CPU takes a third longer
        optimizers.append(kind(matrices, lr=settings.muon_lr, weight_decay=settings.weight_decay))
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
