"""Which vocabulary ids were made with, and which texts a run learns: digests that are kept beside them and compared."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import orjson

from chat_app.pieces import Pieces
from trainer.errors import StageError
from trainer.files import read_json

KEY: Final = "vocabulary"


def of(pieces: Pieces) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of a vocabulary."""
    return _of(orjson.dumps(pieces.to_dict()))


def of_documents(starts: bytes, counts: bytes) -> str:
    """The same of a part of a corpus. Not of its ids: those of a large one take long to read."""
    return _of(starts + counts)


def _of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def check(folder: Path, about: dict[str, Any], stage: str) -> None:
    """StageError where the ids that `about` describes were made with another vocabulary than the one in `folder`.

    Ids from before there were digests pass, and so do ids that stand in a folder without a vocabulary.
    """
    path = folder / "vocabulary.json"
    if KEY in about and path.exists() and about[KEY] != of(Pieces.from_dict(read_json(path, KEY))):
        raise StageError(f"The ids of {folder} were made with another {path.name}: run the {stage} stage again.")
