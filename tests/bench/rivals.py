"""PyTorch doing the runtime's work, as well as eager PyTorch can: the same weights, a preallocated KV cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.model import Transformer, rotate


class TorchEngine:
    """Prefill and decode of a Transformer with a cache; fp32, inference mode."""

    def __init__(self, model: Transformer) -> None:
        self.model, self.config = model.eval(), model.config
        c = model.config
        shape = (c.n_layer, 1, c.n_kv_head, c.block_size, c.head_dim)
        self.k, self.v = torch.zeros(shape), torch.zeros(shape)
        self.length = 0

    @torch.inference_mode()
    def forward(self, ids: list[int]) -> Tensor:
        """Logits [V] after the last of `ids`, which follow what the cache holds."""
        c, m, T, start = self.config, self.model, len(ids), self.length
        S = start + T
        x = m.wte(torch.tensor([ids]))  # [1, T, C]
        if c.position == "learned":
            x = x + m.wpe.weight[start:S]
        for i, block in enumerate(m.h):
            a = block.attn
            n = block.ln_1(x)
            q = a.c_q(n).view(1, T, c.n_head, c.head_dim).transpose(1, 2)
            k = a.c_k(n).view(1, T, c.n_kv_head, c.head_dim).transpose(1, 2)
            v = a.c_v(n).view(1, T, c.n_kv_head, c.head_dim).transpose(1, 2)
            if c.qk_norm:
                q, k = a.q_norm(q), a.k_norm(k)
            if c.position == "rope":
                q, k = rotate(q, m.cos[start:S], m.sin[start:S]), rotate(k, m.cos[start:S], m.sin[start:S])
            self.k[i, :, :, start:S], self.v[i, :, :, start:S] = k, v
            y = F.scaled_dot_product_attention(
                q, self.k[i, :, :, :S], self.v[i, :, :, :S],
                is_causal=T > 1 and start == 0, enable_gqa=c.n_kv_head != c.n_head,
            )  # fmt: skip
            x = x + a.c_proj(y.transpose(1, 2).reshape(1, T, c.n_embd))
            x = x + block.mlp(block.ln_2(x))
        self.length = S
        head = m.wte.weight if c.tied else m.lm_head.weight
        return F.linear(m.ln_f(x[0, -1]), head)
