"""Intents: phrasings and replies that all fit each other, crossed into exchanges. Holds wordings and intents out.

Held out are a fiftieth of the intents whole, and of a third of the others one wording: what a mind says to those
shows whether it has learned to understand or only to repeat.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

_ENOUGH_PHRASINGS: Final = 4
_INTENTS_HELD_OUT: Final = 1 / 50
_WORDINGS_HELD_OUT: Final = 1 / 3


def wording(text: str) -> str:
    """What two phrasings share that differ in case and punctuation alone."""
    return " ".join(re.findall(r"\w+", text.lower().replace("ё", "е")))


def cross(intents: Iterable[dict[str, Any]], pairs: int) -> Iterator[tuple[str, str, bool]]:
    """(phrasing, reply, held out) of each exchange; an intent gives at most about `pairs`, each phrasing one at least.

    A wording that any intent holds out is taught by none.
    """
    rows = list(intents)
    apart = {row["id"]: _held_out_phrasing(row) for row in rows}
    forbidden = {wording(phrasing) for phrasing in apart.values() if phrasing}
    for row in rows:
        forbidden |= {wording(phrasing) for phrasing in row["user"]} if whole(row["id"]) else set()
    for row in rows:
        for phrasing, reply in _pairs(row["user"], row["bot"], pairs):
            yield phrasing, reply, wording(phrasing) in forbidden


def whole(name: str) -> bool:
    """Whether the whole intent of that id is held out."""
    return _draw(name) < _INTENTS_HELD_OUT


def _held_out_phrasing(row: dict[str, Any]) -> str | None:
    few = len(row["user"]) < _ENOUGH_PHRASINGS
    if few or whole(row["id"]) or _draw(f"wording {row['id']}") >= _WORDINGS_HELD_OUT:
        return None
    return min(row["user"], key=lambda phrasing: _draw(f"{row['id']} {wording(phrasing)}"))


def _draw(name: str) -> float:
    """A number between 0 and 1 that the name alone decides."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / (1 << 48)


def _pairs(phrasings: list[str], replies: list[str], most: int) -> Iterator[tuple[str, str]]:
    """Distinct pairs; phrasings and replies come up equally often."""
    for number in range(min(max(most, len(phrasings)), len(phrasings) * len(replies))):
        shift, place = divmod(number, len(phrasings))
        yield phrasings[place], replies[(place + shift) % len(replies)]
