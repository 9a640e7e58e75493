"""Russian numbers: their names in three cases, and nouns counted by them. Knows grammar, no exercise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Case = Literal["nominative", "genitive", "dative"]
Forms = tuple[str, str, str]  # 1 минута, 2 минуты, 5 минут

LARGEST: Final = 9999

_TEENS: Final = (
    "пять", "шесть", "семь", "восемь", "девять", "десять", "одиннадцать", "двенадцать", "тринадцать", "четырнадцать",
    "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать", "девятнадцать",
)  # fmt: skip
_OBLIQUE_TEENS: Final = tuple(name.replace("восемь", "восьмь")[:-1] + "и" for name in _TEENS)
_OBLIQUE_TENS: Final = (
    "двадцати", "тридцати", "сорока", "пятидесяти", "шестидесяти", "семидесяти", "восьмидесяти", "девяноста",
)  # fmt: skip
_SMALL: Final[dict[Case, tuple[str, ...]]] = {
    "nominative": ("ноль", "один", "два", "три", "четыре", *_TEENS),
    "genitive": ("нуля", "одного", "двух", "трёх", "четырёх", *_OBLIQUE_TEENS),
    "dative": ("нулю", "одному", "двум", "трём", "четырём", *_OBLIQUE_TEENS),
}
_TENS: Final[dict[Case, tuple[str, ...]]] = {
    "nominative": ("двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто"),
    "genitive": _OBLIQUE_TENS,
    "dative": _OBLIQUE_TENS,
}
_HUNDREDS: Final[dict[Case, tuple[str, ...]]] = {
    "nominative": ("сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"),
    "genitive": ("ста", "двухсот", "трёхсот", "четырёхсот", "пятисот", "шестисот", "семисот", "восьмисот", "девятисот"),
    "dative": (
        "ста",
        "двумстам",
        "трёмстам",
        "четырёмстам",
        "пятистам",
        "шестистам",
        "семистам",
        "восьмистам",
        "девятистам",
    ),
}
_THOUSAND: Final[dict[Case, Forms]] = {
    "nominative": ("тысяча", "тысячи", "тысяч"),
    "genitive": ("тысячи", "тысяч", "тысяч"),
    "dative": ("тысяче", "тысячам", "тысячам"),
}
_FEMININE: Final[dict[Case, dict[int, str]]] = {
    "nominative": {1: "одна", 2: "две"},
    "genitive": {1: "одной"},
    "dative": {1: "одной"},
}


def name(number: int, case: Case = "nominative") -> str:
    """A number from 0 to LARGEST in words: сорок семь, сорока семи."""
    assert 0 <= number <= LARGEST
    words = []
    thousands, rest = divmod(number, 1000)
    if thousands:
        if thousands > 1:
            words.append(_FEMININE[case].get(thousands, _SMALL[case][thousands]))
        words.append(form(thousands, _THOUSAND[case]))
    if rest >= 100:
        words.append(_HUNDREDS[case][rest // 100 - 1])
    rest %= 100
    if rest >= 20:
        words.append(_TENS[case][rest // 10 - 2])
        rest %= 10
    if rest or not words:
        words.append(_SMALL[case][rest])
    return " ".join(words)


def form(number: int, forms: Forms) -> str:
    """The noun that follows a number."""
    if number % 10 == 1 and number % 100 != 11:
        return forms[0]
    return forms[1] if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else forms[2]


def counted(number: int, forms: Forms) -> str:
    """1 минута, 2 минуты, 5 минут, 11 минут, 21 минута."""
    return f"{number} {form(number, forms)}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a person writes it in a question: in digits in every case, or in words in the case asked for."""

    value: int
    in_words: bool = False

    def __str__(self) -> str:
        return self._written("nominative")

    @property
    def gen(self) -> str:
        """Genitive."""
        return self._written("genitive")

    @property
    def dat(self) -> str:
        """Dative."""
        return self._written("dative")

    def _written(self, case: Case) -> str:
        return name(self.value, case) if self.in_words and 0 <= self.value <= LARGEST else str(self.value)
