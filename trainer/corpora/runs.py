"""Runs of words as numbers: what two texts share is counted by them. The same in every process; knows no file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

_IN_A_WORD: Final = np.array([chr(unit).isalnum() for unit in range(1 << 16)])  # by UTF-16 unit
_NEWLINE: Final = ord("\n")
_PART: Final = 1 << 17  # characters hashed at once: arrays of 1 MB, whatever the length of a novel
_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_STEP: Final = np.uint64(0xD6E8FEB86659FD93)


def runs(text: str, length: int, *, within_lines: bool) -> np.ndarray:
    """Every run of so many words, uint64 [runs], in order; case and what stands between words do not count."""
    words, lines = _words(text)
    count = max(0, len(words) - length + 1)
    found = np.zeros(count, np.uint64)
    for place in range(length):
        found = found * _STEP + words[place : place + count]
    found = _mixed(found)
    return found[lines[:count] == lines[length - 1 :]] if within_lines else found


def _words(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The hash of every word, uint64 [words], and the number of its line, int64 [words].

    A word's hash is its polynomial in _BASE modulo 2^64 (Rabin and Karp), as a difference of running sums.
    """
    hashes, lines, line = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], 0
    for part in _parts(text.lower()):
        units = np.frombuffer(part.encode("utf-16-le"), np.uint16)
        edges = np.flatnonzero(np.diff(_IN_A_WORD[units], prepend=False, append=False))
        first, end = edges[::2], edges[1::2]
        sums = np.zeros(len(units) + 1, np.uint64)
        np.cumsum(units * _powers(_BASE, len(units)), out=sums[1:])
        hashes.append(_mixed((sums[end] - sums[first]) * _powers(_INVERSE, len(units))[first]))
        ends_of_lines = np.flatnonzero(units == _NEWLINE)
        lines.append(line + np.searchsorted(ends_of_lines, first))
        line += len(ends_of_lines)
    return np.concatenate(hashes), np.concatenate(lines)


def _parts(text: str) -> Iterator[str]:
    """The text in parts of bounded length, cut before a space or a line end where there is one."""
    start = 0
    while start < len(text):
        limit = start + _PART
        end = max(text.rfind(" ", start + 1, limit), text.rfind("\n", start + 1, limit)) if limit < len(text) else -1
        end = end if end > 0 else limit
        yield text[start:end]
        start = end


def _powers(base: int, count: int) -> np.ndarray:
    """`base` to the powers 0, 1, 2…, modulo 2^64."""
    if count > len(_TABLES[base]):
        factors = np.full(count, base, np.uint64)
        factors[:1] = 1
        _TABLES[base] = np.cumprod(factors)
    return _TABLES[base][:count]


_TABLES: Final = {_BASE: np.zeros(0, np.uint64), _INVERSE: np.zeros(0, np.uint64)}


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """The finaliser of MurmurHash3: every bit of a number decides about every bit of its hash."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        numbers = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(factor)
    return np.asarray(numbers ^ (numbers >> np.uint64(33)))
