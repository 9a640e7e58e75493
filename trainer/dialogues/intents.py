"""Intents: phrasings and replies that all fit each other, crossed into exchanges. Holds wordings and intents out.

Held out are a fiftieth of the intents whole, and of a third of the others one wording: what a mind says to those
shows whether it has learned to understand or only to repeat.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from chat_app.text import normalise
from trainer.dialogues.draw import fraction

_ENOUGH_PHRASINGS: Final = 4
_INTENTS_HELD_OUT: Final = 1 / 50
_WORDINGS_HELD_OUT: Final = 1 / 3


def wording(text: str) -> str:
    """What two phrasings share that differ in case and punctuation alone; one without words is its signs."""
    return " ".join(re.findall(r"\w+", text.lower().replace("ё", "е"))) or normalise(text).strip()


def cross(intents: Iterable[dict[str, Any]], pairs: int, apart: Collection[str]) -> Iterator[tuple[str, str, bool]]:
    """(phrasing, reply, held out) of each exchange; an intent gives at most about `pairs`, each phrasing one at least.

    The phrasings of `user`, the commonest, are taught twice as often as those that were written `also`. Of the
    wordings `apart`, whatever intent holds them out, none is taught.
    """
    for row in intents:
        common = [phrasing for phrasing in row["user"] if wording(phrasing) not in apart] if "also" in row else []
        for phrasing, reply in _pairs([*common, *phrasings(row)], row["bot"], pairs):
            yield phrasing, reply, wording(phrasing) in apart


def phrasings(row: dict[str, Any]) -> list[str]:
    """How an intent is put: `user`, of which wordings are held out, and what was written `also`, which never is."""
    return [*row["user"], *row.get("also", ())]


def forbidden(intents: Iterable[dict[str, Any]]) -> set[str]:
    """The wordings that these intents hold out."""
    return {wording(phrasing) for row in intents for phrasing in _held_out_phrasings(row)}


def whole(name: str) -> bool:
    """Whether the whole intent of that id is held out."""
    return fraction(name) < _INTENTS_HELD_OUT


def _held_out_phrasings(row: dict[str, Any]) -> list[str]:
    put: list[str] = row["user"]
    if whole(row["id"]):
        return put
    if len(put) < _ENOUGH_PHRASINGS or fraction(f"wording {row['id']}") >= _WORDINGS_HELD_OUT:
        return []
    return [min(put, key=lambda phrasing: fraction(f"{row['id']} {wording(phrasing)}"))]


def _pairs(put: list[str], replies: list[str], most: int) -> Iterator[tuple[str, str]]:
    """Phrasings and replies come up equally often, in distinct pairs."""
    for number in range(min(max(most, len(put)), len(put) * len(replies))):
        shift, place = divmod(number, len(put))
        yield put[place], replies[(place + shift) % len(replies)]
