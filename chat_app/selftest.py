"""Whether this machine computes what the mind's maker saw: the golden answers, replayed."""

from __future__ import annotations

from typing import Final

from chat_app.errors import Reason, SelftestFailed
from chat_app.manners import Golden
from chat_app.mind import Mind
from chat_app.model import Cache, forward
from chat_app.weights import Weights

import numpy as np  # isort: skip

LARGEST_DIFFERENCE: Final = 1e-3  # of a logit; machines add in different orders, about 1e-5 apart
# Two ids whose logits lie closer than this may change places between machines; an answer is compared up to there.
CLOSE_CALL: Final = 2 * LARGEST_DIFFERENCE


def run(mind: Mind, weights: Weights) -> float:
    """Replay every golden answer of the mind and its variants; return the largest difference of a logit.

    SelftestFailed says where one is wrong.
    """
    if not mind.golden:
        raise SelftestFailed(reason=Reason("в разуме нет ответов для сверки", "the mind carries no golden answers"))
    found = [_replay(golden, weights, str(number)) for number, golden in enumerate(mind.golden, 1)]
    for mode, variant in mind.variants.items():
        own = weights.variant(mind, mode)
        found += [_replay(golden, own, f"{mode} {number}") for number, golden in enumerate(variant.golden, 1)]
    return max(found)


def count(mind: Mind) -> int:
    """How many golden answers it carries, in all voices."""
    return len(mind.golden) + sum(len(variant.golden) for variant in mind.variants.values())


def _replay(golden: Golden, weights: Weights, number: str) -> float:
    cache = Cache(weights.config)
    logits = forward(weights, list(golden.prompt), cache)
    difference = float(np.abs(logits[list(golden.top_ids)] - np.array(golden.top_logits, np.float32)).max())
    if not difference <= LARGEST_DIFFERENCE:  # a NaN fails too
        raise SelftestFailed(
            reason=Reason(
                f"у ответа {number} первые логиты расходятся на {difference:.2g}",
                f"answer {number} begins with logits {difference:.2g} apart",
            )
        )
    for place, expected in enumerate(golden.ids):
        chosen = int(logits.argmax())
        if chosen != expected:
            if float(logits[chosen] - logits[expected]) < CLOSE_CALL:
                break
            raise SelftestFailed(
                reason=Reason(
                    f"ответ {number} идёт иначе с токена {place + 1}",
                    f"answer {number} goes another way at token {place + 1}",
                )
            )
        logits = forward(weights, [chosen], cache)
    return difference
