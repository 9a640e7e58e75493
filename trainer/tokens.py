"""The tokens stage: documents to one long row of ids, kept as uint16 in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import sentencepiece

from chat_app import tokenizer as tokenizer_module
from chat_app.tokenizer import Pieces
from trainer.errors import StageError
from trainer.files import replacing
from trainer.vocabulary import texts

SEPARATOR = "\n\n"  # between documents where the vocabulary has no <s>


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one part of the corpus; bytes are of UTF-8. Their ratios turn nats a token into bits a byte."""

    tokens: int
    characters: int
    bytes: int


def make(pieces: Pieces, folder: Path) -> dict[str, Counts]:
    """Write train.bin, val.bin and tokens.json into `folder`."""
    counts = {part: _write(pieces, folder, part) for part in ("train", "val")}
    with replacing(folder / "tokens.json") as file:
        file.write(orjson.dumps({part: asdict(c) for part, c in counts.items()}))
    return counts


def _write(pieces: Pieces, folder: Path, part: str) -> Counts:
    tokens = characters = size = 0
    encode = _encoder(pieces, folder)
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    before = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    with replacing(folder / f"{part}.bin") as file:
        for text in texts(folder, part):
            ids = before + encode(text if before else text + SEPARATOR)
            np.array(ids, np.uint16).tofile(file)
            tokens += len(ids)
            characters += len(text)
            size += len(text.encode())
    return Counts(tokens, characters, size)


def _encoder(pieces: Pieces, folder: Path) -> Callable[[str], list[int]]:
    """The library encodes a corpus; the runtime's own tokenizer equals it, as the tests show, but is slower."""
    if pieces.kind == "char":
        return tokenizer_module.from_dict(pieces.to_dict()).encode
    spm: Any = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    encode: Callable[[str], list[int]] = spm.encode
    return encode


def load(folder: Path, part: str) -> tuple[np.ndarray, Counts]:
    """(ids uint16 [tokens], memory-mapped; counts) of a part."""
    path, about = folder / f"{part}.bin", folder / "tokens.json"
    if not path.exists() or not about.exists():
        raise StageError(f"There is no {path}: run the tokens stage first.")
    counts = Counts(**orjson.loads(about.read_bytes())[part])
    ids: np.ndarray = np.memmap(path, np.uint16, mode="r")
    if len(ids) != counts.tokens:
        raise StageError(
            f"{path} holds {len(ids)} ids, but tokens.json says {counts.tokens}: run the tokens stage again."
        )
    return ids, counts
