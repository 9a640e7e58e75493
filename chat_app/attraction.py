"""Where a mind is drawn after a prompt: many continuations, and the groups into which they fall.

Knows the runtime and texts; knows nothing of conversations or of how groups are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from chat_app import clusters
from chat_app.engine import Cancel, Engine, Finish, Stats
from chat_app.mind import Mind
from chat_app.sampler import LARGEST_SEED, Sampling
from chat_app.tokenizer import Detokenizer
from chat_app.trace import Trace

COUNT: Final = 24
MOST: Final = 500  # grouping takes a time that grows with the cube of it
_WORDS: Final = 48  # tokens of a continuation: two or three lines
_LETTERS: Final = 120  # the same of a mind that writes by letters
_ENDING: Final = 0.5  # of a text: where it has come to, not how it set out
_UNIT: Final = re.compile(r"\W*\w+|\W+$")  # a word with what stands before it


@dataclass(frozen=True, slots=True)
class Continuation:
    """One way that the mind went. `log_probability` is in nats, of all its ids, by the mind's own distribution."""

    text: str
    ids: tuple[int, ...]
    log_probability: float
    finish: Finish


@dataclass(frozen=True, slots=True)
class Group:
    """Continuations that set out alike ("beginning") or have come to the like ("ending"), by their places.

    `label` is the beginning that all have in common, or the most central of the endings.
    """

    kind: Literal["beginning", "ending"]
    label: str
    share: float
    members: tuple[int, ...]


def continuations(
    mind: Mind, engine: Engine, ids: Sequence[int], sampling: Sampling, *, count: int = COUNT, remember: int = 0,
    cancel: Cancel | None = None,
) -> Iterator[Continuation]:  # fmt: skip
    """Go on from `ids` `count` times with these settings, each time with other dice; one cut by `cancel` is no way."""
    cancel = cancel or Cancel()
    manners, tokens = mind.manners, _LETTERS if mind.tokenizer.pieces.kind == "char" else _WORDS
    sampling = replace(sampling, max_tokens=min(tokens, sampling.max_tokens))
    for number in range(count):
        if sampling.seed is not None and number:
            sampling = replace(sampling, seed=(sampling.seed + 1) % (LARGEST_SEED + 1))
        stats, trace, detokenizer = Stats(), Trace(top=0), Detokenizer(mind.tokenizer, inside=not mind.can_chat)
        written = engine.generate(
            ids, sampling, stop_ids=manners.stop_ids, never=mind.never, slide=not mind.can_chat, remember=remember,
            stats=stats, trace=trace, cancel=cancel,
        )  # fmt: skip
        text = "".join(map(detokenizer.feed, written))
        if stats.finish == "cancelled":
            return
        log_probability = sum(step.log_probability for step in trace.steps)
        yield Continuation(text, tuple(step.token for step in trace.steps), log_probability, stats.finish)


def groups(texts: Sequence[str]) -> list[Group]:
    """The groups of at least two, by their beginnings, then by their endings; the largest of each kind first."""
    return [*_by_beginning(texts), *_by_ending(texts)]


def _by_beginning(texts: Sequence[str]) -> list[Group]:
    """Grouped by the first word in which not all agree."""
    words = [_UNIT.findall(text) for text in texts]
    parting = len(_shared(words)) + 1
    ways: dict[tuple[str, ...], list[int]] = {}
    for place, way in enumerate(words):
        ways.setdefault(tuple(way[:parting]), []).append(place)
    found = []
    for members in ways.values():
        if len(members) > 1:
            label = "".join(_shared([words[i] for i in members])).strip()
            found.append(Group("beginning", label, len(members) / len(texts), tuple(members)))
    return sorted(found, key=lambda group: -len(group.members))


def _shared(ways: Sequence[Sequence[str]]) -> list[str]:
    """The words with which all begin."""
    shared = []
    for words in zip(*ways):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return shared


def _by_ending(texts: Sequence[str]) -> list[Group]:
    endings = [_ending(text) for text in texts]
    cosines = clusters.similarity(endings)
    return [
        Group("ending", endings[clusters.central(group, cosines)], len(group) / len(texts), tuple(group.tolist()))
        for group in clusters.find(cosines)
        if len(group) > 1
    ]


def _ending(text: str) -> str:
    """The second half, from a whole word on."""
    middle = int(len(text) * _ENDING)
    return (text[middle:] if not middle else text[middle:].partition(" ")[2] or text[middle:]).strip()
