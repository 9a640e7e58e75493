"""Numbers in words and in digits."""

from __future__ import annotations

import random
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import name
from trainer.dialogues.shapes import Conversation

_IN_WORDS: Final = (
    "напиши {n} словами", "напиши число {n} словами", "как пишется {n} словами?", "{n} словами",
    "как написать {n} прописью?", "{n} прописью", "запиши {n} буквами", "как произносится {n}?",
    "как читается число {n}?", "прочитай число {n}", "назови число {n} словом", "как будет словами {n}?",
    "переведи {n} в слова", "скажи словами: {n}", "{n} — как это словами?",
)  # fmt: skip
_IN_DIGITS: Final = (
    "сколько это цифрами: {w}?", "{w} цифрами", "напиши цифрами: {w}", "напиши цифрами {w}",
    "как записать цифрами {w}?", "запиши числом: {w}", "{w} — это сколько цифрами?", "как выглядит число {w}?",
    "{w} числом", "переведи в цифры: {w}", "какими цифрами пишется {w}?", "запиши цифрами {w}",
    "как цифрами будет {w}?",
)  # fmt: skip


def conversation(chance: random.Random) -> Conversation:
    """A number written the other way."""
    number = _number(chance)
    words = name(number)
    if chance.random() < 0.5:
        question, held = wordings.ask(_IN_WORDS, chance, n=number)
        answers = (f"{words}.", f"{words}.", f"{number} — {words}.", f"это {words}.", f"пишется так: {words}.")
    else:
        question, held = wordings.ask(_IN_DIGITS, chance, w=words)
        answers = (f"{number}.", f"{number}.", f"{words} — {number}.", f"это {number}.", f"цифрами будет {number}.")
    return wordings.exchange(question, wordings.sentence(chance.choice(answers)), held=held)


def _number(chance: random.Random) -> int:
    size = chance.random()
    if size < 0.25:
        return chance.randint(0, 20)
    if size < 0.65:
        return chance.randint(20, 100)
    return chance.randint(100, 1000) if size < 0.93 else chance.choice((100, 1000)) * chance.randint(1, 9)
