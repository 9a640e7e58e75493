"""Somebody tells about himself and asks for it again: a name, an age, a town, a pet, a trade, a colour.

Names and pets are held out by name: whether a mind remembers, or only knows names by heart, shows in those.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from chat_app.template import Message
from trainer.dialogues.exercises import arithmetic, task, wordings
from trainer.dialogues.exercises.numerals import Forms, counted
from trainer.dialogues.shapes import Conversation

Told = tuple[tuple[str, str], tuple[str, str], bool]  # (said, answered), (asked, answered), held out

HELD_OUT_NAMES: Final = (
    "Алина", "Арина", "Варя", "Влад", "Глеб", "Егор", "Захар", "Инна", "Кира", "Ксения", "Лев", "Лиля", "Матвей",
    "Милана", "Олег", "Снежана", "Стёпа", "Тимур", "Ульяна", "Фёдор", "Эмма", "Юра", "Яна", "Злата", "Платон",
    "Агния", "Савелий",
)  # fmt: skip
NAMES: Final = (
    "Александр", "Алексей", "Алёна", "Алиса", "Алла", "Альбина", "Анастасия", "Анатолий", "Андрей", "Анна", "Антон",
    "Аня", "Аркадий", "Арсений", "Артём", "Артур", "Ася", "Боря", "Борис", "Вадим", "Валентина", "Валера", "Валерия",
    "Ваня", "Василий", "Вася", "Вера", "Вероника", "Виктор", "Виктория", "Виталий", "Витя", "Вова", "Владимир",
    "Вячеслав", "Галя", "Галина", "Гена", "Георгий", "Герман", "Гоша", "Григорий", "Гриша", "Гуля", "Дарья", "Даша",
    "Даниил", "Денис", "Дима", "Диана", "Дмитрий", "Ева", "Евгений", "Екатерина", "Елена", "Елизавета", "Жанна",
    "Женя", "Зина", "Зоя", "Иван", "Игнат", "Игорь", "Илья", "Ира", "Ирина", "Камилла", "Карина", "Катя", "Кирилл",
    "Клава", "Константин", "Коля", "Костя", "Кристина", "Лариса", "Лена", "Леонид", "Лера", "Лёня", "Лёша", "Лида",
    "Лиза", "Люба", "Люда", "Люся", "Майя", "Макар", "Максим", "Маргарита", "Марина", "Мария", "Марк", "Маша", "Мила",
    "Мирон", "Миша", "Михаил", "Надя", "Настя", "Наташа", "Никита", "Николай", "Нина", "Оксана", "Оля", "Павел",
    "Паша", "Петя", "Пётр", "Полина", "Рая", "Регина", "Рита", "Роман", "Руслан", "Рустам", "Саша", "Света",
    "Святослав", "Семён", "Сергей", "Серёжа", "Славик", "Соня", "София", "Станислав", "Таисия", "Таня", "Тарас",
    "Тихон", "Толя", "Филипп", "Эдик", "Элина", "Юлия", "Юля", "Яков", "Ярослав", "Ярослава", "Вика", "Тамара",
    "Рома", "Августа", "Аврора", "Агата", "Аглая", "Ада", "Азамат", "Аида", "Айгуль", "Айдар", "Алсу", "Альберт",
    "Алевтина", "Алик", "Амина", "Амир", "Ангелина", "Анжела", "Анзор", "Анфиса", "Арам", "Арман", "Архип",
    "Аслан", "Афанасий", "Ахмед", "Белла", "Богдан", "Богдана", "Булат", "Валя", "Ванда", "Варвара", "Василиса",
    "Вениамин", "Веня", "Виолетта", "Виталина", "Влада", "Владислав", "Владлен", "Всеволод", "Гаянэ",
    "Геннадий", "Гузель", "Гульнара", "Давид", "Дамир", "Дана", "Дарина", "Демид", "Демьян", "Джамиля", "Джон", "Дина",
    "Добрыня", "Доминика", "Дуся", "Евдокия", "Евгения", "Евсей", "Елисей", "Емельян", "Ефим", "Жора", "Зарина",
    "Зиновий", "Зинаида", "Ибрагим", "Ильдар", "Ильнур", "Илона", "Иннокентий", "Иосиф", "Ипполит",
    "Камиль", "Капитолина", "Карим", "Карл", "Каролина", "Катерина", "Кеша", "Клара", "Клим", "Кузьма", "Лада",
    "Лаврентий", "Леся", "Лилия", "Лина", "Лола", "Лука", "Лукерья", "Людмила", "Магомед",
    "Мадина", "Майк", "Малика", "Марат", "Марианна", "Марта", "Мартын", "Марьяна", "Матрёна", "Мелания", "Мирослава",
    "Митя", "Митрофан", "Мурад", "Мэри", "Назар", "Наиля", "Натали", "Наум", "Нелли", "Ника", "Никифор", "Нюра", "Нюша",
    "Остап", "Пелагея", "Прохор", "Прасковья", "Рамиль", "Раиса", "Ренат", "Римма", "Ринат", "Родион", "Роберт",
    "Ростислав", "Рустик", "Савва", "Саид", "Салават", "Самир", "Сеня", "Серафима", "Стас", "Стефания", "Сусанна",
    "Тася", "Тая", "Тёма", "Тимофей", "Тоня", "Трофим", "Устин", "Фаина", "Фарид", "Фатима", "Федот", "Фёкла",
    "Феликс", "Фома", "Фрося", "Харитон", "Христина", "Цветана", "Чингиз", "Шамиль", "Шура", "Эвелина", "Эдуард",
    "Эльвира", "Эльдар", "Эля", "Эмиль", "Эрик", "Эрнест", "Юлиан", "Юлик", "Юлиана", "Янина", "Ян", "Ясмина", "Яша",
)  # fmt: skip
_ONSETS: Final = (
    "", "б", "в", "г", "д", "ж", "з", "к", "л", "м", "н", "п", "р", "с", "т", "ф", "х", "вл", "гл", "кс", "сн", "ст",
    "тр", "св", "зл", "пл",
)  # fmt: skip
_CODAS: Final = ("д", "б", "в", "й", "л", "м", "н", "р", "с", "т", "нт", "ль")
_PETS: Final = (
    "Барсик", "Мурзик", "Рыжик", "Пушок", "Снежок", "Тишка", "Васька", "Кузя", "Бублик", "Персик", "Пончик", "Марсик",
    "Симба", "Уголёк", "Лаки", "Рекс", "Шарик", "Тузик", "Бим", "Дружок", "Граф", "Арчи", "Чарли", "Жучка", "Белка",
    "Найда",
)  # fmt: skip
_HELD_OUT_PETS: Final = ("Плюшка", "Тиша", "Боцман", "Клякса")
PETS: Final = (*_PETS, *_HELD_OUT_PETS)
_TOWNS: Final = (  # из …, живу …
    ("Москвы", "в Москве"), ("Казани", "в Казани"), ("Перми", "в Перми"), ("Омска", "в Омске"),
    ("Томска", "в Томске"), ("Тулы", "в Туле"), ("Твери", "в Твери"), ("Самары", "в Самаре"),
    ("Саратова", "в Саратове"), ("Пензы", "в Пензе"), ("Рязани", "в Рязани"), ("Воронежа", "в Воронеже"),
    ("Иркутска", "в Иркутске"), ("Минска", "в Минске"), ("Пскова", "в Пскове"), ("Вологды", "в Вологде"),
    ("Калуги", "в Калуге"), ("Краснодара", "в Краснодаре"), ("Мурманска", "в Мурманске"), ("Читы", "в Чите"),
    ("Новосибирска", "в Новосибирске"), ("Екатеринбурга", "в Екатеринбурге"), ("Владивостока", "во Владивостоке"),
    ("Сочи", "в Сочи"),
)  # fmt: skip
_COLOURS: Final = (
    "синий", "красный", "зелёный", "жёлтый", "белый", "чёрный", "оранжевый", "голубой", "розовый", "серый",
)  # fmt: skip
_JOBS: Final = (  # я …, работаю …
    ("врач", "врачом"), ("учитель", "учителем"), ("повар", "поваром"), ("водитель", "водителем"),
    ("программист", "программистом"), ("бухгалтер", "бухгалтером"), ("медсестра", "медсестрой"),
    ("инженер", "инженером"), ("продавец", "продавцом"), ("строитель", "строителем"), ("юрист", "юристом"),
    ("дизайнер", "дизайнером"), ("электрик", "электриком"), ("воспитатель", "воспитателем"),
    ("парикмахер", "парикмахером"), ("библиотекарь", "библиотекарем"), ("слесарь", "слесарем"),
    ("журналист", "журналистом"), ("тренер", "тренером"), ("курьер", "курьером"),
)  # fmt: skip
_YEARS: Final[Forms] = ("год", "года", "лет")

_MY_NAME: Final = (
    "меня зовут {n}", "меня зовут {n}", "привет, меня зовут {n}", "я {n}", "привет, я {n}", "моё имя {n}",
    "зови меня {n}", "{n} меня зовут", "давай знакомиться, я {n}", "здравствуй, меня зовут {n}", "я {n}, а ты?",
    "меня звать {n}", "это {n}", "будем знакомы, я {n}", "привет! я {n}", "кстати, меня зовут {n}",
    "запомни, меня зовут {n}",
)  # fmt: skip
_GLAD: Final = (
    "Очень приятно, {n}! Я Гомункул.", "Рад знакомству, {n}!", "Привет, {n}! Я Гомункул.",
    "Приятно познакомиться, {n}!", "Здравствуй, {n}! О чём поговорим?", "Привет, {n}! Как настроение?",
    "Запомнил, {n}! Чем займёмся?", "{n}, рад тебя слышать!", "Очень приятно, {n}. А меня зовут Гомункул.",
    "Будем знакомы, {n}!",
)  # fmt: skip
_WHAT_NAME: Final = (
    "как меня зовут?", "а как меня зовут?", "как меня зовут?", "помнишь, как меня зовут?", "напомни, как меня зовут",
    "ты помнишь моё имя?", "какое у меня имя?", "скажи моё имя", "ну и как меня зовут?",
    "ты запомнил, как меня зовут?", "как моё имя?", "ты помнишь, как меня зовут?", "проверим память: как меня зовут?",
    "а моё имя помнишь?", "назови моё имя",
)  # fmt: skip
_NAME: Final = (
    "Тебя зовут {n}.", "Тебя зовут {n}.", "{n}!", "Помню: тебя зовут {n}.", "{n}, конечно.", "Твоё имя — {n}.",
    "Ты {n}, я помню.", "Тебя зовут {n}, пока не забыл!", "{n}. До конца разговора помню точно.",
)  # fmt: skip
_MEANWHILE: Final = (
    ("как дела?", "Хорошо, спасибо! А у тебя?"), ("ты кто?", "Маленькая нейросеть в одном файле."),
    ("хорошо", "Вот и славно!"), ("понятно", "Отлично. О чём поговорим?"), ("как настроение?", "Бодрое! А твоё?"),
    ("рад знакомству", "Взаимно!"), ("что делаешь?", "Слушаю тебя внимательно."),
    ("ясно", "Рассказывай, что нового."), ("ок", "Договорились!"),
)  # fmt: skip


def conversation(chance: random.Random) -> Conversation:
    """One thing told or several, perhaps others in between, and questions that show what of it was remembered.

    Of several the one is not to be taken for the other: a pet has a name, too.
    """
    kinds: list[Callable[[random.Random], Told]] = [chance.choice((*5 * (_name,), _age, _town, _pet, _job, _colour))]
    while chance.random() < 0.3 and len(kinds) < 4:
        kinds.append(chance.choice([kind for kind in (_name, _age, _town, _pet, _job, _colour) if kind not in kinds]))
    told = [kind(chance) for kind in kinds]
    chance.shuffle(told)
    pairs: list[tuple[str, str]] = []
    for said, _, _ in told:
        pairs.append(said)
        while chance.random() < 0.35 / len(told):
            pairs.append(_meanwhile(chance))
    pairs += [asked for _, asked, _ in chance.sample(told, chance.randint(1, len(told)))]
    messages = [message for said, answer in pairs for message in (Message("user", said), Message("assistant", answer))]
    return Conversation(messages, held=any(held for _, _, held in told), recalls=True)


def _name(chance: random.Random) -> Told:
    held = chance.random() < 0.05
    name = chance.choice(HELD_OUT_NAMES) if held else _called(chance)
    first = _written(_MY_NAME, name, chance), chance.choice(_GLAD).format(n=name)
    return first, (wordings.typed(chance.choice(_WHAT_NAME), chance), chance.choice(_NAME).format(n=name)), held


def _called(chance: random.Random) -> str:
    """A name; as often as not one that nobody has, which cannot be known by heart: it must be read and repeated."""
    if chance.random() < 0.5:
        return chance.choice(NAMES)
    syllables = (
        chance.choice(_ONSETS) + chance.choice("аеиоуюя") + chance.choice(("", "", *_CODAS))
        for _ in range(chance.choice((1, 2, 2, 3)))
    )
    name = wordings.sentence("".join(syllables))
    return _called(chance) if name in HELD_OUT_NAMES or len(name) < 3 else name


def _age(chance: random.Random) -> Told:
    years = counted(chance.randint(5, 90), _YEARS)
    said = chance.choice(("мне {y}", "мне уже {y}", "мне сейчас {y}", "мне исполнилось {y}")).format(y=years)
    heard = chance.choice(("{y} — хороший возраст!", "Запомнил: тебе {y}.", "Отличный возраст!"))
    asked = chance.choice(
        ("сколько мне лет?", "а сколько мне лет?", "помнишь, сколько мне лет?", "какой у меня возраст?")
    )
    answer = chance.choice(("Тебе {y}.", "{y}.", "Тебе {y}, я запомнил."))
    return (
        (wordings.typed(said, chance), heard.format(y=years)),
        (wordings.typed(asked, chance), answer.format(y=years)),
        False,
    )


def _town(chance: random.Random) -> Told:
    origin, place = chance.choice(_TOWNS)
    said = chance.choice(("я из {o}", "я живу {p}", "живу {p}", "привет из {o}", "я сам из {o}")).format(
        o=origin, p=place
    )
    heard = chance.choice(("Рад привету из {o}!", "Из {o}? Здорово!", "Запомнил: ты из {o}."))
    asked = chance.choice(("где я живу?", "в каком городе я живу?", "откуда я?", "помнишь, откуда я?", "а где я живу?"))
    origins, places = ("Ты из {o}.", "Ты из {o}, я помню."), ("{p}.", "Ты живёшь {p}.")
    answer = wordings.sentence(chance.choice(origins if "откуда" in asked else places).format(o=origin, p=place))
    return (wordings.typed(said, chance), heard.format(o=origin)), (wordings.typed(asked, chance), answer), False


def _pet(chance: random.Random) -> Told:
    held = chance.random() < 0.05
    pet = chance.choice(_HELD_OUT_PETS if held else _PETS)
    whose = chance.choice(("моего кота", "мою кошку", "мою собаку", "моего пса"))
    what = whose.replace("мо", "тво", 1)
    heard = chance.choice(("Отличное имя — {p}!", "{p}! Передавай привет.", "Запомнил: {p}.", "{p} — звучит тепло."))
    asked = chance.choice(("как зовут {w}?", "а как зовут {w}?", "помнишь, как зовут {w}?", "напомни, как зовут {w}"))
    answer = chance.choice((f"{wordings.sentence(what)} зовут {pet}.", f"{pet}!", f"Помню: {pet}."))
    kind = {"моего кота": "кот", "мою кошку": "кошка", "мою собаку": "собака", "моего пса": "пёс"}[whose]
    said = (f"{whose} зовут {{n}}", f"{whose} зовут {{n}}", f"у меня есть {kind} {{n}}", f"у меня {kind}, зовут {{n}}")
    first = _written(said, pet, chance), heard.format(p=pet)
    return first, (wordings.typed(asked.format(w=whose), chance), answer), held


def _job(chance: random.Random) -> Told:
    plain, by_trade = chance.choice(_JOBS)
    said = chance.choice(("я работаю {t}", "работаю {t}", "я {p}", "я {p} по профессии")).format(t=by_trade, p=plain)
    heard = chance.choice(("{t}? Нужное дело!", "Запомнил: ты работаешь {t}.", "Хорошая работа! Устаёшь?"))
    asked = chance.choice(("кем я работаю?", "а кем я работаю?", "помнишь, кем я работаю?", "какая у меня работа?"))
    answer = chance.choice(("Ты работаешь {t}.", "{t}!", "Помню: {t}."))
    return (
        (wordings.typed(said, chance), wordings.sentence(heard.format(t=by_trade))),
        (wordings.typed(asked, chance), wordings.sentence(answer.format(t=by_trade))),
        False,
    )


def _colour(chance: random.Random) -> Told:
    colour = chance.choice(_COLOURS)
    said = chance.choice(("мой любимый цвет {c}", "люблю {c} цвет", "мне нравится {c} цвет")).format(c=colour)
    heard = chance.choice(("Красивый цвет!", "{c} — хороший выбор.", "Запомнил: {l}.")).format(
        c=wordings.sentence(colour), l=colour
    )
    asked = chance.choice(("какой цвет я люблю?", "какой у меня любимый цвет?", "помнишь мой любимый цвет?"))
    answer = chance.choice((f"{wordings.sentence(colour)}.", f"Твой любимый цвет — {colour}.", f"Помню: {colour}."))
    return (wordings.typed(said, chance), heard), (wordings.typed(asked, chance), answer), False


def _written(patterns: tuple[str, ...], name: str, chance: random.Random) -> str:
    """As people write names: not always with a capital."""
    return wordings.typed(chance.choice(patterns).format(n=name.lower() if chance.random() < 0.25 else name), chance)


def _meanwhile(chance: random.Random) -> tuple[str, str]:
    if chance.random() < 0.6:
        said, answer = chance.choice(_MEANWHILE)
        return wordings.typed(said, chance), answer
    while (asked := arithmetic.exchange(task.draw("+", chance), chance)).held:
        pass
    return asked.messages[0].content, asked.messages[1].content
