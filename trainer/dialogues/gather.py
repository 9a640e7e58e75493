"""The dialogues stage: conversations of every source, split, and rendered as ids with the mask of what is learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

import numpy as np
import orjson

from chat_app import template
from chat_app import tokenizer as tokenizer_module
from chat_app.pieces import Pieces
from chat_app.template import Message
from chat_app.tokenizer import Tokenizer
from trainer import fingerprint, naming
from trainer.dialogues.report import Report
from trainer.dialogues.sources import conversations
from trainer.errors import CorpusError, StageError
from trainer.files import read_json, replacing_all
from trainer.recipe import Recipe
from trainer.sections import Dialogues
from trainer.tokens import PARTS, Counts, Tokens, mapped

FOLDER: Final = "dialogues"


def gather(recipe: Recipe, texts: Sequence[str], pieces: Pieces, folder: Path) -> Report:
    """Write ids, masks and starts of both parts, source by source, and dialogues.json into FOLDER.

    No file takes its place before all of them are written.
    """
    if recipe.dialogues is None:
        raise StageError(
            f"The recipe {recipe.name} has no dialogues: its mind goes on from a text, and does not answer."
        )
    settings = with_texts(recipe.dialogues, texts, recipe.corpus.sources)
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    if not template.has_marks(tokenizer):
        marks = ", ".join(template.MARKS)
        raise CorpusError(f"The vocabulary cannot talk: put {marks} into vocabulary.marks and make it again.")
    report, place = Report(), folder / FOLDER
    paths = [path for part in PARTS for path in _paths(place, part)]
    with replacing_all(*paths, place / "dialogues.json") as files:
        parts = {"train": _Part(*files[:3]), "val": _Part(*files[3:6])}
        for name in settings.sources:
            _write(name, settings, tokenizer, recipe.model.block_size, parts, report)
        if not parts["val"].counts:
            raise CorpusError(
                f"No conversation of {', '.join(settings.sources)} is held out: raise dialogues.val_fraction (now "
                f"{settings.val_fraction:g}), or give more."
            )
        for part in parts.values():
            part.close()
        counts = {name: {n: asdict(c) for n, c in part.counts.items()} for name, part in parts.items()}
        about = {"parts": counts, fingerprint.KEY: fingerprint.of(pieces), "report": report.to_dict()}
        files[-1].write(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return report


def _write(
    name: str, settings: Dialogues, tokenizer: Tokenizer, block_size: int, parts: dict[str, _Part], report: Report
) -> None:
    """The conversations of one source. CorpusError where there are none to learn from."""
    for conversation in conversations(name, settings, report):
        messages, ids, mask = render(conversation.messages, settings.system, tokenizer, block_size)
        if messages:
            part = "val" if conversation.held else "train"
            parts[part].add(name, ids, mask, messages)
            report.keep(name, part, ids, mask)
        else:
            report.drop(name, "longer than the context", conversation.messages[0].content[:60])
    if name not in parts["train"].counts:
        raise CorpusError(f"The source {name} leaves no conversation to learn from: give more, or filter less.")


def with_texts(settings: Dialogues, texts: Sequence[str], elsewhere: Collection[str]) -> Dialogues:
    """The dialogues with the command line's `NAME=PATH` added to the sources of those names.

    A path without a name, and the names `elsewhere`, are the corpus's. CorpusError where nobody knows the name.
    """
    sources = dict(settings.sources)
    for text in texts:
        name, path = naming.of_text(text, {*sources, *elsewhere})
        if name in sources:
            sources[name] = sources[name].model_copy(update={"text": (*sources[name].text, path)})
    return settings.model_copy(update={"sources": sources})


def render(
    messages: list[Message], system: str, tokenizer: Tokenizer, block_size: int
) -> tuple[list[Message], list[int], list[int]]:
    """(messages, ids, mask) with `system` before them if they have none, without the last turns that do not fit.

    All are empty where not even the first exchange fits the context.
    """
    if system and messages[0].role != "system":
        messages = [Message("system", system), *messages]
    least = 3 if messages[0].role == "system" else 2
    while len(messages) >= least:
        ids, mask = template.render(tokenizer, messages)
        if len(ids) <= block_size + 1:
            return messages, ids, mask
        messages = messages[:-2]
    return [], [], []


class _Part:
    """The files of one part while they are written."""

    def __init__(self, ids: IO[bytes], mask: IO[bytes], starts: IO[bytes]) -> None:
        self.counts: dict[str, Counts] = {}
        self._ids, self._mask, self._start_file = ids, mask, starts
        self._starts = [0]

    def add(self, name: str, ids: list[int], mask: list[int], messages: list[Message]) -> None:
        """One conversation more. Its counts are of what is learned: the answers."""
        self._ids.write(np.array(ids, np.uint16).tobytes())
        self._mask.write(bytes(mask))
        self._starts.append(self._starts[-1] + len(ids))
        answers = [message.content for message in messages if message.role == "assistant"]
        size = sum(len(answer.encode()) for answer in answers)
        self.counts.setdefault(name, Counts()).add(sum(mask), sum(map(len, answers)), size)

    def close(self) -> None:
        """Write the starts, known only now."""
        self._start_file.write(np.array(self._starts, np.int64).tobytes())


def load(folder: Path, part: str) -> tuple[Tokens, np.ndarray]:
    """(tokens, mask uint8 [ids]) that `gather` wrote, memory-mapped.

    StageError where they are missing, cut, or of another vocabulary.
    """
    paths = _paths(folder / FOLDER, part)
    values = read_json(folder / FOLDER / "dialogues.json", FOLDER, "parts")
    fingerprint.check(folder, values, FOLDER)
    counts = {name: Counts(**counts) for name, counts in values["parts"][part].items()}
    types = (np.uint16, np.uint8, np.int64)
    ids, mask, starts = (mapped(path, dtype, FOLDER) for path, dtype in zip(paths, types, strict=True))
    tokens = Tokens(ids, np.array(starts), counts)
    if not len(ids) == len(mask) == starts[-1] or len(starts) != tokens.total.documents + 1:
        raise StageError(f"{paths[0]} does not fit dialogues.json: run the dialogues stage again.")
    return tokens, mask


def _paths(folder: Path, part: str) -> list[Path]:
    return [folder / f"{part}.{kind}.bin" for kind in ("ids", "mask", "starts")]
