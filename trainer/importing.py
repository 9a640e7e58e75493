"""The commands that make minds of models which grew elsewhere: `trainer import …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import rich
import typer
from rich.markup import escape

app = typer.Typer(no_args_is_help=True, help="Make minds of models that grew elsewhere.")

Ckpt = Annotated[Path, typer.Argument(metavar="CKPT.pt", help="What nanoGPT's train.py saved.")]
Vocab = Annotated[Path, typer.Option("--tokenizer", help="A SentencePiece .model, or nanoGPT's meta.pkl.")]
Beside = Annotated[Path | None, typer.Option("--to", help="Where the mind goes; beside CKPT.pt by default.")]
Title = Annotated[str | None, typer.Option(help="The mind's name; that of the checkpoint by default.")]
About = Annotated[str | None, typer.Option(help="For the mind's card.")]
Tongue = Annotated[Literal["ru", "en"] | None, typer.Option(help="The interface's; that of most pieces by default.")]
Golden = Annotated[list[str], typer.Option("--prompt", help="What a golden answer follows; may be given again.")]


@app.command()
def nanogpt(
    checkpoint: Ckpt, tokenizer: Vocab, to: Beside = None, title: Title = None, author: About = None,
    licence: About = None, training_data: About = None, language: Tongue = None, prompt: Golden = [],  # noqa: B006
) -> None:  # fmt: skip
    """A checkpoint of nanoGPT, or of GPT-2 in its words, and its tokenizer."""
    from trainer.nanogpt import import_checkpoint

    path = to or checkpoint.with_suffix(".mind")
    about = {"title": title, "author": author, "licence": licence, "training_data": training_data}
    card = {key: text for key, text in about.items() if text}
    made = import_checkpoint(checkpoint, tokenizer, path, card=card, language=language, prompts=prompt)
    rich.print(f"import: {escape(str(path))}, {made.parameters / 1e6:.2f} M parameters, sha256 {made.sha256[:12]}…")
    if made.left_out:
        rich.print(f"import: {made.left_out:,} rows of the embedding that the tokenizer has no piece for are left out")
