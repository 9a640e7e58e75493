"""What a mind is given to answer: the turns as ids, as many of them as it can hold. Knows no engine, no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chat_app.errors import MessageTooLong
from chat_app.mind import Mind
from chat_app.sampler import Sampling
from chat_app.template import Message, render

_FULLEST: Final = 0.6  # of the limit: dropping more than needed lets the next turns reuse the cache


@dataclass(frozen=True, slots=True)
class Prompt:
    """Ids to answer, the number of the last ones that the repetition rules look back on, and what it leaves out."""

    ids: list[int]
    remember: int
    dropped: int
    """The number of turns, the oldest, that no longer fit; of a mind that continues, 1 where any text does not."""


def limit(mind: Mind, sampling: Sampling) -> int:
    """Tokens that a prompt may take: the context without what is kept free for the answer."""
    size = mind.config.block_size
    return size - min(sampling.max_tokens, size // 4)


def of(mind: Mind, system: str, turns: Sequence[Message], dropped: int, limit: int) -> Prompt:
    """The turns within `limit` tokens; `dropped` of them have been left out before. MessageTooLong."""
    if not mind.can_chat:
        return _continued(mind, turns, limit)
    now, ids = dropped, _rendered(mind, system, turns[dropped:])
    if len(ids) > limit:
        while len(ids) > limit * _FULLEST and now + 2 < len(turns):
            now += 2  # a line and its answer
            ids = _rendered(mind, system, turns[now:])
        if len(ids) > limit:
            raise MessageTooLong(tokens=len(ids), limit=limit)
    return Prompt(ids, 0, now)


def size(mind: Mind, system: str, turns: Sequence[Message]) -> int:
    """Tokens that the turns take, as many of them as the mind holds."""
    ids = _rendered(mind, system, turns, answer=False) if mind.can_chat else _text(mind, turns)
    return min(len(ids), mind.config.block_size) if turns else 0


def _rendered(mind: Mind, system: str, turns: Sequence[Message], *, answer: bool = True) -> list[int]:
    own = [Message("system", system)] if system else []
    return render(mind.tokenizer, [*own, *turns], answer=answer)[0]


def _continued(mind: Mind, turns: Sequence[Message], limit: int) -> Prompt:
    tokenizer, ids = mind.tokenizer, _text(mind, turns)
    start = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    cut = len(start + ids) > limit
    ids = (ids[-max(1, int(limit * _FULLEST)) :] if cut else start + ids) or tokenizer.encode("\n") or [0]
    return Prompt(ids, len(ids), int(cut))


def _text(mind: Mind, turns: Sequence[Message]) -> list[int]:
    """The ids of turns that make one text."""
    ids: list[int] = []
    for turn in turns:
        new_line = bool(ids) and turn.role == "user" and bool(turn.content)
        ids += turn.ids or mind.tokenizer.encode("\n" * new_line + turn.content, inside=bool(ids))
    return ids
