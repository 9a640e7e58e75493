"""The stage: a mind through the exam -> tables, JSON and a page. Knows files."""

from __future__ import annotations

from pathlib import Path

import orjson

from chat_app.engine import Engine
from chat_app.errors import BoxError
from chat_app.mind import Mind, open_mind
from trainer.errors import StageError
from trainer.evaluate import page
from trainer.evaluate.card import Card
from trainer.files import replacing


def opened(path: Path, mode: str = "") -> tuple[Mind, Engine]:
    """The mind at `path`, ready to answer, with one of its voices if that is named.

    StageError where there is none, or one that does not answer.
    """
    try:
        mind = open_mind(path)
        engine = Engine.with_mind(mind)
        if mode in mind.variants:
            engine = engine.variant(mind, mode)
    except BoxError as error:
        raise StageError(f"{error.sentence('en')} `trainer export` makes one of a grown recipe.") from error
    if not mind.can_chat:
        raise StageError(
            f"{path} goes on from a text and does not answer: a report card is for minds fine-tuned to talk."
        )
    if mode and mode not in mind.variants:
        raise StageError(f"{path} has no voice called {mode}. Known: {', '.join(mind.variants) or 'none'}.")
    return mind, engine


def write_json(mind: Mind, card: Card, path: Path, *, quick: bool) -> None:
    """The figures, as a mind's card holds them, and all that was said."""
    talk = [
        {
            "group": asked.probe.group, "said": asked.probe.lines, "answered": asked.texts,
            "wanted": asked.probe.wanted, "right": asked.right, "ended": asked.ended, "looped": asked.looped,
        }
        for asked in card.asked
    ]  # fmt: skip
    about = {"mind": mind.card.get("title", ""), "sha256": mind.sha256, "quick": quick}
    with replacing(path) as file:
        file.write(orjson.dumps({**about, "figures": card.to_dict(), "talk": talk}, option=orjson.OPT_INDENT_2))


def write_page(mind: Mind, card: Card, path: Path, *, quick: bool) -> None:
    """The same for people."""
    with replacing(path) as file:
        file.write(page.page(mind, card, quick=quick).encode())
