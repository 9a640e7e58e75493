"""Asking: a pattern filled in and written as people write to a chat. Knows manners of typing, no numbers."""

from __future__ import annotations

import random
import re
from typing import Any, Final

from chat_app.template import Message
from trainer.dialogues.exercises import held_out
from trainer.dialogues.shapes import Conversation

_CARELESS: Final = 0.4  # small letters, nothing at the end
_HURRIED: Final = 0.2  # small letters, but a question mark
_SENTENCE: Final = re.compile(r"(^|[.?!] )(\w)")


def ask(patterns: tuple[str, ...], chance: random.Random, **values: Any) -> tuple[str, bool]:
    """(a question made of one of the patterns, whether no training may see its wording)."""
    pattern, held = choose(patterns, chance)
    return typed(pattern.format(**values), chance), held


def choose(patterns: tuple[str, ...], chance: random.Random) -> tuple[str, bool]:
    """(one of the patterns, whether no training may see it)."""
    pattern = chance.choice(patterns)
    return pattern, pattern in held_out.wordings(patterns)


def typed(text: str, chance: random.Random) -> str:
    """A question as one of many people types it: with capitals and stops, or without."""
    manner = chance.random()
    if manner >= _CARELESS + _HURRIED:
        return _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text)
    if chance.random() < 0.7:
        text = text.replace("ё", "е")
    if manner >= _CARELESS:
        return text
    if chance.random() < 0.5:
        text = re.sub(r",(?= )", "", text)
    return text.rstrip("?.!").replace(" — ", " ")


def exchange(question: str, answer: str, *, held: bool) -> Conversation:
    """One question and its answer."""
    return Conversation([Message("user", question), Message("assistant", answer)], held)


def sentence(text: str) -> str:
    """With a capital letter at the beginning."""
    return text[:1].upper() + text[1:]
