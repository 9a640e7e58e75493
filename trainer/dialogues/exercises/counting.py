"""Counting on and back, and what stands beside a number."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Number
from trainer.dialogues.shapes import Conversation

_AFTER: Final = (
    "какое число идёт после {a.gen}?", "что идёт после {a.gen}?", "какое число следующее после {a.gen}?",
    "после {a.gen} какое число?", "назови число после {a.gen}", "какое число больше {a.gen} на один?",
    "что идёт за числом {a}?", "а после {a.gen}?",
)  # fmt: skip
_BEFORE: Final = (
    "какое число идёт до {a.gen}?", "какое число стоит перед числом {a}?", "назови число до {a.gen}",
    "какое число меньше {a.gen} на один?", "что стоит перед числом {a}?",
)  # fmt: skip
_BETWEEN: Final = (
    "какое число между {a} и {b}?",
    "какое число стоит между числами {a} и {b}?",
    "что между {a} и {b}?",
    "назови число между {a} и {b}",
)
_ON: Final = (
    "продолжи: {row}", "продолжи {row}", "считай дальше: {row}", "что дальше: {row}?", "{row}, а дальше?", "{row}…",
    "продолжи ряд: {row}", "какие числа идут дальше: {row}?", "продолжай: {row}", "{row}, что дальше?",
)  # fmt: skip
_FROM_TO: Final = (
    "посчитай от {a.gen} до {b.gen}", "сосчитай от {a.gen} до {b.gen}", "назови числа от {a.gen} до {b.gen}",
    "считай от {a.gen} до {b.gen}", "можешь посчитать от {a.gen} до {b.gen}?",
    "перечисли числа от {a.gen} до {b.gen}",
)  # fmt: skip
_BACK: Final = (
    "обратный отсчёт от {a.gen}", "посчитай назад от {a.gen}", "считай обратно с {a.gen}",
    "начни обратный отсчёт от {a.gen}", "сосчитай от {a.gen} до {zero.gen}",
)  # fmt: skip


def conversation(chance: random.Random) -> Conversation:
    """One question about neighbours or rows of numbers."""
    match chance.randrange(8):
        case 0 | 1 | 2:
            return _beside(chance)
        case 3 | 4 | 5:
            return _row(chance)
        case 6:
            first = chance.choice((1, 1, 1, chance.randint(0, 90)))
            last = first + chance.randint(3, 11) - (first == 1)
            question, held = wordings.ask(_FROM_TO, chance, a=_number(first, chance), b=Number(last))
            return wordings.exchange(question, _listed(range(first, last + 1)), held=held)
        case _:
            first = chance.choice((3, 5, 10, 10, chance.randint(3, 12)))
            question, held = wordings.ask(
                _BACK, chance, a=_number(first, chance), zero=Number(0, chance.random() < 0.5)
            )
            return wordings.exchange(question, _listed(range(first, -1, -1)), held=held)


def _beside(chance: random.Random) -> Conversation:
    number = chance.choice(
        (chance.randint(1, 20), chance.randint(1, 120), 10 * chance.randint(1, 12) - 1, 10 * chance.randint(1, 12))
    )
    patterns, found = chance.choice(
        ((_AFTER, number + 1), (_AFTER, number + 1), (_BEFORE, number - 1), (_BETWEEN, number + 1))
    )
    in_words = patterns is not _BETWEEN and chance.random() < 0.2  # «между» wants a case of its own
    question, held = wordings.ask(patterns, chance, a=Number(number, in_words), b=Number(number + 2))
    return wordings.exchange(question, chance.choice((f"{found}.", f"Это {found}.", f"{found}.")), held=held)


def _row(chance: random.Random) -> Conversation:
    step = chance.choice((1, 1, 1, 2, 2, 5, 10, 3, -1, -10))
    first = chance.randint(0, 30) if step > 0 else chance.randint(60, 100)
    if step in (5, 10, -10):
        first -= first % step
    shown = chance.randint(3, 4)
    separator = chance.choice((", ", ", ", " "))
    row = separator.join(str(first + step * place) for place in range(shown))
    question, held = wordings.ask(_ON, chance, row=row)
    return wordings.exchange(question, _listed(first + step * place for place in range(shown, shown + 4)), held=held)


def _number(value: int, chance: random.Random) -> Number:
    return Number(value, chance.random() < 0.2)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers)) + "."
