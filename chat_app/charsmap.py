"""SentencePiece's character map: the rules, compiled into a double array, that a model's normaliser follows.

Knows the bytes of `precompiled_charsmap`, as a model's file holds them; knows nothing of spaces or pieces.
"""

from __future__ import annotations

import struct
import sys
from typing import Final, TypeVar

import numpy as np

_SIZE: Final = 4  # bytes of the size
T = TypeVar("T", int, np.ndarray)


class CharacterMap:
    """Rules from strings to strings; the longest that begins at a place is the one that applies there.

    The bytes are [size u32][double array, size bytes][results, each ended by a zero byte]. The double array is that of
    darts-clone over UTF-8. A unit says by its low byte how it is reached, and where its children begin: each of them
    stands at this exclusive-or its byte, and at this itself stands the value, a place among the results.
    """

    def __init__(self, data: bytes) -> None:
        """Read the map; ValueError where it cannot be one."""
        size = int.from_bytes(data[:_SIZE], "little")
        if len(data) <= _SIZE or not 0 < size < len(data) - _SIZE or size % 4:
            raise ValueError("the character map is damaged")
        self._units = struct.unpack_from(f"<{size // 4}I", data, _SIZE)
        self._results = data[_SIZE + size :]
        tree = _Tree(np.array(self._units))
        codes, states = tree.characters(np.zeros(1, np.int64))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError("the character map is damaged")
        self.changed: Final = set(map(chr, codes[tree.has_value(states)]))
        """Characters with a rule of their own."""
        self.joining: Final = set(map(chr, tree.characters_below(states)))
        """Characters that stand in a rule after its first, such as accents: without one, no longer rule applies."""

    def longest(self, text: str, begin: int) -> tuple[int, str]:
        """(end, result) of the longest rule at `begin`; without any, the character itself."""
        units, place = self._units, 0
        end, result = begin + 1, text[begin]
        for index in range(begin, len(text)):
            for byte in text[index].encode():
                place = _children(place, units[place]) ^ byte
                if place >= len(units) or units[place] & 0x800000FF != byte:
                    return end, result
            value = _children(place, units[place])
            if units[place] >> 8 & 1 and value < len(units):
                end, result = index + 1, self._result(units[value])
        return end, result

    def _result(self, value: int) -> str:
        begin = value & 0x7FFFFFFF
        return self._results[begin : self._results.find(0, begin)].decode("utf-8", "replace")


class _Tree:
    """The double array as a whole: which characters it holds, found at all places at once."""

    def __init__(self, units: np.ndarray) -> None:
        self._units = units
        places = np.flatnonzero(units >> 31 == 0)[1:]  # neither values nor the root
        parents = places ^ units[places] & 0xFF  # as _children would give of the parent
        order = np.argsort(parents, kind="stable")
        self._places, self._parents = places[order], parents[order]

    def has_value(self, places: np.ndarray) -> np.ndarray:
        """Whether a rule ends at each of `places`."""
        ends: np.ndarray = self._units[places] >> 8 & 1 == 1
        return ends

    def characters(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(code points, the places that they lead to) of all characters that may follow `places`."""
        found = []
        owner, places = self._below(places)
        byte = self._units[places] & 0xFF
        length = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)  # of the UTF-8 sequence
        codes = byte & np.array((0, 0x7F, 0x1F, 0x0F, 0x07))[length]
        for read in range(1, 5):
            whole = length == read
            found.append((codes[whole], places[whole]))
            owner, below = self._below(places[~whole])
            codes = codes[~whole][owner] << 6 | self._units[below] & 0x3F
            length, places = length[~whole][owner], below
        codes, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return codes, places

    def characters_below(self, places: np.ndarray) -> np.ndarray:
        """Code points of all characters that may follow `places`, at any distance."""
        met, seen = np.zeros(1 << 21, bool), np.zeros(len(self._units), bool)  # four bytes of UTF-8 hold 21 bits
        while len(places):
            codes, below = self.characters(places)
            met[codes], seen[places] = True, True
            reached = np.zeros_like(seen)
            reached[below] = True
            places = np.flatnonzero(reached & ~seen)
        return np.flatnonzero(met[: sys.maxunicode + 1])

    def _below(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(index of the parent among `places`, place) of all children."""
        begins = _children(places, self._units[places])
        first, last = (np.searchsorted(self._parents, begins, side) for side in ("left", "right"))
        parent = np.repeat(np.arange(len(places)), last - first)
        number = np.arange(len(parent)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        return parent, self._places[first[parent] + number]


def _children(place: T, unit: T) -> T:
    """Where the children of a unit begin, or of many units."""
    begin: T = place ^ (unit >> 10) << ((unit & 1 << 9) >> 6)
    return begin
