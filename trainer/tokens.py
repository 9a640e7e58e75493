"""The tokens stage: documents to one long row of ids, kept as uint16 in a memory-mapped file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import orjson
import sentencepiece

from chat_app import tokenizer as tokenizer_module
from chat_app.pieces import SPACE, Pieces
from chat_app.tokenizer import Tokenizer
from trainer import fingerprint
from trainer.errors import StageError
from trainer.files import read_json, replacing_all
from trainer.processes import batched, in_order
from trainer.progress import bar

PARTS: Final = ("train", "val")
_BATCH: Final = 1 << 20  # bytes of rows
SEPARATOR = "\n\n"  # between documents where the vocabulary has no <s>


@dataclass(slots=True)
class Counts:
    """Of one source; bytes are of UTF-8. Their ratios turn nats a token into bits a byte."""

    documents: int = 0
    tokens: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, tokens: int, characters: int, size: int) -> None:
        """Count one more document."""
        self.documents += 1
        self.tokens += tokens
        self.characters += characters
        self.bytes += size


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
        return Counts(**{key: sum(row[key] for row in rows) for key in Counts.__slots__})

    @property
    def digest(self) -> str:
        """By which a run knows its texts again: where each document begins, and whose it is, tells any two apart."""
        return fingerprint.of_documents(self.starts.tobytes(), orjson.dumps(self.counts))


def part_of(folder: Path, part: str) -> Path:
    """The file of one part of the corpus. StageError where the corpus stage has not run."""
    path = folder / f"{part}.jsonl"
    if not path.exists():
        raise StageError(f"There is no {path}: run the corpus stage first.")
    return path


def rows(folder: Path, part: str) -> Iterator[dict[str, Any]]:
    """The documents of one part of the corpus, as the corpus stage wrote them."""
    with part_of(folder, part).open("rb") as file:
        yield from map(orjson.loads, file)


def make(pieces: Pieces, folder: Path, processes: int = 1) -> dict[str, dict[str, Counts]]:
    """Write the ids and the documents' starts of both parts, and tokens.json; return part -> source -> counts.

    No file takes its place before all of them are written.
    """
    encode = Encode(pieces, folder)
    sizes = [part_of(folder, part).stat().st_size for part in PARTS]
    paths = [path for part in PARTS for path in _paths(folder, part)]
    with bar("tokens", sum(sizes), of_bytes=True) as advance, replacing_all(*paths, folder / "tokens.json") as files:
        counts = {
            part: _write(encode, part_of(folder, part), ids, starts, processes, advance)
            for part, ids, starts in zip(PARTS, files[:-1:2], files[1::2], strict=True)
        }
        files[-1].write(orjson.dumps({**counts, fingerprint.KEY: fingerprint.of(pieces)}))
    return counts


def _paths(folder: Path, part: str) -> tuple[Path, Path]:
    """Where the ids of a part stand, and where its documents begin."""
    return folder / f"{part}.bin", folder / f"{part}.starts.bin"


def _write(
    encode: Encode, documents: Path, ids: IO[bytes], start_file: IO[bytes], processes: int,
    advance: Callable[[int], None],
) -> dict[str, Counts]:  # fmt: skip
    counts: dict[str, Counts] = {}
    starts = [0]
    with documents.open("rb") as file:
        for batch in in_order(encode, batched(file, _BATCH, len), processes):
            for each in batch:
                ids.write(each.ids)
                starts.append(starts[-1] + len(each.ids) // 2)
                counts.setdefault(each.source, Counts()).add(starts[-1] - starts[-2], each.characters, each.bytes)
            advance(sum(each.row for each in batch))
    start_file.write(np.array(starts, np.int64).tobytes())
    return counts


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document's ids (uint16 as bytes), and the lengths of its text and its row."""

    source: str
    ids: bytes
    characters: int
    bytes: int
    row: int


class Encode:
    """The work of one process: rows of the corpus to ids.

    The SentencePiece library encodes where it made the vocabulary: where spm.model has the same pieces. The runtime's
    own tokenizer equals it, as the tests show, but is slower.
    """

    def __init__(self, pieces: Pieces, folder: Path) -> None:
        self._pieces = pieces
        path = folder / "spm.model"
        model = path.read_bytes() if path.exists() and pieces.kind != "char" else b""
        self._model = model if model and _pieces_of(model) == pieces.pieces else b""

    def __call__(self, rows: list[bytes]) -> list[Encoded]:
        return [self._encoded(row) for row in rows]

    def _encoded(self, line: bytes) -> Encoded:
        row = orjson.loads(line)
        text = row["text"]
        ids = self.ids(text if self._before else text + SEPARATOR)
        data = np.concatenate([np.array(self._before, np.uint16), ids]).tobytes()
        return Encoded(row["source"], data, len(text), len(text.encode()), len(line))

    def ids(self, text: str) -> np.ndarray:
        """The ids of a text, uint16 [tokens]."""
        if not self._model:
            return np.array(self._tokenizer.encode(text), np.uint16)
        if not self._by_line:
            return np.asarray(self._spm.encode(text, out_type="numpy"), np.uint16)
        # Twice as fast as the text at once. Only the text has a space before it, so a later line is encoded after
        # its line end, and the space before that is taken off.
        start = len(text) - len(text.lstrip("\n"))
        first, *rest = text[start:].split("\n")
        lines = [text[:start] + first, *("\n" + line for line in rest)]
        ids, *others = self._spm.encode(lines, out_type="numpy")
        return np.concatenate([ids, *(each[1:] for each in others)]).astype(np.uint16)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer_module.from_dict(self._pieces.to_dict())

    @cached_property
    def _before(self) -> list[int]:
        return [] if self._tokenizer.bos_id is None else [self._tokenizer.bos_id]

    @cached_property
    def _spm(self) -> Any:
        return sentencepiece.SentencePieceProcessor(model_proto=self._model)

    @cached_property
    def _by_line(self) -> bool:
        """Whether a line end is always the same two ids, that of a space before it and its own."""
        ids = [self._spm.piece_to_id(SPACE), self._spm.piece_to_id("<0x0A>")]
        return not any("\n" in piece for piece in self._pieces.pieces) and bool(self._spm.encode("\n") == ids)


def _pieces_of(model: bytes) -> tuple[str, ...]:
    spm = sentencepiece.SentencePieceProcessor(model_proto=model)
    return tuple(spm.id_to_piece(list(range(spm.get_piece_size()))))


def load(folder: Path, part: str) -> Tokens:
    """What `make` wrote of a part, memory-mapped. StageError where it is missing, cut, or of another vocabulary."""
    path, starts = _paths(folder, part)
    values = read_json(folder / "tokens.json", "tokens", part)
    fingerprint.check(folder, values, "tokens")
    counts = {name: Counts(**counts) for name, counts in values[part].items()}
    tokens = Tokens(mapped(path, np.uint16, "tokens"), np.array(mapped(starts, np.int64, "tokens")), counts)
    if len(tokens.ids) != tokens.total.tokens or len(tokens.starts) != tokens.total.documents + 1:
        raise StageError(
            f"{path} holds {len(tokens.ids)} ids, but tokens.json says {tokens.total.tokens}: "
            "run the tokens stage again."
        )
    return tokens


def mapped(path: Path, dtype: type[np.generic], stage: str) -> np.ndarray:
    """The numbers that a stage left in a file, memory-mapped. StageError where it is missing, or cut within one."""
    size = path.stat().st_size if path.exists() else 0
    if not size or size % np.dtype(dtype).itemsize:
        raise StageError(f"{path} is missing or cut: run the {stage} stage again.")
    return np.memmap(path, dtype, "r")
