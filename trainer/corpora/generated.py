"""Tiny stories by rule: a text that a very small model learns in a minute, for tests and a first try."""

from __future__ import annotations

import random
from collections.abc import Iterator

HEROES = ("Кот", "Пёс", "Ёж", "Гусь", "Мальчик", "Старик")
PLACES = ("в лесу", "у реки", "на горе", "в саду", "дома")
THINGS = ("гриб", "камень", "ключ", "мяч", "хлеб")
FEELINGS = ("обрадовался", "удивился", "задумался", "засмеялся")


def stories(count: int, seed: int) -> Iterator[str]:
    """Yield `count` stories of three or four sentences; the hero and the thing are kept to the end."""
    chance = random.Random(seed)
    for _ in range(count):
        hero, thing = chance.choice(HEROES), chance.choice(THINGS)
        lines = [f"{hero} гулял {chance.choice(PLACES)}.", f"Там лежал {thing}."]
        if chance.random() < 0.5:
            lines.append(f"«Чей это {thing}?» — спросил {hero.lower()}.")
        lines.append(f"{hero} взял {thing} и {chance.choice(FEELINGS)}.")
        yield " ".join(lines)
