"""A trace in words: each token of an answer with its text, how likely it was, and what might have stood there instead.

Knows vocabularies and probabilities; knows nothing of how they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chat_app.tokenizer import Detokenizer, Tokenizer
from chat_app.trace import Step


@dataclass(frozen=True, slots=True)
class Alternative:
    """An id that might have stood there. `text` is what it would add; `piece` is its name in the vocabulary."""

    id: int
    text: str
    piece: str
    probability: float


@dataclass(frozen=True, slots=True)
class Token:
    """An id of the answer. `text` is what it adds: nothing for the first bytes of a letter, all of it for the last."""

    id: int
    text: str
    piece: str
    probability: float
    entropy: float
    """Bits: how torn the mind was here."""
    alternatives: tuple[Alternative, ...]
    """The likeliest ids, the token's own perhaps among them; the likeliest first."""


def tokens(tokenizer: Tokenizer, steps: Sequence[Step], *, inside: bool = False) -> list[Token]:
    """The steps of one answer, in order; their texts together are the answer. `inside` as in `Detokenizer`."""
    detokenizer, pieces = Detokenizer(tokenizer, inside=inside), tokenizer.pieces.pieces
    found = []
    for step in steps:
        alternatives = tuple(
            Alternative(i, detokenizer.peek(i), pieces[i], math.exp(log_probability))
            for i, log_probability in step.alternatives
        )
        text = detokenizer.feed(step.token)
        probability = math.exp(step.log_probability)
        found.append(Token(step.token, text, pieces[step.token], probability, step.entropy, alternatives))
    return found
