"""Exercises made by rule: sums and the like, in many wordings, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from chat_app.template import Message
from trainer.dialogues.shapes import Conversation


def make(kind: str, count: int, seed: int) -> Iterator[Conversation]:
    """Yield `count` conversations of a kind; those that no training may see are `held`."""
    chance = random.Random(f"{seed} {kind}")
    for _ in range(count):
        a, b = chance.randrange(100), chance.randrange(100)
        held = hash((a, b)) % 20 == 0
        yield Conversation([Message("user", f"сколько будет {a} + {b}?"), Message("assistant", f"{a} + {b} = {a + b}.")], held)
