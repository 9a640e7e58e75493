"""The conversations that a recipe names: from files, from the trainer's own small talk, and made by rule."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from chat_app.template import Message
from trainer import hub, rows
from trainer.corpora.documents import files
from trainer.dialogues import ellipsis, exercises, intents, rewording, trees
from trainer.dialogues.draw import fraction
from trainer.dialogues.report import Report
from trainer.dialogues.shapes import LISTS, Conversation, Malformed, messages_of
from trainer.errors import CorpusError
from trainer.sections import Dialogues, DialogueSource

SMALLTALK: Final = Path(__file__).parent / "smalltalk"


def conversations(name: str, settings: Dialogues, report: Report) -> Iterator[Conversation]:
    """Every usable conversation of the source `name`; `report` counts the others. CorpusError where it names none."""
    source = settings.sources[name]
    if not (source.text or source.hub or source.smalltalk or source.generated):
        raise CorpusError(f"The source {name} names no conversations: give a file or a folder with --text {name}=PATH.")
    chance = random.Random(f"{settings.seed} {name}")
    columns = (*LISTS, *source.at_least, *source.at_most)
    for file in itertools.chain.from_iterable(map(files, hub.paths(source.text, source.hub))):
        for where, row in rows.read(file, columns):
            if reason := _refused(row, source):
                report.drop(name, reason, where)
            else:
                yield from _read(name, where, row, settings, report)
    pieces: list[Conversation] = []
    if source.smalltalk:
        forbidden = intents.forbidden(row for _, row in smalltalk() if "user" in row)
        found = list(smalltalk(source.only))
        for where, row in found:
            if "turns" in row:
                yield from _read(name, where, row, settings, report, forbidden)
        crossed = intents.cross((row for _, row in found if "user" in row), settings.pairs_per_intent, forbidden)
        reworded = (_reworded(*pair, settings.reworded, forbidden, chance) for pair in crossed)
        pieces = ellipsis.strung(reworded, settings.elliptic, forbidden, chance)
        grown = [row for _, row in found if "then" in row]
        apart = random.Random(f"{settings.seed} {name} trees")  # the same walks, however intents are reworded
        pieces += trees.walks(grown, settings.walks_per_tree, forbidden, apart)
    for kind, count in source.generated.items():
        pieces += exercises.make(kind, count, settings.seed)
    yield from _chained(pieces, settings.chain, chance)


def smalltalk(only: Collection[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of the small talk that comes with the trainer, intents and dialogues; of the files `only`, if any.

    CorpusError where no file has such a name.
    """
    files = {file.stem: file for file in sorted(SMALLTALK.glob("*.jsonl"))}
    for name in only or files:
        if name not in files:
            raise CorpusError(f"No file of the small talk is called {name}. Known: {', '.join(files)}.")
        yield from rows.read(files[name], ())


def _refused(row: Any, source: DialogueSource) -> str:
    """Which filter of the recipe the row fails, or nothing. A row without the field fails."""
    if not isinstance(row, dict):
        return "no conversation"
    for field, least in source.at_least.items():
        if not _number(row.get(field)) >= least:
            return f"{field} below {least:g}"
    for field, most in source.at_most.items():
        if not _number(row.get(field)) <= most:
            return f"{field} above {most:g}"
    return ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _read(
    name: str, where: str, row: dict[str, Any], settings: Dialogues, report: Report,
    forbidden: Collection[str] = (),
) -> Iterator[Conversation]:  # fmt: skip
    """The conversation of a row, if it is one; held out by chance, or because a forbidden wording is said in it."""
    try:
        messages = messages_of(row)
    except Malformed as reason:
        report.drop(name, str(reason), where)
        return
    said = [intents.wording(message.content) for message in messages if message.role == "user"]
    # By what the person says first: conversations that begin alike stay on one side.
    by_chance = fraction(f"{settings.seed} {said[0]}") < settings.val_fraction
    yield Conversation(messages, by_chance or any(wording in forbidden for wording in said))


def _reworded(
    phrasing: str, reply: str, held: bool, share: float, forbidden: Collection[str], chance: random.Random
) -> Conversation:
    """The exchange; so large a share of those that are learned is asked otherwise, never in a forbidden wording."""
    if not held and chance.random() < share:
        other = rewording.reworded(phrasing, chance)
        phrasing = phrasing if intents.wording(other) in forbidden else other
    return Conversation([Message("user", phrasing), Message("assistant", reply)], held)


def _chained(pieces: list[Conversation], longest: int, chance: random.Random) -> Iterator[Conversation]:
    """The same conversations in another order, one to `longest` of them strung into one: people change the subject.

    What recalls does so at the end of the string, or before the next that does. What is held out stays single, so that
    each wording is judged by itself.
    """
    chance.shuffle(pieces)
    yield from (piece for piece in pieces if piece.held)
    learned = [piece for piece in pieces if not piece.held]
    while learned:
        chain: list[Message] = []
        asked: list[Message] = []
        for _ in range(min(chance.randint(1, longest), len(learned))):
            piece = learned.pop()
            if piece.recalls:
                chain += asked + piece.messages[:-2]
                asked = piece.messages[-2:]
            else:
                chain += piece.messages
        yield Conversation(chain + asked)
