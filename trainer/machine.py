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
        found = torch.device(wish)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise StageError(f"The device {wish} is not known: use cpu, cuda or auto.")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise StageError("There is no CUDA device here: use --device cpu, or leave --device out.")
    last = torch.cuda.device_count() - 1 if found.type == "cuda" else 0
    if (found.index or 0) > last:
        raise StageError(f"There is no {wish} here: the last is {found.type}:{last}; --device {found.type} takes one.")
    return wish


def multiplies_bf16(device: str) -> bool:
    """Whether bfloat16 is faster there than fp32: on GPUs since Ampere, and on CPUs with AVX-512.

    oneDNN says so of CPUs without instructions for it, too, and gains by half the memory. On lesser ones it is slower
    than fp32 by far.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def memory_mb(device: str) -> int:
    """The most memory that this process has held, in MiB: of the GPU where it trains on one."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) >> 20
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
