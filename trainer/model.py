"""The mind as torch sees it, while it grows: one transformer whose config decides.

The twin of chat_app/model.py; parity tests hold the two together over every combination of switches.
B is the batch, T the positions, C = n_embd, H = n_head, G = n_kv_head, D = C / H, S = block_size.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chat_app.config import Config


def rope_angles(config: Config) -> tuple[Tensor, Tensor]:
    """(cos, sin), each [block_size, D/2] fp32 (Su et al., arXiv 2104.09864, eq. 34, in Llama's half-split order)."""
    frequency = config.rope_theta ** (-torch.arange(0, config.head_dim, 2).double() / config.head_dim)
    angle = torch.outer(torch.arange(config.block_size).double(), frequency)
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + D/2) of x [B, H, T, D] by its position's angle."""
    first, second = x.chunk(2, dim=-1)  # [B, H, T, D/2] each
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).type_as(x)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMSNorm (Zhang and Sennrich, arXiv 1910.07467, eq. 4) over the last axis, in fp32 whatever autocast does."""
    return F.rms_norm(x.float(), weight.shape, weight, eps).type_as(x)


class Cache:
    """Keys and values of a batch of texts that are written side by side, each of its own length, S at most."""

    def __init__(
        self, config: Config, rows: int, device: torch.device | str = "cpu", length: int | None = None
    ) -> None:
        """Of texts of at most `length` ids; of the whole context if that is not given."""
        shape = (config.n_layer, 2, rows, config.n_kv_head, length or config.block_size, config.head_dim)
        self.kv = torch.zeros(shape, device=device)  # [L, 2, B, G, S, D]
        self.lengths = torch.zeros(rows, dtype=torch.long, device=device)  # [B]: what counts of each row
        self.positions = self.mask = torch.empty(0)

    def place(self, T: int) -> Tensor:
        """The positions [B, T] of the next T ids of each row; what stands there already is written over."""
        S = self.kv.shape[4]
        self.positions = (self.lengths[:, None] + torch.arange(T, device=self.kv.device)).clamp(max=S - 1)
        longest = torch.arange(int(self.positions.max()) + 1, device=self.kv.device)  # beyond it no row has anything
        self.mask = (longest <= self.positions[:, :, None])[:, None]  # [B, 1, T, longest]
        return self.positions

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keep k, v [B, G, T, D] of a layer; all that it has now, [B, G, longest, D] each."""
        row = torch.arange(len(k), device=k.device)[:, None]  # [B, 1], beside positions [B, T]
        for kept, new in zip(self.kv[layer], (k, v), strict=True):
            kept[row, :, self.positions] = new.transpose(1, 2).float()
        longest = self.mask.shape[3]
        return self.kv[layer, 0, :, :, :longest].type_as(k), self.kv[layer, 1, :, :, :longest].type_as(v)


