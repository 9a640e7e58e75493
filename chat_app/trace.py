"""What a mind thought at every token: how likely it held it, and how torn it was. Knows ids and logits, no text.

Always the mind's own distribution: the softmax of its logits at temperature 1 over all ids that an answer may hold,
before temperature, penalties and the rest of `Sampling` bend it. What the mind thought, not what the dice saw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chat_app.sampler import largest

TOP: Final = 8
_IMPOSSIBLE: Final = np.float32(-1e30)  # not -inf: its probability, 0, times it must be 0


@dataclass(frozen=True, slots=True)
class Step:
    """One token of an answer and the distribution it was picked from."""

    token: int
    log_probability: float
    """Nats."""
    entropy: float
    """Bits, of the whole distribution."""
    alternatives: tuple[tuple[int, float], ...]
    """The likeliest ids, `token` perhaps among them, each with its log-probability in nats; the likeliest first."""


class Trace:
    """The steps of one answer, with at most `top` alternatives each; handed in to be filled."""

    def __init__(self, top: int = TOP) -> None:
        self.top = top
        self.steps: list[Step] = []

    def add(self, logits: np.ndarray, token: int, never: Sequence[int] = ()) -> None:
        """`token` was picked after `logits` [V] fp32, which are changed; `never` are ids no answer holds."""
        self.steps.append(step(logits, token, self.top, never))


def step(logits: np.ndarray, token: int, top: int = TOP, never: Sequence[int] = ()) -> Step:
    """What `logits` [V] fp32, changed in place, say about `token`.

    With m = max z, log p_i = z_i - m - log Z for Z = sum exp(z_j - m), and the entropy is log Z - sum p_j (z_j - m).
    """
    if never:
        logits[list(never)] = _IMPOSSIBLE
    logits -= logits.max()
    odds = np.exp(logits)
    total = float(odds.sum())
    log_total = math.log(total)
    entropy = max(0.0, log_total - float(odds @ logits) / total) / math.log(2)
    likeliest = largest(odds, top) if top else ()
    alternatives = tuple((int(i), float(logits[i]) - log_total) for i in likeliest if odds[i] > 0)
    return Step(token, float(logits[token]) - log_total, entropy, alternatives)
