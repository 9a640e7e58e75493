"""SentencePiece's normaliser, for minds that grew elsewhere (normalizer.cc, step by step).

Gives the text as the mind's training saw it, but for the dummy prefix and with spaces still written as such. Knows no
pieces but the user-defined symbols, which it leaves as they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Final

from chat_app.charsmap import CharacterMap
from chat_app.pieces import SPACE, Foreign
from chat_app.text import encodable

_SPACES_IN_A_ROW: Final = re.compile(" {2,}")


class Normaliser:
    """What a `Foreign` asks for."""

    def __init__(self, foreign: Foreign, symbols: Collection[str]) -> None:
        """`symbols` are the user-defined ones. ValueError where the character map is damaged."""
        self._foreign = foreign
        self._map = CharacterMap(foreign.charsmap) if foreign.charsmap else None
        self._symbol = re.compile(any_of(symbols)) if symbols else None
        self._joining = self._map.joining if self._map else set[str]()
        # Most text holds none of these, and passes at the speed of the search for them.
        notable = {*(self._map.changed if self._map else ()), *self._joining, *(symbol[0] for symbol in symbols)}
        self._notable = re.compile(_character_class(notable)) if notable else None
        self._end = " " + SPACE if foreign.escape_whitespaces else " "

    def normalise(self, text: str, *, inside: bool = False) -> str:
        """`inside` says that the text goes on from earlier text, so that one space at its beginning stays."""
        tidy = self._foreign.remove_extra_whitespaces
        parts = []
        after_space = tidy and not inside
        for part in self._steps(encodable(text)):
            kept = part.lstrip(" ") if after_space else part
            if kept:
                parts.append(kept)
                after_space = tidy and kept[-1] == " "
        whole = "".join(parts)
        return whole.rstrip(self._end) if tidy else whole

    def _steps(self, text: str) -> Iterator[str]:
        """The text in order: stretches that no rule touches, symbols, and the results of rules."""
        begin = 0
        while begin < len(text):
            place = self._first_notable(text, begin)
            if place > begin:
                stretch = text[begin:place]
                yield _SPACES_IN_A_ROW.sub(" ", stretch) if self._foreign.remove_extra_whitespaces else stretch
            if place == len(text):
                return
            if self._symbol and (match := self._symbol.match(text, place)):
                begin, result = match.end(), match[0]
            elif self._map:
                begin, result = self._map.longest(text, place)
            else:
                begin, result = place + 1, text[place]
            yield result

    def _first_notable(self, text: str, begin: int) -> int:
        """Where the next symbol or rule may begin, at the earliest."""
        match = self._notable.search(text, begin) if self._notable else None
        if match is None:
            return len(text)
        place = match.start()
        return place - 1 if place > begin and text[place] in self._joining else place


def any_of(symbols: Collection[str]) -> str:
    """A regular expression for the longest symbol that fits, as SentencePiece chooses it: they are tried in order."""
    return "|".join(map(re.escape, sorted(symbols, key=len, reverse=True)))


def _character_class(characters: Collection[str]) -> str:
    """A regular expression for one of the characters, or for any above U+FFFF if some are.

    Those below are looked up in a table, and those above compared with one range after another by each character of
    the text: hundreds of them would take longer than everything else.
    """
    codes = sorted(code for code in map(ord, characters) if code <= 0xFFFF)
    breaks = [i for i, (left, right) in enumerate(pairwise(codes), 1) if right != left + 1]
    ranges = [(codes[i], codes[j - 1]) for i, j in pairwise([0, *breaks, len(codes)]) if i < j]
    if len(codes) < len(characters):
        ranges.append((0x10000, sys.maxunicode))
    return "[" + "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges) + "]"
