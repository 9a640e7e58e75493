"""Months of the year: before, after, how long, which season."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Forms, counted
from trainer.dialogues.shapes import Conversation


@dataclass(frozen=True, slots=True)
class Month:
    """Its name in the cases that questions need, and its days outside leap years."""

    name: str
    gen: str
    ins: str
    pre: str
    days: int

    def __str__(self) -> str:
        return self.name


def _soft(stem: str, ending: str, days: int) -> Month:
    return Month(f"{stem}ь", f"{stem}я", f"{stem}{ending}", f"{stem}е", days)


_MONTHS: Final = (
    _soft("январ", "ём", 31), _soft("феврал", "ём", 28), Month("март", "марта", "мартом", "марте", 31),
    _soft("апрел", "ем", 30), Month("май", "мая", "маем", "мае", 31), _soft("июн", "ем", 30), _soft("июл", "ем", 31),
    Month("август", "августа", "августом", "августе", 31),
    _soft("сентябр", "ём", 30), _soft("октябр", "ём", 31), _soft("ноябр", "ём", 30), _soft("декабр", "ём", 31),
)  # fmt: skip
_SEASONS: Final = ("зима", "весна", "лето", "осень")
_OF_SEASON: Final = ("зимы", "весны", "лета", "осени")
_IN_SEASON: Final = ("зимний", "весенний", "летний", "осенний")
_COUNT: Final[Forms] = ("месяц", "месяца", "месяцев")
_DAYS: Final[Forms] = ("день", "дня", "дней")
_ORDINALS: Final = (
    "первый", "второй", "третий", "четвёртый", "пятый", "шестой", "седьмой", "восьмой", "девятый", "десятый",
    "одиннадцатый", "двенадцатый",
)  # fmt: skip

_AFTER: Final = (
    "какой месяц после {m.gen}?", "какой месяц идёт после {m.gen}?", "что идёт после {m.gen}?",
    "после {m.gen} какой месяц?", "какой месяц следует за {m.ins}?", "сейчас {m}, а следующий месяц какой?",
    "если сейчас {m}, какой месяц следующий?", "а после {m.gen}?",
)  # fmt: skip
_BEFORE: Final = (
    "какой месяц перед {m.ins}?", "какой месяц идёт перед {m.ins}?", "что идёт перед {m.ins}?",
    "перед {m.ins} какой месяц?", "сейчас {m}, а прошлый месяц какой был?", "какой месяц был до {m.gen}?",
    "а перед {m.ins}?",
)  # fmt: skip
_LATER: Final = (
    "сейчас {m}. какой месяц будет через {n}?", "если сейчас {m}, что будет через {n}?",
    "какой месяц через {n} после {m.gen}?", "сейчас {m}, а через {n}?", "через {n} после {m.gen} какой месяц?",
)  # fmt: skip
_AGO: Final = (
    "сейчас {m}. какой месяц был {n} назад?", "если сейчас {m}, какой месяц был {n} назад?",
    "какой месяц был за {n} до {m.gen}?",
)  # fmt: skip
_BETWEEN: Final = (
    "сколько месяцев от {m.gen} до {k.gen}?", "сейчас {m}. сколько месяцев до {k.gen}?",
    "если сейчас {m}, сколько ждать {k.gen}?", "сейчас {m}, через сколько месяцев {k}?",
)  # fmt: skip
_LENGTH: Final = (
    "сколько дней в {m.pre}?", "в {m.pre} сколько дней?", "а в {m.pre} сколько дней?",
    "а в {m.pre}, сколько там дней?", "сколько длится {m}?", "сколько суток в {m.pre}?", "какой длины {m}?",
    "{m} — это сколько дней?", "сколько дней бывает в {m.pre}?",
)  # fmt: skip
_PLACE: Final = (
    "какой по счёту месяц {m}?", "{m} — какой месяц по счёту?", "какой номер у {m.gen}?", "который месяц {m}?",
    "{m} какой по счёту?",
)  # fmt: skip
_NTH: Final = (
    "какой {o} месяц года?", "{o} месяц — это какой?", "назови {o} месяц", "какой месяц {i}-й?",
    "{i}-й месяц года какой?", "как называется {o} месяц?",
)  # fmt: skip
_SEASON: Final = (
    "{m} — это какое время года?", "какое время года {m}?", "к какому времени года относится {m}?",
    "в {m.pre} какое время года?", "{m} это зима или лето?", "какой сезон в {m.pre}?",
)  # fmt: skip
_IN_A_SEASON: Final = (
    "назови месяцы {s}",
    "какие месяцы у {s}?",
    "месяцы {s}",
    "перечисли месяцы {s}",
    "из каких месяцев состоит {t}?",
)
_LIST: Final = (
    "назови месяцы", "назови все месяцы", "месяцы по порядку", "перечисли месяцы года", "какие есть месяцы?",
    "скажи месяцы года",
)  # fmt: skip
_YEAR: Final = ("сколько месяцев в году?", "в году сколько месяцев?", "а в году сколько месяцев?")
_YEARS: Final = ("сколько месяцев в {n} годах?", "{n} года — это сколько месяцев?", "{n} года сколько это месяцев?")


def conversation(chance: random.Random) -> Conversation:
    """One question about the year."""
    kind = chance.choice(
        (_step, _step, _step, _far, _far, _length, _length, _length, _place, _place, _season, _season, _year)
    )
    return kind(chance.randrange(12), chance)


def _step(number: int, chance: random.Random) -> Conversation:
    month, after, before = _MONTHS[number], _MONTHS[(number + 1) % 12], _MONTHS[number - 1]
    if chance.random() < 0.5:
        return _asked(_AFTER, (f"{after}.", f"после {month.gen} идёт {after}.", f"это {after}."), chance, m=month)
    return _asked(_BEFORE, (f"{before}.", f"перед {month.ins} идёт {before}.", f"это {before}."), chance, m=month)


def _far(number: int, chance: random.Random) -> Conversation:
    distance = chance.randint(2, 11)
    month, n = _MONTHS[number], counted(distance, _COUNT)
    later, ago = _MONTHS[(number + distance) % 12], _MONTHS[number - distance]
    kind = chance.random()
    if kind < 0.4:
        return _asked(_LATER, (f"будет {later}.", f"{later}.", f"через {n} будет {later}."), chance, m=month, n=n)
    if kind < 0.65:
        return _asked(_AGO, (f"был {ago}.", f"{ago}.", f"получается, {ago}."), chance, m=month, n=n)
    return _asked(_BETWEEN, (f"{n}.", f"получается {n}.", f"ровно {n}."), chance, m=month, k=later)


def _length(number: int, chance: random.Random) -> Conversation:
    month = _MONTHS[number]
    days = counted(month.days, _DAYS)
    answers = (f"{days}.", f"в {month.pre} {days}.", f"ровно {days}.")
    if number == 1:
        answers = (
            "28, а в високосный год 29.",
            "в феврале 28 дней, в високосный год — 29.",
            "обычно 28 дней, раз в четыре года — 29.",
        )
    return _asked(_LENGTH, answers, chance, m=month)


def _place(number: int, chance: random.Random) -> Conversation:
    month, ordinal = _MONTHS[number], _ORDINALS[number]
    if chance.random() < 0.4:
        return _asked(_NTH, (f"{month}.", f"это {month}.", f"{ordinal} — {month}."), chance, o=ordinal, i=number + 1)
    return _asked(_PLACE, (f"{number + 1}-й: {month} — {ordinal} месяц.", f"{number + 1}-й."), chance, m=month)


def _season(number: int, chance: random.Random) -> Conversation:
    season = (number + 1) % 12 // 3
    if chance.random() < 0.35:
        first = 3 * season - 1
        names = [_MONTHS[(first + step) % 12].name for step in range(3)]
        listed = f"{names[0]}, {names[1]} и {names[2]}."
        return _asked(_IN_A_SEASON, (listed, f"это {listed}"), chance, s=_OF_SEASON[season], t=_SEASONS[season])
    month = _MONTHS[number]
    answers = (f"{month} — это {_SEASONS[season]}.", f"{_SEASONS[season]}.", f"{month} — {_IN_SEASON[season]} месяц.")
    return _asked(_SEASON, answers, chance, m=month)


def _year(number: int, chance: random.Random) -> Conversation:
    names = ", ".join(month.name for month in _MONTHS)
    kind = chance.random()
    if kind < 0.5:
        return _asked(_LIST, (f"{names}.", f"их двенадцать: {names}."), chance)
    if kind < 0.75:
        return _asked(_YEAR, ("в году 12 месяцев.", "12 месяцев.", "ровно 12."), chance)
    n = chance.randint(2, 4)
    return _asked(_YEARS, (f"{counted(12 * n, _COUNT)}.", f"{n} × 12 = {12 * n}."), chance, n=n)


def _asked(
    patterns: tuple[str, ...], answers: tuple[str, ...], chance: random.Random, **values: object
) -> Conversation:
    question, held = wordings.ask(patterns, chance, **values)
    return wordings.exchange(question, wordings.sentence(chance.choice(answers)), held=held)
