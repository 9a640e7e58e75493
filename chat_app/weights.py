"""The weights in memory: one arena of float32, filled once from the file's float16 by several threads.

float32 because numpy has no half-precision products; one arena because huge pages save 5-10 % of every token.
"""

from __future__ import annotations

import math
import mmap
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import length_hint
from typing import Final

from chat_app.blas import cores  # before numpy, see there

import numpy as np  # isort: skip

from chat_app.config import Config, tensor_shapes
from chat_app.errors import MindError
from chat_app.mind import Mind
from chat_app.planes import Chunk, Reader, Stored

_ALIGN: Final = 16  # numbers: a cache line


@dataclass(frozen=True, slots=True)
class Layer:
    """Views into the arena. Matrices are [out, in]; biases are None where the mind has none."""

    ln_1: np.ndarray  # [C]
    ln_1_bias: np.ndarray | None  # [C]
    c_qkv: np.ndarray  # [C + 2 G D, C]: queries, keys, values, one below the other
    c_qkv_bias: np.ndarray | None  # [C + 2 G D]
    q_norm: np.ndarray | None  # [D]
    k_norm: np.ndarray | None  # [D]
    attn_c_proj: np.ndarray  # [C, C]
    attn_c_proj_bias: np.ndarray | None  # [C]
    ln_2: np.ndarray  # [C]
    ln_2_bias: np.ndarray | None  # [C]
    c_up: np.ndarray  # [n_inner, C], or [2 n_inner, C]: the gate above c_fc
    c_up_bias: np.ndarray | None  # [n_inner], or [2 n_inner]
    mlp_c_proj: np.ndarray  # [C, n_inner]
    mlp_c_proj_bias: np.ndarray | None  # [C]


