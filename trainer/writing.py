"""An unfinished mind writes. Knows a torch model and a tokenizer; for a finished one chat_app's engine is faster."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from chat_app.tokenizer import Tokenizer

TEMPERATURE = 0.8


@torch.no_grad()
def write(
    model: nn.Module, tokenizer: Tokenizer, prompt: str, length: int, *, block_size: int, seed: int,
    device: str = "cpu", autocast: AbstractContextManager[Any] | None = None,
) -> str:  # fmt: skip
    """Return `prompt` and `length` tokens after it, at temperature 0.8, always with the same dice."""
    model.eval()
    dice = torch.Generator().manual_seed(seed)
    ids = ([] if tokenizer.bos_id is None else [tokenizer.bos_id]) + tokenizer.encode(prompt)
    never = [tokenizer.unk_id, *tokenizer.control.values()]
    for _ in range(length):
        row = torch.tensor([ids[-block_size:]], device=device)
        with autocast or nullcontext():
            logits = model(row)[0, -1].float().cpu() / TEMPERATURE
        logits[never] = -math.inf
        ids.append(int(torch.multinomial(logits.softmax(0), 1, generator=dice)))
    return tokenizer.decode(ids)
