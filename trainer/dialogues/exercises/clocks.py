"""What the clock will show, how long it is until then, and what is said of it in words."""

from __future__ import annotations

import random
from typing import Final

from chat_app.template import Message
from trainer.dialogues.exercises import wordings
from trainer.dialogues.exercises.numerals import Forms, Number, counted
from trainer.dialogues.shapes import Conversation

_DAY: Final = 24 * 60
_MINUTES: Final[Forms] = ("минуту", "минуты", "минут")  # in the accusative, which «через», «на» and «идёт» take
_HOURS: Final[Forms] = ("час", "часа", "часов")
_ONE_MINUTE: Final[Forms] = ("минута", "минуты", "минут")
_ONE_SECOND: Final[Forms] = ("секунда", "секунды", "секунд")

_LATER: Final = (
    "сейчас {t}. сколько будет через {d}?", "который час будет через {d} после {t}?",
    "сколько времени будет через {d} после {t}?", "сейчас {t}, сколько будет через {d}?",
    "если сейчас {t}, который час будет через {d}?", "сейчас {t}, а через {d}?", "на часах {t}. что будет через {d}?",
    "было {t}, прошло {d}. который теперь час?", "который будет час через {d}, если сейчас {t}?",
    "через {d} после {t} сколько будет?", "часы показывают {t}. сколько покажут через {d}?", "к {t} прибавить {d}",
    "{t} плюс {d} — это сколько?", "посчитай время: {t} и ещё {d}",
)  # fmt: skip
_LATER_ANSWERS: Final = ("Будет {u}.", "{u}.", "Через {d} будет {u}.", "Получится {u}.", "Часы покажут {u}.")
_UNTIL: Final = (
    "фильм начинается в {t} и идёт {d}. когда он кончится?", "урок начался в {t} и длится {d}. когда конец?",
    "поезд должен быть в {t}, но опаздывает на {d}. когда он придёт?",
    "выхожу в {t}, дорога занимает {d}. когда буду на месте?", "поставил пирог в {t} на {d}, когда вынимать?",
    "лёг в {t} и спал {d}. когда проснулся?",
)  # fmt: skip
_UNTIL_ANSWERS: Final = ("В {u}.", "Получается, в {u}.", "Ровно в {u}.")
_EARLIER: Final = (
    "который час был за {d} до {t}?", "сейчас {t}. сколько было {d} назад?",
    "если сейчас {t}, сколько было {d} назад?", "что было на часах за {d} до {t}?",
    "сейчас {t}, а {d} назад сколько было?", "мне надо быть в {t}, дорога {d}. когда выйти?",
)  # fmt: skip
_BETWEEN: Final = (
    "сколько минут от {t} до {u}?", "сколько времени от {t} до {u}?", "сейчас {t}. сколько ждать до {u}?",
    "сколько осталось до {u}, если сейчас {t}?", "сколько длится урок с {t} до {u}?", "сколько пройдёт с {t} до {u}?",
    "сколько времени между {t} и {u}?", "от {t} до {u} сколько?",
)  # fmt: skip
_MORE: Final = ("а ещё через {d}?", "а через {d} после этого?", "и ещё через {d}?", "а потом ещё через {d}?")
_UNITS: Final = (
    ("сколько минут в {n} часах?", 60, _ONE_MINUTE), ("{n} часа — это сколько минут?", 60, _ONE_MINUTE),
    ("переведи {n} часа в минуты", 60, _ONE_MINUTE), ("сколько секунд в {n} минутах?", 60, _ONE_SECOND),
    ("{n} минуты — это сколько секунд?", 60, _ONE_SECOND), ("переведи {n} минуты в секунды", 60, _ONE_SECOND),
    ("сколько часов в {n} сутках?", 24, _HOURS), ("{n} суток — это сколько часов?", 24, _HOURS),
)  # fmt: skip
_SPOKEN: Final = (
    "{s} — это сколько?", "{s} — это во сколько?", "что значит «{s}»?", "как записать {s}?", "{s} цифрами",
    "{s} на часах — это как?", "сколько это на часах: {s}?", "напиши цифрами время: {s}",
)  # fmt: skip
_HOUR_NAMES: Final = ("час", *(str(Number(hour, in_words=True)) for hour in range(2, 13)))
_HOUR_ORDINALS: Final = (
    "первого", "второго", "третьего", "четвёртого", "пятого", "шестого", "седьмого", "восьмого", "девятого",
    "десятого", "одиннадцатого", "двенадцатого",
)  # fmt: skip
_TO_THE_HOUR: Final = {5: "пяти", 10: "десяти", 15: "четверти", 20: "двадцати", 25: "двадцати пяти"}


def conversation(chance: random.Random) -> Conversation:
    """One question about time; after a step forward sometimes another step."""
    match chance.randrange(10):
        case 0 | 1 | 2 | 3:
            return _later(chance)
        case 4 | 5:
            return _earlier(chance)
        case 6 | 7:
            return _between(chance)
        case 8:
            return _units(chance)
        case _:
            return _spoken(chance)


