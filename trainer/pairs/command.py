"""What `trainer pairs` does and shows. Knows recipes and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from chat_app import tokenizer as tokenizer_module
from chat_app.pieces import Pieces
from trainer import checkpoint, machine, pretrain, sft
from trainer.dialogues import gather
from trainer.errors import StageError
from trainer.model import Transformer
from trainer.pairs import collecting, rated, ratings
from trainer.pairs.collecting import Collected
from trainer.recipe import Recipe
from trainer.writing import Writer


def from_ratings(conversations: Path, folder: Path) -> tuple[Path, int]:
    """Write what people rated as the rated answers of a work folder; the file, and how many there are."""
    found = ratings.read(conversations)
    rated.write(folder / rated.FILE, found)
    return folder / rated.FILE, len(found)


def collect(
    recipe: Recipe, folder: Path, pieces: Pieces, device: str, start: Path | None, step: Callable[[int], None],
    texts: Sequence[str] = (),
) -> dict[str, Collected]:  # fmt: skip
    """Let the fine-tuned mind, the best of the sft stage or `start`, answer under every preset.

    `texts` are the conversations that the command line gives, as it gave them to the dialogues stage.
    """
    if recipe.pairs is None or recipe.dialogues is None:
        raise StageError(f"The recipe {recipe.name} has no pairs: it says no way to answer badly.")
    dialogues = gather.with_texts(recipe.dialogues, texts, recipe.corpus.sources)
    config = recipe.model.config(len(pieces.pieces))
    model = Transformer(config)
    weights = pretrain.weights_of(start or folder / sft.STAGE / checkpoint.BEST, config, pieces)
    model.load_state_dict(weights)
    writer = Writer(tokenizer_module.from_dict(pieces.to_dict()), chat=True, system=recipe.dialogues.system)
    return collecting.collect(
        recipe.pairs, dialogues, model.to(machine.device(device)), writer, folder,
        weights=checkpoint.digest(weights), step=step,
    )  # fmt: skip


def table(found: dict[str, Collected]) -> Table:
    """A row a preset, and one for each reason to leave answers out."""
    shown = Table("preset", "answers", "loop", "unfinished", "pairs", title="The mind's own answers")
    for name, each in found.items():
        shown.add_row(name, *(f"{count:,}" for count in (each.written, each.looped, each.unfinished, each.kept)))
        for reason, count in each.dropped.most_common():
            shown.add_row(Text(f"  {reason}"), f"-{count:,}")
    return shown


def examples(found: dict[str, Collected]) -> list[Text]:
    """A few pairs: the written answer in green, the mind's own in red."""
    return [
        Text.assemble(f"{name}: {question}\n", (written, "green"), "\n", (answer, "red"), "\n")
        for name, each in found.items()
        for question, written, answer in each.examples
    ]
