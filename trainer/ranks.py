"""Data parallelism: each process takes its part of every batch, and gradients are summed. Knows torchrun's variables.

`torchrun --nproc-per-node 2 -m trainer pretrain RECIPE` starts two.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from trainer.errors import StageError

PATIENCE = dt.timedelta(hours=1)  # others wait while the first process evaluates and saves


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of how many processes this is. The first one evaluates, saves and speaks."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process evaluates, saves and speaks."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """The rows of a batch that are this process's; some processes may have one more."""
        return slice(self.rank, None, self.world)

    def share(self, size: int) -> slice:
        """The same of a batch of `size`. StageError where they cannot be equal."""
        if size % self.world:
            raise StageError(
                f"A batch of {size} sequences (batch_size x gradient_accumulation) cannot be divided among "
                f"{self.world} processes: change one of them."
            )
        return self.part

    def sum_gradients(self, model: nn.Module) -> None:
        """Replace each gradient by its sum over all processes, in one message."""
        if self.world == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def sum(self, value: float, device: str) -> float:
        """The sum of a number over all processes."""
        if self.world == 1:
            return value
        whole = torch.tensor(value, dtype=torch.float64, device=device)
        dist.all_reduce(whole)
        return float(whole)

    def agree(self, values: list[int], device: str) -> list[int]:
        """What the first process says, in every process."""
        if self.world == 1:
            return values
        said = torch.tensor(values, dtype=torch.int64, device=device)
        dist.broadcast(said, 0)
        return [int(value) for value in said]


def join(device: str) -> tuple[Ranks, str]:
    """(place of this process, its device); alone where torchrun did not start it. StageError: too few GPUs."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Ranks(), device
    on_gpu = device.startswith("cuda")
    if on_gpu:
        local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= there:
            raise StageError(f"Process {local + 1} has no GPU: there are {there}. Start as many processes as GPUs.")
        device = f"cuda:{local}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return Ranks(dist.get_rank(), world), device


def leave() -> None:
    """Say good-bye to the other processes, if there are any."""
    if dist.is_initialized():
        dist.barrier()  # together: who leaves while another still evaluates may abort in gloo's threads
        dist.destroy_process_group()
