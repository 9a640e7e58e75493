"""What a mind was taught to say: the small talk without what is held out, and texts that the command line names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chat_app.template import Message
from trainer import rows
from trainer.corpora import documents
from trainer.dialogues import exercises
from trainer.dialogues.intents import wording
from trainer.dialogues.report import Report
from trainer.dialogues.shapes import LISTS, Conversation, Malformed, messages_of
from trainer.dialogues.sources import conversations
from trainer.evaluate import measures
from trainer.sections import Dialogues, DialogueSource

# A recipe's own seed and val_fraction decide only which whole dialogues are held out; these are the defaults.
SETTINGS = Dialogues(sources={"smalltalk": DialogueSource(smalltalk=True)})

_LIKE_TALK: Final = ("days", "months", "acquaintance")  # exercises that ask what small talk asks too
_DRAWN: Final = 1000


@dataclass(frozen=True, slots=True)
class Taught:
    """Questions as wordings, and runs of words of the replies."""

    questions: frozenset[str]
    runs: set[tuple[str, ...]]


def small_talk() -> list[Conversation]:
    """Every conversation of the small talk, learned or held."""
    return list(conversations("smalltalk", SETTINGS, Report()))


def of(talk: Sequence[Conversation], texts: Sequence[Path] = ()) -> Taught:
    """What of `talk` is learned, and all of `texts`: conversations, or plain text. CorpusError: one cannot be read."""
    messages = [message for conversation in talk if not conversation.held for message in conversation.messages]
    plain: set[str] = set()
    for path in texts:
        for file in documents.files(path):
            if rows.suffix(file) == ".txt":
                plain |= {document.text for document in documents.read(file)}
            else:
                messages += _messages(file, plain)
    replies = {message.content for message in messages if message.role == "assistant"}
    questions = {message.content for message in messages if message.role == "user"} | set(_asked_in_exercises())
    return Taught(
        questions=frozenset(wording(question) for question in questions),
        runs={run for text in replies | plain for run in measures.runs(text)},
    )


def _asked_in_exercises() -> Iterator[str]:
    for kind in _LIKE_TALK:
        for exercise in exercises.make(kind, _DRAWN, 0):
            if not exercise.held:
                yield from (message.content for message in exercise.messages if message.role == "user")


def _messages(file: Path, plain: set[str]) -> list[Message]:
    """What is said in a file of rows; a row that is a text goes to `plain`, and one that is neither is left out."""
    found: list[Message] = []
    for _, row in rows.read(file, (*LISTS, "text")):
        if not isinstance(row, dict):
            continue
        try:
            found += messages_of(row)
        except Malformed:
            if isinstance(text := row.get("text"), str):
                plain.add(text)
    return found
