"""What exercises keep out of training, so that a mind can be judged by it: pairs of numbers, and wordings.

A pair is held out as a whole family: with 38 and 47 go 38 + 47, 47 + 38, 85 - 38 and 85 - 47, in any wording and as
a step of any conversation. Families are drawn from numbers of two digits that do not end in zero: of those there are
enough, and no way to a result («40 + 30 = 70, 7 + 8 = 15») passes through one. The tables of one digit are so small
that a missing pair would be a missing fact, not a test of skill: there, and in every other kind of exercise, wordings
are held out instead.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from trainer.dialogues.draw import fraction

_PAIRS: Final = 0.05
_WORDINGS: Final = 0.08
_ENOUGH_WORDINGS: Final = 3
_OWN_WORDS: Final = 3
_PLACE: Final = re.compile(r"{[^}]*}")
SIGN: Final = re.compile(r"(?<=}) ?[-+*/:×х<>] ?(?={)")


def pair(a: int, b: int) -> bool:
    """Whether the family of a + b is held out."""
    return all(10 < number < 100 and number % 10 for number in (a, b)) and fraction(f"{min(a, b)} {max(a, b)}") < _PAIRS


@cache
def wordings(patterns: tuple[str, ...]) -> frozenset[str]:
    """Those of a list of wordings, their numbers still in braces, that are held out: a twelfth of them, at least one.

    Wordings that differ in signs and stops alone go together. The first of a list, and those with fewer than three
    words of their own, are what everybody types, and always taught; so is a list of hardly any others.
    """
    keys = {pattern: _words(re.sub("[{}]", " ", SIGN.sub(" _ ", pattern))) for pattern in patterns}
    own = {key: len(_words(_PLACE.sub(" ", pattern)).split()) for pattern, key in keys.items()}
    eligible = sorted(key for key in own if own[key] >= _OWN_WORDS and key != keys[patterns[0]])
    if len(eligible) < _ENOUGH_WORDINGS:
        return frozenset()
    held = sorted(eligible, key=fraction)[: max(1, round(_WORDINGS * len(eligible)))]
    return frozenset(pattern for pattern, key in keys.items() if key in held)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower().replace("ё", "е")))
