"""A task: two numbers and what is done with them. Knows arithmetic and how it is done in the head, no question."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

from trainer.dialogues.exercises import held_out

Sign = Literal["+", "-", "*", "/"]
_WRITTEN: Final[dict[Sign, str]] = {"+": "+", "-": "-", "*": "×", "/": ":"}


@dataclass(frozen=True, slots=True)
class Task:
    """`a` and `b` are whole, and so is the result."""

    sign: Sign
    a: int
    b: int

    @property
    def result(self) -> int:
        """What comes out."""
        match self.sign:
            case "+":
                return self.a + self.b
            case "-":
                return self.a - self.b
            case "*":
                return self.a * self.b
            case _:
                return self.a // self.b

    @property
    def held(self) -> bool:
        """Whether no training may see it."""
        if self.sign == "+":
            return held_out.pair(self.a, self.b)
        return self.sign == "-" and held_out.pair(min(self.a, self.b), abs(self.a - self.b))

    @property
    def easy(self) -> bool:
        """Whether it stands in the tables that one knows by heart."""
        inside = (self.a, self.b) if self.sign in "+*" else (self.b, self.result)
        return all(abs(number) <= 10 for number in inside)

    @property
    def carries(self) -> bool:
        """Whether a ten is carried or borrowed."""
        if self.sign == "+":
            return self.a % 10 + self.b % 10 > 9
        return self.sign == "-" and self.a % 10 < self.b % 10

    def __str__(self) -> str:
        return f"{self.a} {_WRITTEN[self.sign]} {self.b}"

    def way(self) -> str:
        """The steps that lead to the result, each in the tables; empty where there is nothing to take apart."""
        a, b = self.a, self.b
        if self.sign == "+" and all(10 < number < 100 and number % 10 for number in (a, b)):
            units = a % 10 + b % 10
            return f"{a - a % 10} + {b - b % 10} = {a + b - units}, {a % 10} + {b % 10} = {units}"
        if self.sign == "-" and a > b > 10 and b % 10 and a < 100:
            left = a - (b - b % 10)
            return f"{a} - {b - b % 10} = {left}, {left} - {b % 10} = {self.result}"
        if self.sign == "*" and 10 < a < 100 and 1 < b < 10 and a % 10:
            tens, units = a - a % 10, a % 10
            return f"{tens} × {b} = {tens * b}, {units} × {b} = {units * b}"
        return ""


def draw(sign: Sign, chance: random.Random) -> Task:
    """A task as hard as the skill needs: most sums and differences have two digits, most products are of the table."""
    if sign in "*/":
        a, b = _factors(chance)
        return Task("*", a, b) if sign == "*" else Task("/", a * b, b or 1)
    a, b = _addends(chance)
    if sign == "+":
        return Task("+", a, b)
    if chance.random() < 0.02:
        return Task("-", min(a, b), max(a, b))
    return Task("-", a + b, b) if a + b < 100 or chance.random() < 0.3 else Task("-", max(a, b), min(a, b))


def _addends(chance: random.Random) -> tuple[int, int]:
    hardness = chance.random()
    if hardness < 0.25:
        numbers = [chance.randint(1, 9) if chance.random() < 0.97 else 0, chance.randint(1, 9)]
    elif hardness < 0.4:
        numbers = [chance.randint(10, 99), chance.randint(1, 10)]
    elif hardness < 0.96:
        numbers = [chance.randint(10, 99), chance.randint(10, 99)]
    else:
        numbers = [10 * chance.randint(10, 90), 10 * chance.randint(1, 90)]
    chance.shuffle(numbers)
    return numbers[0], numbers[1]


def _factors(chance: random.Random) -> tuple[int, int]:
    hardness = chance.random()
    if hardness < 0.8:
        return chance.randint(2, 9), chance.randint(2, 9)
    if hardness < 0.86:
        numbers = [chance.randint(0, 1), chance.randint(1, 20)]
    elif hardness < 0.92:
        numbers = [chance.choice((10, 10, 100)), chance.randint(2, 20)]
    else:
        return chance.randint(11, 30), chance.randint(2, 9)
    chance.shuffle(numbers)
    return numbers[0], numbers[1]


def following(value: int, chance: random.Random) -> Task | None:
    """What may be done with a result next; None where nothing simple may."""
    choices: list[Task] = []
    if 0 <= value < 200:
        choices += [Task("+", value, chance.randint(1, 12)), Task("+", value, 10 * chance.randint(1, 5))]
    if 1 < value < 200:
        choices += [Task("-", value, chance.randint(1, min(value, 12)))] * 2
    if 1 < value <= 50:
        choices.append(Task("*", value, chance.choice((2, 2, 10) if value > 10 else (2, 2, 3, 4, 5, 10))))
    divisors = [number for number in (2, 2, 3, 4, 5, 10) if value > 1 and value % number == 0 and value <= 200]
    choices += [Task("/", value, number) for number in divisors[:2]]
    choices = [task for task in choices if not task.held]
    return chance.choice(choices) if choices else None
