"""What people thought of answers: from the conversations that a box keeps to rated rows. Knows chat_app's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chat_app import conversation
from chat_app.errors import BoxError, NotAConversation
from trainer.errors import CorpusError
from trainer.pairs.rated import Rated


def read(folder: Path) -> list[Rated]:
    """Every answer that was called good or bad in the conversations of a folder, or in one file.

    CorpusError where one cannot be read, or where nothing was rated.
    """
    if not folder.exists():
        raise CorpusError(f"There is no {folder}. /where in the chat says where its conversations are.")
    paths = sorted(folder.rglob(f"*{conversation.SUFFIX}")) if folder.is_dir() else [folder]
    found = [each for path in paths for each in _rated(path)]
    if not found:
        raise CorpusError(
            f"Nothing is rated in the {len(paths):,} conversations of {folder}: say /good or /bad after an answer."
        )
    return found


def _rated(path: Path) -> Iterator[Rated]:
    try:
        talk = conversation.load(path, "")
    except NotAConversation:  # nothing was said in it
        return
    except BoxError as error:
        raise CorpusError(error.sentence("en")) from error
    for messages, good in talk.rated:
        *before, answer = messages
        if answer.content.strip() and before and before[-1].role == "user":
            yield Rated(before, answer.content.strip(), label=good)
