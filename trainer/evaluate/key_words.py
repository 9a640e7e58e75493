"""Which words of the known replies an answer must hold to be right. Knows texts alone.

The key words of a question are those that all its replies share and the question itself does not hold, whatever their
endings. An answer is right with at least half of them. Tried on the small talk's facts: key words of all replies but
one accept that one in nine cases of ten, and a reply to another question in one of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from trainer.evaluate.measures import words

# Words that many answers share whatever they are about.
_COMMON: Final = frozenset((
    "это", "эта", "этот", "как", "что", "чем", "где", "кто", "для", "или", "при", "над", "под", "без", "про", "его",
    "она", "они", "оно", "был", "была", "было", "были", "есть", "тоже", "еще", "уже", "если", "когда", "потому",
    "который", "которая", "которые", "так", "там", "тут", "все", "свой", "свою", "мой", "твой", "очень", "самый",
    "самая", "самое", "один", "одна", "одно", "год", "года", "году", "лет", "раз", "только", "можно", "обычно",
    "около",
))  # fmt: skip


def of(replies: Sequence[str], question: str) -> list[str]:
    """The key words, in the form of the first reply; none where the replies share nothing of their own."""
    first, *others = [_telling(reply) for reply in replies]
    asked = _telling(question)
    keys: list[str] = []
    for word in first:
        if all(_holds(other, word) for other in others) and not _holds(asked, word) and not _holds(keys, word):
            keys.append(word)
    return keys


def right(answer: str, keys: Sequence[str]) -> bool:
    """Whether an answer holds at least half of the key words."""
    told = _telling(answer)
    return 2 * sum(_holds(told, key) for key in keys) >= len(keys) > 0


def _telling(text: str) -> list[str]:
    return [word for word in words(text) if (len(word) > 2 or word.isdigit()) and word not in _COMMON]


def _holds(told: Sequence[str], word: str) -> bool:
    return any(_same(word, other) for other in told)


def _same(first: str, second: str) -> bool:
    """Whether two words are forms of one: Russian changes their ends."""
    if first == second or first.isdigit() or second.isdigit():
        return first == second
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second)))
    shorter, longer = sorted((len(first), len(second)))
    return (shared >= 4 and shared >= 0.6 * longer) or (shared >= 3 and longer <= 5 and shared >= shorter - 1)
