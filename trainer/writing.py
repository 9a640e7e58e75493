"""An unfinished mind writes. Knows a torch model and a tokenizer; for a finished one chat_app's engine is faster."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from chat_app import template
from chat_app.template import END, Message
from chat_app.tokenizer import Tokenizer

TEMPERATURE = 0.8


def prompt_ids(tokenizer: Tokenizer, prompt: str, *, chat: bool) -> list[int]:
    """What a mind is given: a message to answer, or a text to go on from."""
    if chat:
        return template.render(tokenizer, [Message("user", prompt)], answer=True)[0]
    return ([] if tokenizer.bos_id is None else [tokenizer.bos_id]) + tokenizer.encode(prompt)


@torch.no_grad()
def write(
    model: nn.Module, tokenizer: Tokenizer, prompt: str, length: int, *, block_size: int, seed: int,
    chat: bool = False, device: str = "cpu", autocast: AbstractContextManager[Any] | None = None,
) -> str:  # fmt: skip
    """Return the answer to `prompt`, or `prompt` and what follows it: at most `length` tokens, at temperature 0.8.

    The dice are always the same.
    """
    model.eval()
    dice = torch.Generator().manual_seed(seed)
    ids = prompt_ids(tokenizer, prompt, chat=chat)
    given = len(ids) if chat else 0
    end = tokenizer.control[END] if chat else None
    never = [tokenizer.unk_id, *(number for number in tokenizer.control.values() if number != end)]
    for _ in range(length):
        row = torch.tensor([ids[-block_size:]], device=device)
        with autocast or nullcontext():
            logits = model(row)[0, -1].float().cpu() / TEMPERATURE
        logits[never] = -math.inf
        ids.append(int(torch.multinomial(logits.softmax(0), 1, generator=dice)))
        if ids[-1] == end:
            break
    return tokenizer.decode(ids[given:])
