"""What can be counted in answers: loops, copies, variety, letters, numbers. Knows texts and ids; knows no mind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

LOOP_TIMES: Final = 3
LOOP_TOKENS: Final = 12
RUN_OF_WORDS: Final = 6
_SENTENCE: Final = re.compile(r"[^.!?…\n]+")
_LEAST_WORDS: Final = 3  # of a sentence whose return is a loop: «Да. Да.» is none
_CYRILLIC: Final = re.compile(r"[Ѐ-ӿ]")


def words(text: str) -> list[str]:
    """Words and numbers, small, ё as е."""
    return re.findall(r"\w+", text.lower().replace("ё", "е"))


def loops(ids: Sequence[int], text: str) -> bool:
    """Whether an answer goes round in circles.

    It does where a run of tokens stands LOOP_TIMES times or more in a row and fills LOOP_TOKENS so (four tokens three
    times, or one token twelve times), or where a sentence of three words or more stands twice in a row or three times.
    """
    return _runs_repeat(ids) or _sentences_repeat(text)


def _runs_repeat(ids: Sequence[int]) -> bool:
    for size in range(1, len(ids) // LOOP_TIMES + 1):
        needed = max(LOOP_TIMES * size, -(-LOOP_TOKENS // size) * size) - size  # ids that equal the one `size` before
        equal = 0
        for place in range(size, len(ids)):
            equal = equal + 1 if ids[place] == ids[place - size] else 0
            if equal >= needed:
                return True
    return False


def _sentences_repeat(text: str) -> bool:
    every = [tuple(words(sentence)) for sentence in _SENTENCE.findall(text)]
    in_a_row = any(first == second and len(first) >= _LEAST_WORDS for first, second in pairwise(every))
    times = Counter(sentence for sentence in every if len(sentence) >= _LEAST_WORDS)
    return in_a_row or max(times.values(), default=0) >= LOOP_TIMES


def canned(answers: Iterable[str]) -> float:
    """The share of answers that are given to several questions word for word; of those with three words or more."""
    every = [tuple(words(answer)) for answer in answers]
    times = Counter(answer for answer in every if len(answer) >= _LEAST_WORDS)
    return sum(count for count in times.values() if count > 1) / len(every) if every else 0.0


def distinct(answers: Iterable[str], size: int = 2) -> float:
    """Different runs of `size` words among all (Li and others, 2016, arXiv 1510.03055); 0 where there are none."""
    found = [run for answer in answers for run in runs(answer, size)]
    return len(set(found)) / len(found) if found else 0.0


def runs(text: str, size: int = RUN_OF_WORDS) -> list[tuple[str, ...]]:
    """Every run of so many words."""
    row = words(text)
    return [tuple(row[start : start + size]) for start in range(len(row) - size + 1)]


def copied(answers: Iterable[str], known: set[tuple[str, ...]]) -> float:
    """The share of the answers' runs of RUN_OF_WORDS words that stand in the training text; 0 where there are none."""
    found = [run for answer in answers for run in runs(answer)]
    return sum(run in known for run in found) / len(found) if found else 0.0


def cyrillic(answers: Iterable[str]) -> float:
    """The share of Cyrillic letters among all letters; 1 where there are none."""
    letters = [letter for answer in answers for letter in answer if letter.isalpha()]
    return sum(bool(_CYRILLIC.match(letter)) for letter in letters) / len(letters) if letters else 1.0


def last_number(text: str) -> int | None:
    """The last or only number of an answer. A minus stands before it only where nothing stands before the minus."""
    found = re.findall(r"(?<![\d)] )(?<!\d)-\d+|\d+", text)
    return int(found[-1]) if found else None


def counts(text: str) -> list[str]:
    """Times of day and numbers as they stand in an answer."""
    return re.findall(r"\d+:\d\d|\d+", text)