class Weights:
    """All tensors of a mind as float32 views of one arena; `tensors` has them by their names in the file."""

    def __init__(self, config: Config, base: Weights | None = None, changed: Collection[str] = ()) -> None:
        """Zeros; with a `base` its tensors, but for those `changed` and what is multiplied together with them."""
        self.config, self._base = config, base
        self.places, size = _plan(config, None if base is None else changed)
        memory = _huge_pages(4 * size)
        self.arena = np.frombuffer(memory, np.float32)
        self.tensors: dict[str, np.ndarray] = {
            name: self._view(self.places[name], shape) if base is None or name in self.places else base.tensors[name]
            for name, shape in tensor_shapes(config).items()
        }
        self.wte = self.tensors["wte.weight"]  # [V, C]
        self.wpe = self.tensors.get("wpe.weight")  # [block_size, C]
        self.ln_f = self.tensors["ln_f.weight"]  # [C]
        self.ln_f_bias = self.tensors.get("ln_f.bias")  # [C]
        self.lm_head = self.wte if config.tied else self.tensors["lm_head.weight"]  # [V, C]
        self.h = [self._layer(i) for i in range(config.n_layer)]
        self.cos, self.sin = _rope_angles(config)  # [block_size, D/2] each

    def _view(self, place: int, shape: tuple[int, ...]) -> np.ndarray:
        return self.arena[place : place + math.prod(shape)].reshape(shape)

    def _layer(self, i: int) -> Layer:
        c = self.config

        def get(name: str) -> np.ndarray:
            return self.tensors[f"h.{i}.{name}.weight"]

        def bias(name: str) -> np.ndarray | None:
            return self.tensors.get(f"h.{i}.{name}.bias")

        def fused(name: str, *shape: int) -> np.ndarray:
            owner = self
            while f"h.{i}.{name}" not in owner.places and owner._base is not None:
                owner = owner._base
            return owner._view(owner.places[f"h.{i}.{name}"], shape)

        up, n_up = ("mlp.c_gate", 2 * c.n_inner) if c.mlp == "swiglu" else ("mlp.c_fc", c.n_inner)
        n_qkv = c.n_embd + 2 * c.n_kv
        return Layer(
            ln_1=get("ln_1"),
            ln_1_bias=bias("ln_1"),
            c_qkv=fused("attn.c_q.weight", n_qkv, c.n_embd),
            c_qkv_bias=fused("attn.c_q.bias", n_qkv) if c.bias else None,
            q_norm=get("attn.q_norm") if c.qk_norm else None,
            k_norm=get("attn.k_norm") if c.qk_norm else None,
            attn_c_proj=get("attn.c_proj"),
            attn_c_proj_bias=bias("attn.c_proj"),
            ln_2=get("ln_2"),
            ln_2_bias=bias("ln_2"),
            c_up=fused(f"{up}.weight", n_up, c.n_embd),
            c_up_bias=fused(f"{up}.bias", n_up) if c.bias else None,
            mlp_c_proj=get("mlp.c_proj"),
            mlp_c_proj_bias=bias("mlp.c_proj"),
        )

    @classmethod
    def from_arrays(cls, config: Config, arrays: Mapping[str, np.ndarray]) -> Weights:
        """Copy tensors of any floating dtype."""
        weights = cls(config)
        for name, view in weights.tensors.items():
            view[...] = arrays[name]
        return weights

    @classmethod
    def from_mind(cls, mind: Mind, progress: Callable[[float], None] | None = None) -> Weights:
        """Read and widen the mind's tensors, on as many threads as help; `progress` hears which share is read."""
        return cls(mind.config)._filled(mind, mind.stored(), progress)

    def variant(self, mind: Mind, mode: str) -> Weights:
        """The weights of a variant of the mind that these are of; what it does not change, both share."""
        changed = Weights(self.config, self, mind.variants[mode].tensors)
        return changed._filled(mind, mind.stored(mode))

    def _filled(
        self, mind: Mind, stored: Mapping[str, Stored], progress: Callable[[float], None] | None = None
    ) -> Weights:  # fmt: skip
        jobs = list(_jobs(stored, self))
        left = iter(jobs)

        def told() -> None:
            if progress is not None:
                progress(1 - length_hint(left) / len(jobs))

        workers = [_Filler(mind, self.arena, left, told) for _ in range(min(4, cores()))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            if worker.error is not None:
                raise worker.error
        return self


def _huge_pages(size: int) -> mmap.mmap:
    """An anonymous mapping, in huge pages where the system grants them; np.empty cannot ask for any.

    It must be private: the shared mapping that mmap makes unless told otherwise never gets them.
    """
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel built without them refuses the advice
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _plan(config: Config, wanted: Collection[str] | None) -> tuple[dict[str, int], int]:
    """Where each tensor starts in the arena, in numbers; those that are multiplied as one stand without a gap.

    Of all tensors, or of those `wanted` and what is multiplied together with them.
    """
    followers = {"attn.c_k", "attn.c_v"} | ({"mlp.c_fc"} if config.mlp == "swiglu" else set())
    groups: list[list[str]] = []
    shapes = tensor_shapes(config)
    for name in shapes:
        if name.rpartition(".")[0].split(".", 2)[-1] in followers:
            groups[-1].append(name)
        else:
            groups.append([name])
    places, end = {}, 0
    for group in groups:
        if wanted is None or not frozenset(group).isdisjoint(wanted):
            end = -(-end // _ALIGN) * _ALIGN
            for name in group:
                places[name] = end
                end += math.prod(shapes[name])
    return places, end


def _rope_angles(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin of position times frequency (Su et al., arXiv 2104.09864, eq. 34), in Llama's half-split order."""
    frequency = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angle = np.outer(np.arange(config.block_size), frequency)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def widen(half: np.ndarray, out: np.ndarray) -> None:
    """Write finite float16 numbers, given as their int16 bits, to `out` float32, exactly.

    The exponents of the two formats differ by 112, so a shift and one product do what a conversion would, subnormal
    numbers too, at twice its speed. Infinities and NaN, which no mind holds, would come out wrong.
    """
    bits = out.view(np.int32)
    np.copyto(bits, half)  # sign-extended: the sign now fills the upper half
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, np.int32(-0x70002000), out=bits)  # 0x8fffe000: keep the sign, clear its copies
    np.multiply(out, np.float32(2.0**112), out=out)


def _jobs(stored: Mapping[str, Stored], weights: Weights) -> Iterator[tuple[Chunk, int]]:
    """Every chunk of the arena's tensors, with its place in the arena."""
    for name, place in weights.places.items():
        for chunk in stored[name].chunks():
            yield chunk, place + chunk.place


class _Filler(threading.Thread):
    """Takes chunks until none is left."""

    def __init__(
        self, mind: Mind, arena: np.ndarray, jobs: Iterator[tuple[Chunk, int]], told: Callable[[], None]
    ) -> None:
        super().__init__(name="fill weights", daemon=True)
        self.mind, self.arena, self.jobs, self.told = mind, arena, jobs, told
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with Reader(self.mind.path) as reader:
                for chunk, place in self.jobs:
                    widen(reader.read(chunk), self.arena[place : place + chunk.count])
                    self.told()
        except (OSError, MemoryError, MindError) as error:
            self.error = error
