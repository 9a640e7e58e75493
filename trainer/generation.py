"""Many answers at once: a torch model writes a batch of texts side by side, with a cache of keys and values.

Every row has its own sampler, chat_app's, so that what is written here is what the finished mind would write.
Knows ids, no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from chat_app.sampler import Sampler, Sampling
from trainer.model import Cache, Transformer


@dataclass(slots=True)
class Written:
    """One answer: its ids without the one that ends it, and whether that one came."""

    ids: list[int] = field(default_factory=list)
    ended: bool = False


@torch.no_grad()
def write(
    model: Transformer, prompts: Sequence[Sequence[int]], sampling: Sampling, *, stop_ids: Sequence[int] = (),
    never: Sequence[int] = (), seed: int = 0, autocast: AbstractContextManager[Any] | None = None,
) -> list[Written]:  # fmt: skip
    """The answers to `prompts`, none of them empty or longer than the context, in their order.

    Row i throws its dice from `seed` + i. An answer ends with a stop id, with the context, or after max_tokens.
    """
    if not prompts:
        return []
    model.eval()
    device, config = next(model.parameters()).device, model.config
    found = [Written() for _ in prompts]
    samplers = [Sampler(replace(sampling, seed=seed + row), never) for row in range(len(prompts))]
    longest = max(map(len, prompts))
    cache = Cache(config, len(prompts), device, min(longest + sampling.max_tokens, config.block_size))
    ids = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=device)
    writing = list(range(len(prompts)))  # rows of `found`; the cache keeps those alone
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    while True:
        with autocast or nullcontext():
            ends = torch.arange(ids.shape[1], device=device) == lengths[:, None] - 1  # [B, T], one of each row
            last = model(ids, cache=cache, wanted=ends).float().cpu().numpy()  # [B, V]
        cache.lengths += lengths
        going = []
        for place, row in enumerate(writing):
            answer = found[row]
            token = samplers[row].pick(last[place], answer.ids)
            answer.ended = token in stop_ids
            if not answer.ended:
                answer.ids.append(token)
                if len(answer.ids) < sampling.max_tokens and len(prompts[row]) + len(answer.ids) <= config.block_size:
                    going.append(place)
        if not going:
            return found
        if len(going) < len(writing):
            kept = torch.tensor(going, device=device)
            cache.kv, cache.lengths = cache.kv[:, :, kept], cache.lengths[kept]
            writing = [writing[place] for place in going]
        ids = torch.tensor([found[row].ids[-1:] for row in writing], device=device)
        lengths = torch.ones(len(writing), dtype=torch.long, device=device)
