"""Exercises made by rule: sums and the like, in many wordings, the same for the same seed.

What no training may see is decided in held_out.py, by the numbers and the wording alone, never by the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from trainer.dialogues.exercises import acquaintance, arithmetic, clocks, comparisons, counting, days, months, spelling
from trainer.dialogues.shapes import Conversation
from trainer.errors import RecipeError, nearest

_MAKERS: Final[dict[str, Callable[[random.Random], Conversation]]] = {
    "sums": partial(arithmetic.conversation, "+"),
    "differences": partial(arithmetic.conversation, "-"),
    "products": partial(arithmetic.conversation, "*"),
    "quotients": partial(arithmetic.conversation, "/"),
    "comparisons": comparisons.conversation,
    "counting": counting.conversation,
    "spelling": spelling.conversation,
    "clocks": clocks.conversation,
    "days": days.conversation,
    "months": months.conversation,
    "acquaintance": acquaintance.conversation,
}
KINDS: Final = tuple(_MAKERS)


def check(kind: str) -> None:
    """RecipeError where there are no exercises of that kind."""
    if kind not in _MAKERS:
        guess = nearest(kind, KINDS) or "."
        raise RecipeError(f"There are no exercises called {kind}{guess} Known: {', '.join(KINDS)}.")


def make(kind: str, count: int, seed: int) -> Iterator[Conversation]:
    """Yield `count` conversations of a kind; those that no training may see are `held`. RecipeError: no such kind."""
    check(kind)
    chance = random.Random(f"{seed} {kind}")
    for _ in range(count):
        yield _MAKERS[kind](chance)
