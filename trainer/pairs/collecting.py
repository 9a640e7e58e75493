"""The pairs stage: to prompts of the fine-tuning, the written answer beside what the mind says itself. Knows files.

The mind's answers are appended batch by batch, one file a preset; what is there already is not asked again.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from chat_app.template import Message
from trainer import generation
from trainer.dialogues.report import Report
from trainer.dialogues.sources import conversations
from trainer.errors import CorpusError, StageError
from trainer.evaluate import measures
from trainer.files import replacing
from trainer.model import Transformer
from trainer.pairs import rated
from trainer.pairs.batches import row_of
from trainer.pairs.goodness import Known
from trainer.pairs.rated import Rated
from trainer.sections import Dialogues, Pairs, Preset
from trainer.writing import Writer

FOLDER: Final = "pairs"
_EXAMPLES: Final = 3  # of each preset


@dataclass(frozen=True, slots=True)
class Asked:
    """What the mind is asked, and what people wrote as the answer."""

    prompt: list[Message]
    chosen: str


@dataclass(slots=True)
class Collected:
    """Of one preset: answers written, why some were too good to be avoided, and a few pairs to look at."""

    written: int = 0
    looped: int = 0
    unfinished: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def kept(self) -> int:
        """Pairs."""
        return self.written - self.dropped.total()


def prompts(
    settings: Dialogues, preset: str, count: int, seed: int, fits: Callable[[Asked], bool] = lambda asked: True
) -> list[Asked]:
    """So many answers of the conversations that are learned, with what stands before each; no conversation twice.

    Sources come up as they do in fine-tuning; every preset throws its own dice. Those that do not fit are passed over.
    CorpusError where there are fewer.
    """
    chance = random.Random(f"{seed} {preset}")
    shares = {name: source.weight for name, source in settings.sources.items()}
    found: list[Asked] = []
    for number, name in enumerate(shares):
        wanted = round(count * sum(list(shares.values())[: number + 1]) / sum(shares.values())) - len(found)
        learned = [each.messages for each in conversations(name, settings, Report()) if not each.held]
        chance.shuffle(learned)
        fitting = filter(fits, (_asked(messages, chance) for messages in learned))
        some = list(itertools.islice(fitting, wanted))
        if len(some) < wanted:
            raise CorpusError(
                f"The source {name} has {len(some):,} conversations to learn from that the context holds, and "
                f"{wanted:,} are asked for: lower pairs.presets.{preset}.count, or give more."
            )
        found += some
    chance.shuffle(found)
    return found


def _asked(messages: Sequence[Message], chance: random.Random) -> Asked:
    """One answer of a conversation."""
    place = chance.choice([place for place, message in enumerate(messages) if message.role == "assistant"])
    return Asked(list(messages[:place]), messages[place].content)


def collect(
    settings: Pairs, dialogues: Dialogues, model: Transformer, writer: Writer, folder: Path, *, weights: str,
    step: Callable[[int], None] = lambda done: None,
) -> dict[str, Collected]:  # fmt: skip
    """Write FOLDER/pairs/PRESET.jsonl of every preset, and from them FOLDER/pairs/rated.jsonl; the counts.

    `weights` name the mind: answers of another one are not gone on with. `step` is told how many answers there are
    more. StageError where they are another mind's.
    """
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, Collected] = {}
    kept: list[Rated] = []
    known = Known.of_small_talk()

    def fits(asked: Asked) -> bool:
        """KTO learns no others."""
        return row_of(Rated(asked.prompt, asked.chosen, label=True), writer).fits(model.config.block_size)

    for name, preset in settings.presets.items():
        asked = prompts(dialogues, name, preset.count, settings.seed, fits)
        rows = _answers(asked, preset, settings, model, writer, place / f"{name}.jsonl", weights, step)
        found[name] = _judge(asked, rows, known, kept)
    rated.write(folder / rated.FILE, kept)
    return found


def _answers(
    asked: Sequence[Asked], preset: Preset, settings: Pairs, model: Transformer, writer: Writer, path: Path,
    weights: str, step: Callable[[int], None],
) -> list[dict[str, Any]]:  # fmt: skip
    """A row of {"answer", "ids", "ended"} to each prompt."""
    about = {"weights": weights, "preset": preset.model_dump(), "seed": settings.seed}
    rows = _written(path, about)
    step(len(rows))
    with path.open("ab") as file:
        while len(rows) < len(asked):
            some = asked[len(rows) : len(rows) + settings.batch_size]
            answers = generation.write(
                model, [writer.talk_ids(each.prompt) for each in some], preset.sampling(),
                stop_ids=writer.stop_ids, never=writer.never, seed=settings.seed + len(rows),
            )  # fmt: skip
            new = [
                {"answer": writer.tokenizer.decode(answer.ids).strip(), "ids": answer.ids, "ended": answer.ended}
                for answer in answers
            ]
            file.write(b"".join(orjson.dumps(row) + b"\n" for row in new))
            file.flush()
            rows += new
            step(len(new))
    return rows


def _written(path: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that an earlier run wrote whole; a new file begins with what it is `about`."""
    if not path.exists():
        path.write_bytes(orjson.dumps(about) + b"\n")
        return []
    data = path.read_bytes()
    try:
        first, *lines = data[: data.rfind(b"\n") + 1].splitlines() or [b""]
        same = orjson.loads(first) == orjson.loads(orjson.dumps(about))
        rows = [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError as error:
        raise StageError(f"{path} is damaged: {error}. Remove it, and its answers are collected anew.") from error
    if not same:
        raise StageError(
            f"{path} holds answers of another mind, or of another preset: remove it to collect them anew, or go on "
            "with the mind that began it."
        )
    if not data.endswith(b"\n"):  # killed within a line
        with replacing(path) as file:
            file.write(data[: data.rfind(b"\n") + 1])
    return rows


def _judge(asked: Sequence[Asked], rows: Sequence[dict[str, Any]], known: Known, kept: list[Rated]) -> Collected:
    """Count one preset's answers, and add the pairs to what is kept: both sides, or neither."""
    found = Collected()
    for each, row in zip(asked, rows):
        question, answer = each.prompt[-1].content, row["answer"]
        found.written += 1
        found.unfinished += not row["ended"]
        found.looped += measures.loops(row["ids"], answer)
        reason = (
            "nothing said"
            if not answer
            else known.praise(question, each.chosen, answer, ids=row["ids"], ended=row["ended"])
        )
        if reason:
            found.dropped[reason] += 1
            continue
        if len(found.examples) < _EXAMPLES:
            found.examples.append((question, each.chosen, answer))
        kept.append(Rated(each.prompt, each.chosen, label=True))
        kept.append(Rated(each.prompt, answer, label=False, ended=row["ended"]))
    return found
