"""An unfinished mind writes. Knows a torch model and a tokenizer; for a finished one chat_app's engine is faster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from chat_app import template
from chat_app.template import END, Message
from chat_app.tokenizer import Tokenizer
from trainer import beginning

TEMPERATURE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Writer:
    """How a mind is spoken to: it answers messages under `system` if it can `chat`, else it goes on from a text."""

    tokenizer: Tokenizer
    chat: bool = False
    system: str = ""

    def prompt_ids(self, prompt: str) -> list[int]:
        """What the mind is given; never nothing."""
        if self.chat:
            return self.talk_ids([Message("user", prompt)])
        return beginning.ids(self.tokenizer, prompt)

    def talk_ids(self, messages: Sequence[Message]) -> list[int]:
        """A talk for the mind to answer, after its system text unless the talk brings one."""
        before = [Message("system", self.system)] if self.system and messages[0].role != "system" else []
        return template.render(self.tokenizer, [*before, *messages], answer=True)[0]

    @property
    def stop_ids(self) -> list[int]:
        """What ends an answer."""
        return [self.tokenizer.control[END]] if self.chat else []

    @property
    def never(self) -> list[int]:
        """Ids that are never written."""
        return sorted(self.tokenizer.silent - set(self.stop_ids))

    @torch.no_grad()
    def write(
        self, model: nn.Module, prompt: str, length: int, *, block_size: int, seed: int, device: str = "cpu",
        autocast: AbstractContextManager[Any] | None = None,
    ) -> str:  # fmt: skip
        """Return the answer to `prompt`, or `prompt` and what follows it: at most `length` tokens, temperature 0.8.

        The dice are always the same.
        """
        model.eval()
        dice = torch.Generator().manual_seed(seed)
        ids = self.prompt_ids(prompt)
        given = len(ids) if self.chat else 0
        stop_ids, never = self.stop_ids, self.never
        for _ in range(length):
            row = torch.tensor([ids[-block_size:]], device=device)
            with autocast or nullcontext():
                logits = model(row)[0, -1].float().cpu() / TEMPERATURE
            logits[never] = -math.inf
            ids.append(int(torch.multinomial(logits.softmax(0), 1, generator=dice)))
            if ids[-1] in stop_ids:
                break
        return self.tokenizer.decode(ids[given:])
