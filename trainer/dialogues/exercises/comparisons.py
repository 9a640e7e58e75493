"""Which of two numbers is larger, and by how much."""

from __future__ import annotations

import random
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Number
from trainer.dialogues.exercises.task import Task
from trainer.dialogues.shapes import Conversation

_LARGER: Final = (
    "что больше: {a} или {b}?", "что больше, {a} или {b}?", "какое число больше: {a} или {b}?",
    "{a} или {b}, что больше?", "больше {a} или {b}?", "а что больше, {a} или {b}?",
    "какое из чисел больше, {a} или {b}?", "скажи, что больше: {a} или {b}", "где больше: {a} или {b}?",
    "выбери большее: {a} или {b}",
)  # fmt: skip
_COMPARED: Final = ("сравни {a} и {b}", "сравни числа {a} и {b}", "{a} и {b}, сравни", "а {a} и {b} сравнишь?")
_SMALLER: Final = (
    "что меньше: {a} или {b}?", "что меньше, {a} или {b}?", "какое число меньше: {a} или {b}?",
    "{a} или {b}, что меньше?", "а что меньше, {a} или {b}?", "какое из чисел меньше, {a} или {b}?",
    "выбери меньшее: {a} или {b}",
)  # fmt: skip
_IS_LARGER: Final = (
    "{a} больше {b.gen}?", "{a} больше, чем {b}?", "правда, что {a} больше {b.gen}?",
    "верно ли, что {a} больше {b.gen}?", "{a} ведь больше {b.gen}?", "{a} > {b}?", "а {a} больше {b.gen}?",
)  # fmt: skip
_IS_SMALLER: Final = (
    "{a} меньше {b.gen}?", "{a} меньше, чем {b}?", "правда, что {a} меньше {b.gen}?",
    "верно ли, что {a} меньше {b.gen}?", "{a} < {b}?", "а {a} меньше {b.gen}?",
)  # fmt: skip
_BY_HOW_MUCH: Final = (
    "на сколько {a} больше {b.gen}?", "насколько {a} больше {b.gen}?", "на сколько {b} меньше {a.gen}?",
    "на сколько {a} больше, чем {b}?", "какая разница между {a} и {b}?", "сколько от {b.gen} до {a.gen}?",
)  # fmt: skip
_LARGEST: Final = (
    "какое число самое большое: {a}, {b} или {c}?", "что больше всего: {a}, {b} или {c}?",
    "найди самое большое: {a}, {b}, {c}", "{a}, {b}, {c} — что самое большое?",
    "какое самое большое из {a.gen}, {b.gen} и {c.gen}?",
)  # fmt: skip


def conversation(chance: random.Random) -> Conversation:
    """One question about two numbers, seldom three."""
    most = chance.choice((10, 100, 100, 100, 1000))
    a, b, c = (chance.randint(0, most) for _ in range(3))
    if chance.random() < 0.1:
        b = a
    if most == 100 and chance.random() < 0.3:  # the same digits the other way round are easily confused
        b = a % 10 * 10 + a // 10 % 10
    match chance.randrange(8):
        case 0 | 1 | 2:
            return _choice(a, b, chance)
        case 3 | 4 | 5:
            return _claim(a, b, chance)
        case 6:
            return _difference(max(a, b), min(a, b), chance)
        case _:
            return _asked(_LARGEST, f"Самое большое — {max(a, b, c)}.", chance, a, b, c)


def _choice(a: int, b: int, chance: random.Random) -> Conversation:
    large, small = max(a, b), min(a, b)
    larger = chance.random() < 0.6
    if a == b:
        return _asked(_LARGER if larger else _SMALLER, _same(a, chance), chance, a, b)
    if larger and chance.random() < 0.1:
        return _asked(_COMPARED, f"{large} больше, чем {small}.", chance, a, b)
    if larger:
        answers = (
            f"Больше {large}.",
            f"{large} больше, чем {small}.",
            f"{large} больше.",
            f"Конечно, {large}.",
            f"{large}.",
        )
        return _asked(_LARGER, chance.choice(answers), chance, a, b)
    answers = (
        f"Меньше {small}.",
        f"{small} меньше, чем {large}.",
        f"{small} меньше.",
        f"Конечно, {small}.",
        f"{small}.",
    )
    return _asked(_SMALLER, chance.choice(answers), chance, a, b)


def _claim(a: int, b: int, chance: random.Random) -> Conversation:
    larger = chance.random() < 0.5
    patterns, word = (_IS_LARGER, "больше") if larger else (_IS_SMALLER, "меньше")
    if a == b:
        return _asked(patterns, f"Нет, {_same(a, chance).lower()}", chance, a, b)
    if (a > b) == larger:
        return _asked(patterns, chance.choice((f"Да, {a} {word}, чем {b}.", f"Верно, {a} {word}.")), chance, a, b)
    return _asked(patterns, chance.choice((f"Нет, {b} {word}, чем {a}.", f"Наоборот: {b} {word}.")), chance, a, b)


def _difference(a: int, b: int, chance: random.Random) -> Conversation:
    task = Task("-", a, b)
    answers = (f"На {a - b}.", f"Разница — {a - b}.", f"{task} = {a - b}.", f"На {a - b}: {task} = {a - b}.")
    asked = _asked(_BY_HOW_MUCH, chance.choice(answers), chance, a, b)
    return Conversation(asked.messages, asked.held or task.held)


def _same(number: int, chance: random.Random) -> str:
    return chance.choice(("Они равны: оба по {n}.", "Это одно и то же число, {n}.", "Они одинаковые.")).format(n=number)


def _asked(patterns: tuple[str, ...], answer: str, chance: random.Random, *numbers: int) -> Conversation:
    in_words = chance.random() < 0.15
    values = {name: Number(number, in_words) for name, number in zip("abc", numbers)}
    question, held = wordings.ask(patterns, chance, **values)
    return wordings.exchange(question, answer, held=held)
