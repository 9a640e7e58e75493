"""An unfinished mind writes. Knows a torch model and a tokenizer; for a finished one chat_app's engine is faster."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from chat_app import template
from chat_app.sampler import Sampling
from chat_app.template import END, Message
from chat_app.tokenizer import Tokenizer
from trainer import beginning, generation
from trainer.model import Transformer

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

    def write(
        self, model: Transformer, prompts: Sequence[str], length: int, *, seed: int,
        autocast: AbstractContextManager[Any] | None = None,
    ) -> list[str]:  # fmt: skip
        """The answers to `prompts`, or each prompt and what follows it: at most `length` tokens, temperature 0.8.

        The dice are always the same. A text that goes on ends with the context.
        """
        given = [self.prompt_ids(prompt)[-model.config.block_size :] for prompt in prompts]
        written = generation.write(
            model, given, Sampling(temperature=TEMPERATURE, max_tokens=length), stop_ids=self.stop_ids,
            never=self.never, seed=seed, autocast=autocast,
        )  # fmt: skip
        return [
            self.tokenizer.decode(([] if self.chat else ids) + answer.ids)
            for ids, answer in zip(given, written, strict=True)
        ]
