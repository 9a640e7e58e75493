"""The machine that trains: its device, its memory, its compiler. Knows nothing of minds."""

from __future__ import annotations

import sys

import torch

from trainer.errors import StageError


def device(wish: str) -> str:
    """The device to train on; `auto` takes a GPU where there is one. StageError where the wish cannot be met."""
    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(wish).type
    except RuntimeError:
        kind = ""
    if kind not in ("cpu", "cuda"):
        raise StageError(f"The device {wish} is not known: use cpu, cuda or auto.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise StageError("There is no CUDA device here: use --device cpu, or leave --device out.")
    return wish


def memory_mb(device: str) -> int:
    """The most memory that this process has held, in MiB: of the GPU where it trains on one."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() >> 20
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def compile_errors() -> tuple[type[Exception], ...]:
    """What torch.compile raises where it cannot work, as without a C++ compiler."""
    import torch._dynamo.exc
    import torch._inductor.exc

    return torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch means that memory ran out: on the CPU it has no class of its own for that."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
