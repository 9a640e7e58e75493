"""Tasks as small stories about things. Knows nouns and their grammar."""

from __future__ import annotations

import random
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Forms, counted, form
from trainer.dialogues.exercises.task import Sign, Task
from trainer.dialogues.shapes import Conversation

# In the nominative, which is the accusative of these after every number that does not end in 1.
_THINGS: Final[tuple[Forms, ...]] = (
    ("яблоко", "яблока", "яблок"), ("конфета", "конфеты", "конфет"), ("книга", "книги", "книг"),
    ("карандаш", "карандаша", "карандашей"), ("рубль", "рубля", "рублей"), ("марка", "марки", "марок"),
    ("пирожок", "пирожка", "пирожков"), ("орех", "ореха", "орехов"), ("шарик", "шарика", "шариков"),
    ("монета", "монеты", "монет"), ("груша", "груши", "груш"), ("тетрадь", "тетради", "тетрадей"),
)  # fmt: skip
_PEOPLE: Final[Forms] = ("человека", "человека", "человек")
_PACKS: Final[Forms] = ("пакет", "пакета", "пакетов")
_STORIES: Final[dict[Sign, tuple[str, ...]]] = {
    "+": (
        "у меня было {A}, дали ещё {b}. сколько стало?", "у меня {A}, а у друга {b}. сколько {many} у нас вместе?",
        "было {A}, принесли ещё {b}, сколько всего?", "нашёл {A}, потом ещё {b}. сколько всего {many}?",
        "утром было {A}, вечером добавили {b}. сколько {many} теперь?",
        "в одной коробке {A}, в другой {b}. сколько всего?",
    ),
    "-": (
        "у меня было {A}, {b} отдал. сколько осталось?", "было {A}, забрали {b}, сколько осталось?",
        "было {A}, {b} потерялось. сколько {many} осталось?", "из {a} {many} забрали {b}. сколько осталось?",
        "у меня {A}, а у сестры на {b} меньше. сколько {many} у сестры?", "лежало {A}, убрали {b}. сколько лежит?",
    ),
    "*": (
        "в {a} коробках по {B}, сколько всего?", "купил {packs} по {B}, сколько это вместе?",
        "у {a} друзей по {B}. сколько всего {many}?", "в каждом из {a} мешков по {B}. сколько всего?",
    ),
    "/": (
        "как разделить {A} поровну на {people}?", "{A} на {people} поровну, по сколько каждому?",
        "раздай {A} поровну на {people}, сколько достанется каждому?",
        "было {A}, делим на {people}, сколько каждому?",
    ),
}  # fmt: skip
_ANSWERS: Final[dict[Sign, tuple[str, ...]]] = {
    "+": ("{task} = {result}. Всего {R}.", "Всего {R}: {task} = {result}.", "Будет {R}."),
    "-": ("{task} = {result}. Останется {R}.", "Останется {R}: {task} = {result}.", "{task} = {result}, значит, {R}."),
    "*": ("{task} = {result}. Всего {R}.", "Получается {R}: {task} = {result}.", "Всего {R}."),
    "/": ("{task} = {result}. Каждому по {result}.", "По {result}: {task} = {result}.", "Достанется по {result}."),
}  # fmt: skip


def fits(task: Task) -> bool:
    """Whether the numbers make a story: several things, and forms that need no other case."""
    counts = (task.a, task.b) if task.sign != "/" else (task.a, task.b, task.result)
    return task.result > 0 and all(1 < number < 100 and form(number, ("one", "", "")) != "one" for number in counts)


def exchange(task: Task, chance: random.Random) -> Conversation:
    """The story of a task that fits, and what comes out."""
    thing = chance.choice(_THINGS)
    question, held = wordings.ask(
        _STORIES[task.sign], chance, a=task.a, b=task.b, A=counted(task.a, thing), B=counted(task.b, thing),
        many=thing[2], people=counted(task.b, _PEOPLE), packs=counted(task.a, _PACKS),
    )  # fmt: skip
    result = counted(task.result, thing)
    answer = chance.choice(_ANSWERS[task.sign]).format(task=task, result=task.result, R=result)
    return wordings.exchange(question, answer, held=held or task.held)
