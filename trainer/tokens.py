"""The tokens stage: documents to one long row of ids, kept as uint16 in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

SEPARATOR = "\n\n"  # between documents where the vocabulary has no <s>


@dataclass(slots=True)
class Counts:
    """Of one source; bytes are of UTF-8. Their ratios turn nats a token into bits a byte."""

    documents: int = 0
    tokens: int = 0
    characters: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tokens:
    """One part of the corpus: its ids, uint16 [tokens], and where each document begins, int64 [documents + 1].

    Sources stand one after another, in the order of `counts`.
    """

    ids: np.ndarray
    starts: np.ndarray
    counts: dict[str, Counts]

    @property
    def total(self) -> Counts:
        """The counts of all sources together."""
        rows = [asdict(counts) for counts in self.counts.values()]
        return Counts(**{key: sum(row[key] for row in rows) for key in rows[0]})


def rows(folder: Path, part: str) -> Iterator[dict[str, Any]]:
    """The documents of one part of the corpus, as the corpus stage wrote them."""
    path = folder / f"{part}.jsonl"
    if not path.exists():
        raise StageError(f"There is no {path}: run the corpus stage first.")
    with path.open("rb") as file:
        yield from map(orjson.loads, file)


def make(pieces: Pieces, folder: Path) -> dict[str, dict[str, Counts]]:
    """Write the ids and the documents' starts of both parts, and tokens.json; return part -> source -> counts."""
    counts = {part: _write(pieces, folder, part) for part in ("train", "val")}
    with replacing(folder / "tokens.json") as file:
        file.write(orjson.dumps(counts))
    return counts


def _write(pieces: Pieces, folder: Path, part: str) -> dict[str, Counts]:
    counts: dict[str, Counts] = {}
    starts = [0]
    encode = _encoder(pieces, folder)
    tokenizer = tokenizer_module.from_dict(pieces.to_dict())
    before = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    with replacing(folder / f"{part}.bin") as file:
        for row in rows(folder, part):
            text = row["text"]
            ids = before + encode(text if before else text + SEPARATOR)
            np.array(ids, np.uint16).tofile(file)
            starts.append(starts[-1] + len(ids))
            count = counts.setdefault(row["source"], Counts())
            count.documents += 1
            count.tokens += len(ids)
            count.characters += len(text)
            count.bytes += len(text.encode())
    with replacing(folder / f"{part}.starts.bin") as file:
        np.array(starts, np.int64).tofile(file)
    return counts


def _encoder(pieces: Pieces, folder: Path) -> Callable[[str], list[int]]:
    """The library encodes a corpus; the runtime's own tokenizer equals it, as the tests show, but is slower."""
    if pieces.kind == "char":
        return tokenizer_module.from_dict(pieces.to_dict()).encode
    spm: Any = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    encode: Callable[[str], list[int]] = spm.encode
    return encode


def load(folder: Path, part: str) -> Tokens:
    """What `make` wrote of a part, memory-mapped. StageError where it is missing or cut."""
    path, about = folder / f"{part}.bin", folder / "tokens.json"
    starts = folder / f"{part}.starts.bin"
    if not (path.exists() and starts.exists() and about.exists()):
        raise StageError(f"There is no {path}: run the tokens stage first.")
    counts = {name: Counts(**values) for name, values in orjson.loads(about.read_bytes())[part].items()}
    tokens = Tokens(np.memmap(path, np.uint16, mode="r"), np.fromfile(starts, np.int64), counts)
    if len(tokens.ids) != tokens.total.tokens or len(tokens.starts) != tokens.total.documents + 1:
        raise StageError(
            f"{path} holds {len(tokens.ids)} ids, but tokens.json says {tokens.total.tokens}: "
            "run the tokens stage again."
        )
    return tokens
