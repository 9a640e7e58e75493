"""Rated answers, one a row: what was said before, the answer, and whether it is good. Knows files, no mind.

The shape is trl's unpaired one: `{"prompt", "completion", "label"}`, the prompt a text or a list of messages.
`"ended": false` marks an answer that was cut off: its end is then not learned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from chat_app.template import Message
from trainer import rows
from trainer.corpora.documents import files
from trainer.dialogues.shapes import Malformed, messages_of
from trainer.errors import CorpusError
from trainer.files import replacing

FILE: Final = Path("pairs") / "rated.jsonl"
_COLUMNS: Final = ("prompt", "completion", "label", "ended")


@dataclass(frozen=True, slots=True)
class Rated:
    """One answer. `prompt` ends with what a person says."""

    prompt: list[Message]
    completion: str
    label: bool
    ended: bool = True

    def to_row(self) -> dict[str, Any]:
        """As it stands in a file."""
        prompt = [{"role": message.role, "content": message.content} for message in self.prompt]
        return asdict(self) | {"prompt": prompt}


def write(path: Path, rated: Iterable[Rated]) -> None:
    """In place of `path`."""
    with replacing(path) as file:
        for each in rated:
            file.write(orjson.dumps(each.to_row()) + b"\n")


def digest(rated: Iterable[Rated]) -> str:
    """What tells one set of answers from another."""
    found = hashlib.sha256()
    for each in rated:
        found.update(orjson.dumps(each.to_row()))
    return found.hexdigest()


def read(path: Path) -> list[Rated]:
    """The rows of a file or a folder. CorpusError names the first one that cannot be learned from."""
    if not path.exists():
        raise CorpusError(f"There are no rated answers at {path}: run the pairs stage first, or name their file.")
    found = [_rated(where, row) for file in files(path) for where, row in rows.read(file, _COLUMNS)]
    if not found:
        raise CorpusError(f"{path} holds no rated answers: run the pairs stage, or rate answers in a talk.")
    if len({each.label for each in found}) == 1:
        kind, other = ("good", "bad") if found[0].label else ("bad", "good")
        raise CorpusError(
            f"All {len(found):,} answers in {path} are rated {kind}: KTO weighs good ones against bad ones, so give "
            f"some {other} ones, too."
        )
    return found


def _rated(where: str, row: Any) -> Rated:
    if not isinstance(row, dict) or type(row.get("label")) is not bool:
        raise CorpusError(f'{where} has no label: write "label": true for a good answer, false for a bad one.')
    completion = row.get("completion")
    if isinstance(completion, list) and len(completion) == 1 and isinstance(completion[0], dict):
        completion = completion[0].get("content")
    if not isinstance(completion, str) or not completion.strip():
        raise CorpusError(f"{where} has an empty completion: an answer to rate must say something. Remove the row.")
    prompt = row.get("prompt")
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    try:
        messages = messages_of({"messages": [*(turns or []), {"role": "assistant", "content": completion}]})
    except (Malformed, TypeError) as error:
        raise CorpusError(f"{where} has a prompt that cannot be answered: {error}. Mend or remove the row.") from error
    return Rated(messages[:-1], messages[-1].content, row["label"], row.get("ended") is not False)