class Norm(nn.Module):
    """LayerNorm or RMSNorm, with a gain; a LayerNorm also with a bias where the config has biases."""

    def __init__(self, config: Config, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size)) if config.norm_bias else None
        self.kind, self.eps = config.norm, config.norm_eps

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "rmsnorm":
            return rms_norm(x, self.weight, self.eps)
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class HeadNorm(nn.Module):
    """RMSNorm over one head's channels, for queries and keys (Henry et al., arXiv 2010.04245; as in Qwen3)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.head_dim))
        self.eps = config.norm_eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """Causal self-attention; G key-value heads serve H query heads (GQA, arXiv 2305.13245)."""

    def __init__(self, config: Config, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.config, self.dropout, self.attention_dropout = config, dropout, attention_dropout
        self.c_q = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.c_k = nn.Linear(config.n_embd, config.n_kv, bias=config.bias)
        self.c_v = nn.Linear(config.n_embd, config.n_kv, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        if config.qk_norm:
            self.q_norm, self.k_norm = HeadNorm(config), HeadNorm(config)

    def forward(
        self, x: Tensor, cos: Tensor | None, sin: Tensor | None, mask: Tensor | None = None,
        cache: Cache | None = None, layer: int = 0,
    ) -> Tensor:  # fmt: skip
        B, T, C = x.shape
        c = self.config
        q = self.c_q(x).view(B, T, c.n_head, c.head_dim).transpose(1, 2)  # [B, H, T, D]
        k = self.c_k(x).view(B, T, c.n_kv_head, c.head_dim).transpose(1, 2)  # [B, G, T, D]
        v = self.c_v(x).view(B, T, c.n_kv_head, c.head_dim).transpose(1, 2)  # [B, G, T, D]
        if c.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if cos is not None and sin is not None:
            q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.append(layer, k, v)  # [B, G, longest, D]
        y = F.scaled_dot_product_attention(
            q, k, v,
            attn_mask=mask,
            dropout_p=self.attention_dropout if self.training else 0.0,
            is_causal=mask is None,
            enable_gqa=c.n_kv_head != c.n_head,
        )  # [B, H, T, D]  # fmt: skip
        y = y.transpose(1, 2).reshape(B, T, C)  # [B, T, C]
        return F.dropout(self.c_proj(y), self.dropout, self.training)


class Mlp(nn.Module):
    """GELU (exact, by erf) or SwiGLU (Shazeer, arXiv 2002.05202)."""

    def __init__(self, config: Config, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.gated = config.mlp == "swiglu"
        if self.gated:
            self.c_gate = nn.Linear(config.n_embd, config.n_inner, bias=config.bias)
        self.c_fc = nn.Linear(config.n_embd, config.n_inner, bias=config.bias)
        self.c_proj = nn.Linear(config.n_inner, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.silu(self.c_gate(x)) * self.c_fc(x) if self.gated else F.gelu(self.c_fc(x))  # [B, T, n_inner]
        return F.dropout(self.c_proj(hidden), self.dropout, self.training)  # [B, T, C]


class Block(nn.Module):
    """One layer, pre-norm: each half adds to the stream."""

    def __init__(self, config: Config, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.ln_1, self.attn = Norm(config, config.n_embd), Attention(config, dropout, attention_dropout)
        self.ln_2, self.mlp = Norm(config, config.n_embd), Mlp(config, dropout)

    def forward(
        self, x: Tensor, cos: Tensor | None, sin: Tensor | None, mask: Tensor | None = None,
        cache: Cache | None = None, layer: int = 0,
    ) -> Tensor:  # fmt: skip
        x = x + self.attn(self.ln_1(x), cos, sin, mask, cache, layer)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Ids [B, T] to logits [B, T, V], or to the mean loss in nats a token where targets [B, T] are given.

    Targets of -1 are not counted. With `wanted`, bool [B, T], the logits are those of these N positions, [N, V].
    With a `cache` the ids follow what it holds; its `lengths` are the caller's to raise.
    In a row that packs several texts, each beginning with the id `begin`, none sees the ones before it.
    """

    def __init__(
        self, config: Config, dropout: float = 0.0, attention_dropout: float | None = None, begin: int | None = None
    ) -> None:
        super().__init__()
        self.config, self.dropout, self.begin = config, dropout, begin
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if config.position == "learned":
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        else:
            cos, sin = rope_angles(config)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        of_attention = dropout if attention_dropout is None else attention_dropout
        self.h = nn.ModuleList(Block(config, dropout, of_attention) for _ in range(config.n_layer))
        self.ln_f = Norm(config, config.n_embd)
        if not config.tied:
            self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """GPT-2's initialisation: N(0, 0.02), the layers' outputs smaller by the root of their number; biases 0."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                std = 0.02 / math.sqrt(2 * self.config.n_layer) if name.endswith("c_proj.weight") else 0.02
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self, ids: Tensor, targets: Tensor | None = None, cache: Cache | None = None, wanted: Tensor | None = None
    ) -> Tensor:
        x = self.wte(ids)  # [B, T, C]
        at: Tensor = torch.arange(ids.shape[1], device=ids.device)  # [T]
        mask = None
        if cache is not None:
            at, mask = cache.place(ids.shape[1]), cache.mask
        elif self.begin is not None:
            first = torch.where(ids == self.begin, at, 0).cummax(dim=1).values  # [B, T]: where each id's text begins
            mask = (first[:, :, None] == first[:, None, :]).tril()[:, None]  # [B, 1, T, T]
            at = at - first
        cos = sin = None
        if self.config.position == "learned":
            x = x + self.wpe.weight[at]
        else:
            cos, sin = self.cos[at], self.sin[at]  # [T, D/2], or [B, T, D/2]
            if at.dim() == 2:
                cos, sin = cos[:, None], sin[:, None]  # [B, 1, T, D/2], the same for all heads
        x = F.dropout(x, self.dropout, self.training)
        for layer, block in enumerate(self.h):
            x = block(x, cos, sin, mask, cache, layer)
        if wanted is not None:
            x = x[wanted]  # [N, C]
        head = self.wte.weight if self.config.tied else self.lm_head.weight  # [V, C]
        logits: Tensor = F.linear(self.ln_f(x), head)  # [B, T, V], or [N, V]
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1)