def shown(minute: int) -> str:
    """Minutes since midnight as the clock shows them."""
    hours, minutes = divmod(minute % _DAY, 60)
    return f"{hours}:{minutes:02}"


def lasting(minutes: int, chance: random.Random) -> str:
    """A length of time in the accusative."""
    if minutes in (30, 60, 90) and chance.random() < 0.6:
        return {30: "полчаса", 60: "час", 90: "полтора часа"}[minutes]
    hours, rest = divmod(minutes, 60)
    parts = [counted(hours, _HOURS)] * bool(hours) + [counted(rest, _MINUTES)] * bool(rest)
    return " ".join(parts)


def _later(chance: random.Random) -> Conversation:
    start, length = _moment(chance), _length(chance)
    d, t, u = lasting(length, chance), shown(start), shown(start + length)
    patterns, answers = (_LATER, _LATER_ANSWERS) if chance.random() < 0.75 else (_UNTIL, _UNTIL_ANSWERS)
    question, held = wordings.ask(patterns, chance, d=d, t=t)
    answer = chance.choice(answers).format(d=d, t=t, u=u)
    to_the_hour = -start % 60
    if to_the_hour and to_the_hour < length < 60 and chance.random() < 0.4:  # the hour is the ten that is carried
        first, then = counted(to_the_hour, _ONE_MINUTE), counted(length - to_the_hour, _ONE_MINUTE)
        answer = f"До {shown(start + to_the_hour)} — {first}, потом ещё {then}: {u}."
    asked = wordings.exchange(question, answer, held=held)
    if held or chance.random() < 0.75:
        return asked
    again = _length(chance)
    d = lasting(again, chance)
    question = wordings.typed(chance.choice(_MORE).format(d=d), chance)
    return Conversation(
        [*asked.messages, Message("user", question), Message("assistant", f"Будет {shown(start + length + again)}.")]
    )


def _earlier(chance: random.Random) -> Conversation:
    end, length = _moment(chance), _length(chance)
    u = shown(end - length)
    question, held = wordings.ask(_EARLIER, chance, d=lasting(length, chance), t=shown(end))
    answers = (f"В {u}.", f"Получается, в {u}.") if "выйти" in question else (f"Было {u}.", f"{u}.", f"Получается {u}.")
    return wordings.exchange(question, chance.choice(answers), held=held)


def _between(chance: random.Random) -> Conversation:
    start, length = _moment(chance), _length(chance)
    hours, rest = divmod(length, 60)
    parts = [counted(hours, _HOURS)] * bool(hours) + [counted(rest, _ONE_MINUTE)] * bool(rest)
    question, held = wordings.ask(_BETWEEN, chance, t=shown(start), u=shown(start + length))
    answer = " ".join(parts)
    if "сколько минут" in question.lower() and hours:
        answer = counted(length, _ONE_MINUTE)
    return wordings.exchange(
        question, chance.choice(("{}.", "{}.", "Ровно {}.", "Получается {}.")).format(answer), held=held
    )


def _units(chance: random.Random) -> Conversation:
    pattern, factor, unit = chance.choice(_UNITS)
    n = chance.randint(2, 4)  # «часа», «минуты»
    result = n * factor
    answer = chance.choice(
        (f"{n} × {factor} = {result}.", f"{counted(result, unit)}.", f"Будет {counted(result, unit)}.")
    )
    return wordings.exchange(wordings.typed(pattern.format(n=n), chance), answer, held=False)


def _spoken(chance: random.Random) -> Conversation:
    hour, minute = chance.randrange(12), 5 * chance.randrange(1, 12)
    following = (hour + 1) % 12 or 12
    if minute > 30:
        spoken = f"без {_TO_THE_HOUR[60 - minute]} {_HOUR_NAMES[following - 1]}"
    elif minute == 30:
        spoken = f"{chance.choice(('половина', 'пол'))} {_HOUR_ORDINALS[following - 1]}".replace(
            "пол ", "пол-" if following == 11 else "пол"
        )
    elif minute == 15:
        spoken = f"четверть {_HOUR_ORDINALS[following - 1]}"
    else:
        spoken = f"{Number(minute, in_words=True)} минут {_HOUR_ORDINALS[following - 1]}"
    question, held = wordings.ask(_SPOKEN, chance, s=spoken)
    written = shown(60 * (hour or 12) + minute)
    answers = (f"Это {written}.", f"{written}.", f"{wordings.sentence(spoken)} — это {written}.")
    return wordings.exchange(question, chance.choice(answers), held=held)


def _moment(chance: random.Random) -> int:
    if chance.random() < 0.3:
        return 60 * chance.randrange(24)
    return 60 * chance.randrange(24) + (5 * chance.randrange(12) if chance.random() < 0.8 else chance.randrange(60))


def _length(chance: random.Random) -> int:
    """Minutes; mostly less than an hour, or whole hours."""
    kind = chance.random()
    if kind < 0.6:
        return 5 * chance.randint(1, 11)
    return 60 * chance.randint(1, 8) if kind < 0.85 else chance.choice((60, 75, 80, 90, 100, 105, 120, 135, 150))
