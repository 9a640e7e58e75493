"""Days of the week: before, after, in so many days."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Forms, counted
from trainer.dialogues.shapes import Conversation


@dataclass(frozen=True, slots=True)
class Day:
    """Its name in the cases that questions need, and the verb that agrees with it."""

    name: str
    gen: str
    ins: str
    was: str = "был"
    since: str = "с"

    def __str__(self) -> str:
        return self.name


_DAYS: Final = (
    Day("понедельник", "понедельника", "понедельником"), Day("вторник", "вторника", "вторником", since="со"),
    Day("среда", "среды", "средой", "была", "со"), Day("четверг", "четверга", "четвергом"),
    Day("пятница", "пятницы", "пятницей", "была"), Day("суббота", "субботы", "субботой", "была"),
    Day("воскресенье", "воскресенья", "воскресеньем", "было"),
)  # fmt: skip
_COUNT: Final[Forms] = ("день", "дня", "дней")
_ORDINALS: Final = ("первый", "второй", "третий", "четвёртый", "пятый", "шестой", "седьмой")

_AFTER: Final = (
    "какой день после {d.gen}?", "какой день идёт после {d.gen}?", "что идёт после {d.gen}?",
    "какой день идёт за {d.ins}?", "после {d.gen} какой день?", "какой день недели следует за {d.ins}?",
    "а после {d.gen}?",
)  # fmt: skip
_TOMORROW: Final = (
    "сегодня {d}, а завтра?", "сегодня {d}. какой день завтра?", "если сегодня {d}, что будет завтра?",
    "если сегодня {d}, какой день завтра?", "завтра какой день, если сегодня {d}?", "сегодня {d}, завтра что?",
    "какой завтра день недели, если сегодня {d}?",
)  # fmt: skip
_BEFORE: Final = (
    "какой день перед {d.ins}?", "какой день идёт перед {d.ins}?", "что идёт перед {d.ins}?",
    "перед {d.ins} какой день?", "какой день недели предшествует {d.ins}?", "а перед {d.ins}?",
    "какой день до {d.gen}?",
)  # fmt: skip
_YESTERDAY: Final = (
    "сегодня {d}, а вчера?", "сегодня {d}. какой день был вчера?", "если сегодня {d}, что было вчера?",
    "вчера какой день был, если сегодня {d}?", "какой день недели был вчера, если сегодня {d}?",
)  # fmt: skip
_LATER: Final = (
    "сегодня {d}. какой день будет через {n}?", "сегодня {d}, что будет через {n}?",
    "если сегодня {d}, какой день будет через {n}?", "какой день через {n} после {d.gen}?",
    "через {n} после {d.gen} какой день?", "сегодня {d}, а через {n}?",
)  # fmt: skip
_AGO: Final = (
    "сегодня {d}. какой день был {n} назад?", "если сегодня {d}, какой день был {n} назад?",
    "сегодня {d}, а {n} назад что было?", "какой день был за {n} до {d.gen}?",
)  # fmt: skip
_BETWEEN: Final = (
    "сегодня {d}. сколько дней до {e.gen}?", "сколько дней от {d.gen} до {e.gen}?",
    "если сегодня {d}, сколько осталось до {e.gen}?", "сегодня {d}, через сколько дней {e}?",
    "сколько ждать {e.gen}, если сегодня {d}?",
)  # fmt: skip
_PLACE: Final = (
    "какой по счёту день {d}?", "{d} — какой день по счёту?", "который день недели {d}?", "какой номер у {d.gen}?",
    "{d} какой день недели по счёту?",
)  # fmt: skip
_NTH: Final = (
    "какой {o} день недели?",
    "{o} день недели — это какой?",
    "назови {o} день недели",
    "как называется {o} день недели?",
)
_IS_OFF: Final = ("{d} — выходной?", "{d} — это выходной день?", "а {d} выходной?")
_IS_WORKING: Final = ("{d} — рабочий день?", "{d} — это рабочий день?", "а {d} рабочий день?")
_LIST: Final = (
    "назови дни недели", "дни недели по порядку", "перечисли дни недели", "какие есть дни недели?",
    "какие бывают дни недели?", "скажи все дни недели", "помнишь дни недели?", "дни недели",
)  # fmt: skip
_LIST_FROM: Final = (
    "назови дни недели, начиная {d.since} {d.gen}",
    "перечисли дни недели от {d.gen}",
    "продолжи: {d}, {e}…",
)
_WEEK: Final = (
    "сколько дней в неделе?",
    "в неделе сколько дней?",
    "а в неделе сколько дней?",
    "сколько суток в неделе?",
)
_WEEKS: Final = ("сколько дней в {n} неделях?", "{n} недели — это сколько дней?", "{n} недели сколько это дней?")


def conversation(chance: random.Random) -> Conversation:
    """One question about the week."""
    number = chance.randrange(7)
    kind = chance.choice((_step, _step, _step, _step, _far, _far, _far, _between, _between, _place, _place, _week))
    return kind(number, chance)


def _step(number: int, chance: random.Random) -> Conversation:
    day, after, before = _DAYS[number], _DAYS[(number + 1) % 7], _DAYS[number - 1]
    patterns, answers = chance.choice((
        (_AFTER, (f"{after}.", f"после {day.gen} идёт {after}.", f"это {after}.")),
        (_TOMORROW, (f"завтра {after}.", f"{after}.", f"завтра будет {after}.")),
        (_BEFORE, (f"{before}.", f"перед {day.ins} идёт {before}.", f"это {before}.")),
        (_YESTERDAY, (f"вчера {before.was} {before}.", f"{before}.")),
    ))  # fmt: skip
    return _asked(patterns, answers, chance, d=day)


def _far(number: int, chance: random.Random) -> Conversation:
    distance = chance.choice((2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 14))
    day = _DAYS[number]
    n = {7: "неделю", 14: "две недели"}.get(distance) or counted(distance, _COUNT)
    if chance.random() < 0.7:
        then = _DAYS[(number + distance) % 7]
        return _asked(_LATER, (f"будет {then}.", f"{then}.", f"через {n} будет {then}."), chance, d=day, n=n)
    then = _DAYS[(number - distance) % 7]
    return _asked(_AGO, (f"{then.was} {then}.", f"{then}.", f"получается, {then}."), chance, d=day, n=n)


def _between(number: int, chance: random.Random) -> Conversation:
    distance = chance.randint(1, 6)
    n = counted(distance, _COUNT)
    return _asked(
        _BETWEEN,
        (f"{n}.", f"ровно {n}.", f"получается {n}."),
        chance,
        d=_DAYS[number],
        e=_DAYS[(number + distance) % 7],
    )


def _place(number: int, chance: random.Random) -> Conversation:
    day, ordinal = _DAYS[number], _ORDINALS[number]
    if chance.random() < 0.25:
        off, asked_off = number > 4, chance.random() < 0.5
        answer = f"{'да' if off == asked_off else 'нет'}, {day} — {'выходной' if off else 'рабочий день'}."
        return _asked(_IS_OFF if asked_off else _IS_WORKING, (answer,), chance, d=day)
    if chance.random() < 0.4:
        return _asked(_NTH, (f"{day}.", f"это {day}.", f"{ordinal} — {day}."), chance, o=ordinal)
    return _asked(_PLACE, (f"{number + 1}-й: {day} — {ordinal} день недели.", f"{number + 1}-й."), chance, d=day)


def _week(number: int, chance: random.Random) -> Conversation:
    names = ", ".join(day.name for day in _DAYS)
    kind = chance.random()
    if kind < 0.4:
        return _asked(_LIST, (f"{names}.", f"их семь: {names}."), chance)
    if kind < 0.6:
        rest = ", ".join(day.name for day in (*_DAYS[number:], *_DAYS[:number]))
        following = ", ".join(_DAYS[(number + step) % 7].name for step in range(2, 7))
        question, held = wordings.ask(_LIST_FROM, chance, d=_DAYS[number], e=_DAYS[(number + 1) % 7])
        answer = following if question.lower().startswith("продолжи") else rest
        return wordings.exchange(question, wordings.sentence(f"{answer}."), held=held)
    if kind < 0.8:
        return _asked(_WEEK, ("в неделе 7 дней.", "7 дней.", "ровно 7."), chance)
    n = chance.randint(2, 4)
    return _asked(_WEEKS, (f"{counted(7 * n, _COUNT)}.", f"{n} × 7 = {7 * n}."), chance, n=n)


def _asked(
    patterns: tuple[str, ...], answers: tuple[str, ...], chance: random.Random, **values: object
) -> Conversation:
    question, held = wordings.ask(patterns, chance, **values)
    return wordings.exchange(question, wordings.sentence(chance.choice(answers)), held=held)
