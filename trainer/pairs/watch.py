"""How far a mind has gone from its reference, and whether it loops: measured on answers that it writes now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Final

import torch

from chat_app.sampler import Sampling
from trainer import generation
from trainer.errors import StageError
from trainer.evaluate import measures
from trainer.generation import Written
from trainer.model import Transformer
from trainer.pairs.rated import Rated
from trainer.writing import Writer

_AT_ONCE: Final = 16
_LONGEST: Final = 160  # tokens: a loop shows by then


class Watch:
    """The same prompts and dice every time."""

    def __init__(
        self, reference: Transformer, rated: Sequence[Rated], writer: Writer, sampling: Sampling, prompts: int,
        seed: int,
    ) -> None:  # fmt: skip
        """Of the prompts in `rated` the first so many. StageError where all are longer than half of the context."""
        self._reference, self._writer, self._seed = reference, writer, seed
        self._sampling = Sampling(**{**sampling.to_dict(), "max_tokens": min(sampling.max_tokens, _LONGEST)})
        every = dict.fromkeys(tuple(writer.talk_ids(each.prompt)) for each in rated)
        longest = reference.config.block_size // 2
        self._prompts = [list(ids) for ids in every if len(ids) <= longest][:prompts]
        if not self._prompts:
            raise StageError(
                f"Of the {len(every):,} held-out prompts none is shorter than half of model.block_size ({longest} "
                "tokens), so no answers can be watched: rate answers to shorter prompts, too."
            )

    @cached_property
    def loops_before(self) -> float:
        """Of 100 answers of the reference so many loop."""
        return self._loops(self._answers(self._reference, None))

    def measure(self, model: Transformer, autocast: Callable[[], AbstractContextManager[Any]]) -> dict[str, float]:
        """kl: KL(model || reference) in nats a token, over whole distributions along the model's own answers.

        loops: of 100 answers; ended: the share of them that came to an end.
        """
        answers = self._answers(model, autocast)
        nats = tokens = 0.0
        for begin in range(0, len(answers), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            found, counted = self._divergence(model, self._prompts[some], answers[some])
            nats, tokens = nats + found, tokens + counted
        ended = sum(answer.ended for answer in answers) / len(answers)
        return {"kl": nats / max(1.0, tokens), "loops": self._loops(answers), "ended": ended}

    def _answers(
        self, model: Transformer, autocast: Callable[[], AbstractContextManager[Any]] | None
    ) -> list[Written]:  # fmt: skip
        found: list[Written] = []
        for begin in range(0, len(self._prompts), _AT_ONCE):
            found += generation.write(
                model, self._prompts[begin : begin + _AT_ONCE], self._sampling, stop_ids=self._writer.stop_ids,
                never=self._writer.never, seed=self._seed + begin, autocast=autocast and autocast(),
            )  # fmt: skip
        return found

    def _loops(self, answers: Sequence[Written]) -> float:
        texts = [self._writer.tokenizer.decode(answer.ids) for answer in answers]
        looped = [measures.loops(answer.ids, text) for answer, text in zip(answers, texts, strict=True)]
        return 100 * sum(looped) / len(looped)

    @torch.no_grad()
    def _divergence(
        self, model: Transformer, prompts: Sequence[list[int]], answers: Sequence[Written]
    ) -> tuple[float, int]:
        """(nats, positions) over the answers of a few rows."""
        device = next(model.parameters()).device
        rows = [prompt + answer.ids for prompt, answer in zip(prompts, answers, strict=True)]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        ids = ids[:, : model.config.block_size]
        answered = torch.zeros(ids.shape, dtype=torch.bool, device=device)
        for number, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
            answered[number, len(prompt) - 1 : len(row)] = True  # the end, or where it would be, is foretold too
        model.eval()
        policy, reference = (each(ids, wanted=answered).float().log_softmax(-1) for each in (model, self._reference))
        return float((policy.exp() * (policy - reference)).sum()), int(answered.sum())
