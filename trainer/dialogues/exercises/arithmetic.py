"""Conversations about sums, differences, products and quotients, with what is asked of the result afterwards."""

from __future__ import annotations

import random
from typing import Final

from chat_app.template import Message
from trainer.dialogues.exercises import questions, stories, task, wordings
from trainer.dialogues.exercises.numerals import Number
from trainer.dialogues.exercises.task import Sign, Task
from trainer.dialogues.shapes import Conversation

_IN_WORDS: Final = 0.25
_STORIES: Final = 0.06
_GOES_ON: Final = 0.3
_SURE: Final = 0.15  # of the follow-ups ask only whether it is right
# What stands in the tables is answered at once. The rest begins with the task in digits: where it was asked in words or
# several turns ago, the numbers are then side by side, and one token, the sign, has been spent on thinking.
_AT_ONCE: Final = (
    "{r}.", "{r}.", "{r}!", "Будет {r}.", "Это {r}.", "Получится {r}.", "Выходит {r}.", "Ровно {r}.", "Легко: {r}!",
    "Тут просто: {r}.", "Посчитал: {r}.", "Сразу скажу: {r}.", "Это я знаю: {r}.", "У меня вышло {r}.",
    "Конечно, {r}.",
)  # fmt: skip
_REPEATED: Final = (
    "{t} = {r}.", "{t} = {r}.", "{t} = {r}.", "{t} = {r}!", "{t} будет {r}.", "{t} — это {r}.", "Считаю: {t} = {r}.",
    "Получается так: {t} = {r}.", "Выходит, {t} = {r}.", "У меня вышло: {t} = {r}.", "С удовольствием: {t} = {r}.",
)  # fmt: skip
# The first digit of a sum with a carry depends on the last digits: whoever writes it first has to add both columns
# unseen. Written as steps, every digit follows from one fact of the tables and from what already stands there.
_STEP_BY_STEP: Final = (
    "{w}, всего {r}.", "{w}, всего {r}.", "{w}. Всего {r}.", "Считаю по частям: {w}, всего {r}.", "{w}, итого {r}.",
    "По частям: {w}, всего {r}.", "{w}. Выходит {r}.",
)  # fmt: skip
_STEPS_ENDING: Final = ("{w}.", "{w}.", "По шагам: {w}.", "Считаю: {w}.", "Сначала десятки, потом единицы: {w}.")
_CERTAIN: Final = (
    "Да: {t} = {r}.", "Точно: {t} = {r}.", "Проверил: {t} = {r}.", "Уверен: {t} = {r}.",
    "Да, всё сходится: {t} = {r}.", "Пересчитал, опять {r}.", "Точно, {r}.",
)  # fmt: skip


def conversation(sign: Sign, chance: random.Random) -> Conversation:
    """A question, its answer, and often what follows from it. What is held out is asked alone."""
    asked = task.draw(sign, chance)
    if chance.random() < _STORIES and stories.fits(asked):
        return stories.exchange(asked, chance)
    begun = exchange(asked, chance)
    if begun.held:
        return begun
    messages = begun.messages
    while chance.random() < _GOES_ON:
        if chance.random() < _SURE:
            certain = chance.choice(_CERTAIN).format(t=asked, r=asked.result)
            messages += [
                Message("user", wordings.typed(chance.choice(questions.SURE), chance)),
                Message("assistant", certain),
            ]
            continue
        following = task.following(asked.result, chance)
        if following is None:
            break
        asked = following
        question = _follow_up(asked, chance)
        messages += [Message("user", question), Message("assistant", answer(asked, chance, repeat=True))]
    return Conversation(messages)


def exchange(asked: Task, chance: random.Random) -> Conversation:
    """The task asked and answered."""
    pattern, held = wordings.choose(questions.PATTERNS[asked.sign], chance)
    in_words = not questions.has_sign(pattern) and chance.random() < _IN_WORDS
    a, b = Number(asked.a, in_words), Number(asked.b, in_words)
    question = wordings.typed(pattern.format(a=a, b=b), chance)
    return wordings.exchange(question, answer(asked, chance, repeat=in_words), held=held or asked.held)


def answer(asked: Task, chance: random.Random, *, repeat: bool = False) -> str:
    """Words that end with the result; with `repeat` the task stands in them in digits."""
    way = asked.way()
    if way and chance.random() < (0.6 if asked.carries or asked.sign == "*" else 0.15):
        steps = _STEPS_ENDING if asked.sign == "-" else _STEP_BY_STEP
        return wordings.sentence(chance.choice(steps).format(w=way, r=asked.result))
    at_once = asked.easy and not repeat and chance.random() < 0.7
    return chance.choice(_AT_ONCE if at_once else _REPEATED).format(t=asked, r=asked.result)


def _follow_up(asked: Task, chance: random.Random) -> str:
    """Only wordings that are taught: a conversation of several turns is never held out for its second."""
    patterns = questions.FOLLOWING[asked.sign]
    if asked.b == 2 and asked.sign in "*/" and chance.random() < 0.4:
        patterns = questions.TWICE if asked.sign == "*" else questions.HALF
    while True:
        question, held = wordings.ask(patterns, chance, b=Number(asked.b, chance.random() < _IN_WORDS))
        if not held:
            return question
