"""The architecture of a mind: its words, its limits, and the tensors it must therefore have.

The words are nanoGPT's, and each is the same in a recipe, here, in the torch module and in the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args, get_type_hints

Position = Literal["learned", "rope"]
Norm = Literal["layernorm", "rmsnorm"]
Mlp = Literal["gelu", "swiglu"]

LARGEST_SIZE: Final = 1 << 24  # no honest size of a small mind comes near; a damaged header does


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One decoder-only transformer. All sizes are in units (heads, channels, tokens), never bytes."""

    n_layer: int
    n_head: int
    n_kv_head: int
    n_embd: int
    n_inner: int
    block_size: int
    vocab_size: int
    position: Position = "learned"
    norm: Norm = "layernorm"
    mlp: Mlp = "gelu"
    qk_norm: bool = False
    bias: bool = False
    tied: bool = True
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    def __post_init__(self) -> None:
        """Raise ValueError, with the reason, where the sizes cannot make a model."""
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            kind = hints[field.name]
            if kind is int:
                if type(value) is not int or not 0 < value <= LARGEST_SIZE:
                    raise ValueError(f"{field.name} must be a whole number above 0, not {value!r}")
            elif kind is bool:
                if type(value) is not bool:
                    raise ValueError(f"{field.name} must be true or false, not {value!r}")
            elif kind is float:
                if type(value) not in (int, float) or not 0 < value < float("inf"):
                    raise ValueError(f"{field.name} must be a number above 0, not {value!r}")
            elif value not in get_args(kind):
                raise ValueError(f"{field.name} must be one of {', '.join(get_args(kind))}, not {value!r}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}")
        if self.n_head % self.n_kv_head:
            raise ValueError(f"n_head {self.n_head} is not divisible by n_kv_head {self.n_kv_head}")
        if self.position == "rope" and self.head_dim % 2:
            raise ValueError(f"rope needs an even head size, not {self.head_dim}")

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.n_embd // self.n_head

    @property
    def n_kv(self) -> int:
        """Channels of all keys (or all values) of one layer."""
        return self.n_kv_head * self.head_dim

    @property
    def norm_bias(self) -> bool:
        """Whether the norms have biases: an RMSNorm never does."""
        return self.bias and self.norm == "layernorm"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Build from JSON. ValueError names a key that is missing or not known."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ValueError(f"the config has an unknown key {unknown[0]}")
        if missing := sorted(known - values.keys() - {"bias"}):  # which the oldest minds do not name
            raise ValueError(f"the config lacks the key {missing[0]}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """All keys, defaults too: the file must not depend on what a later version takes for granted."""
        return asdict(self)


def tensor_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor a mind of this config has; nothing may be missing, nothing more.

    Matrices are [out, in], as torch.nn.Linear keeps them.
    """
    n_embd, n_inner, n_kv = config.n_embd, config.n_inner, config.n_kv
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (config.vocab_size, n_embd)}
    if config.position == "learned":
        shapes["wpe.weight"] = (config.block_size, n_embd)
    for i in range(config.n_layer):
        shapes[f"h.{i}.ln_1.weight"] = (n_embd,)
        shapes[f"h.{i}.attn.c_q.weight"] = (n_embd, n_embd)
        shapes[f"h.{i}.attn.c_k.weight"] = (n_kv, n_embd)
        shapes[f"h.{i}.attn.c_v.weight"] = (n_kv, n_embd)
        if config.qk_norm:
            shapes[f"h.{i}.attn.q_norm.weight"] = (config.head_dim,)
            shapes[f"h.{i}.attn.k_norm.weight"] = (config.head_dim,)
        shapes[f"h.{i}.attn.c_proj.weight"] = (n_embd, n_embd)
        shapes[f"h.{i}.ln_2.weight"] = (n_embd,)
        if config.mlp == "swiglu":
            shapes[f"h.{i}.mlp.c_gate.weight"] = (n_inner, n_embd)
        shapes[f"h.{i}.mlp.c_fc.weight"] = (n_inner, n_embd)
        shapes[f"h.{i}.mlp.c_proj.weight"] = (n_embd, n_inner)
        if config.bias:
            shapes |= {f"h.{i}.{name}.bias": shape for name, shape in _biases(config).items()}
    shapes["ln_f.weight"] = (n_embd,)
    if config.norm_bias:
        shapes["ln_f.bias"] = (n_embd,)
    if not config.tied:
        shapes["lm_head.weight"] = (config.vocab_size, n_embd)
    return shapes


def _biases(config: Config) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the biases of one layer: one number for each output."""
    n_embd, n_inner, n_kv = config.n_embd, config.n_inner, config.n_kv
    shapes: dict[str, tuple[int, ...]] = {"attn.c_q": (n_embd,), "attn.c_k": (n_kv,), "attn.c_v": (n_kv,)}
    shapes["attn.c_proj"] = (n_embd,)
    if config.mlp == "swiglu":
        shapes["mlp.c_gate"] = (n_inner,)
    shapes |= {"mlp.c_fc": (n_inner,), "mlp.c_proj": (n_embd,)}
    if config.norm_bias:
        shapes |= {"ln_1": (n_embd,), "ln_2": (n_embd,)}
    return shapes
