"""Which sampling suits a mind: the quick card over a small grid, ranked by the card's score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Final

from chat_app.engine import Engine
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from trainer.evaluate import card
from trainer.evaluate.card import Card
from trainer.evaluate.exam import Exam

_TEMPERATURES: Final = (0.2, 0.4, 0.6, 0.8)
_CUTS: Final = ((0.9, 0.0), (1.0, 0.05), (1.0, 0.15))  # top_p, min_p
_PENALTIES: Final = (1.0, 1.1)


def grid(base: Sampling) -> Iterator[Sampling]:
    """The mind's own sampling first, then the combinations tried."""
    yield base
    for temperature, (top_p, min_p), penalty in product(_TEMPERATURES, _CUTS, _PENALTIES):
        changed = replace(base, temperature=temperature, repetition_penalty=penalty, top_k=0, top_p=top_p, min_p=min_p)
        if changed != base:
            yield changed


def search(
    mind: Mind, engine: Engine, exam: Exam, *, sampling: Sampling, seed: int, step: Callable[[], None]
) -> list[Card]:
    """Cards of `sampling` and all combinations over the same probes and dice; the best first, then the varied.

    What a mind foretells does not depend on sampling and is left out.
    """
    exam = replace(exam, held={})
    cards = [card.judge(mind, engine, exam, sampling=tried, seed=seed, step=step) for tried in grid(sampling)]
    return sorted(cards, key=lambda found: (found.score, found.distinct_2), reverse=True)
