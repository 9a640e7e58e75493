"""Documents, and the files they are read from: plain text, JSONL and parquet, packed or not, alone or in folders.

Reads one document at a time, however large the file; judges no text.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import orjson
import zstandard

from trainer.corpora.encoding import decode
from trainer.errors import CorpusError

PACKED: Final[dict[str, Callable[[IO[bytes]], Any]]] = {
    ".bz2": bz2.open,
    ".gz": gzip.open,
    ".zst": lambda file: io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)),
}
SUFFIXES: Final = (".txt", ".jsonl", ".parquet")
KINDS: Final = ".txt, .jsonl (plain, .bz2, .gz or .zst) or .parquet"
_PARQUET_ROWS: Final = 32  # read at once; a row may be a novel

Watch = Callable[[int], None]
"""Told how many more bytes of the file have been read."""


@dataclass(frozen=True, slots=True)
class Document:
    """One work. `source` is the file or the address it was read from."""

    text: str
    source: str = ""
    author: str = ""
    title: str = ""
    year: int | None = None


def files(path: Path) -> list[Path]:
    """The file itself, or every file of a folder that can be read, in the order of their names. CorpusError if none."""
    if not path.exists():
        raise CorpusError(f"There is no text at {path}.")
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and _suffix(file) in SUFFIXES)
        if not found:
            raise CorpusError(f"The folder {path} holds no file that is {KINDS}.")
        return found
    if _suffix(path) not in SUFFIXES:
        raise CorpusError(f"{path} is none of {KINDS}: convert it to one of them.")
    return [path]


def read(path: Path, watch: Watch = lambda done: None) -> Iterator[Document]:
    """Documents of a file, or of every file of a folder. CorpusError names the file, the line, and what to do."""
    for file in files(path):
        try:
            yield from _parquet(file, watch) if file.suffix == ".parquet" else _stream(file, watch)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise CorpusError(
                f"The text {file} cannot be read: {error}. Fetch or pack it again, or leave it out."
            ) from error


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix


def _stream(path: Path, watch: Watch) -> Iterator[Document]:
    """Documents of a .txt or .jsonl file; `watch` hears of the bytes as they lie on the disk."""
    seen = 0
    with path.open("rb") as raw, PACKED.get(path.suffix, nullcontext)(raw) as unpacked:
        for document in (_rows if _suffix(path) == ".jsonl" else _text)(path, unpacked):
            watch(raw.tell() - seen)
            seen = raw.tell()
            yield document


def _text(path: Path, file: IO[bytes]) -> Iterator[Document]:
    text = decode(file.read())
    if "\0" in text:
        raise CorpusError(f"{path} is not a text, whatever its name says: leave it out.")
    yield Document(text=text, source=path.name)


def _rows(path: Path, file: IO[bytes]) -> Iterator[Document]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _from_json(path, number, line.removeprefix(b"\xef\xbb\xbf"))


def _from_json(path: Path, number: int, line: bytes) -> Document:
    try:
        row = orjson.loads(line)
        return _document(row, _speech(row["turns"]) if "turns" in row else row["text"], path)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f'Line {number} of {path} is neither {{"text": "…"}} nor {{"turns": ["…", …]}}: {error}. '
            "Mend or remove the line."
        ) from error


def _parquet(path: Path, watch: Watch) -> Iterator[Document]:
    """Documents of a parquet file, a few rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if "text" not in names:
                raise CorpusError(
                    f"{path} has no column text, only {', '.join(names)}: rename the column that holds the text."
                )
            columns = [name for name in ("text", "author", "title", "year") if name in names]
            size, rows, done = path.stat().st_size, file.metadata.num_rows, 0
            for batch in file.iter_batches(_PARQUET_ROWS, columns=columns, use_threads=False):
                watch(size * (done + batch.num_rows) // rows - size * done // rows)
                done += batch.num_rows
                yield from (_document(row, row["text"] or "", path) for row in batch.to_pylist())
    except (pa.ArrowException, TypeError) as error:
        raise CorpusError(f"The table {path} cannot be read: {error}. Write it again, or leave it out.") from error


def _document(row: dict[str, Any], text: Any, path: Path) -> Document:
    """A row as a document; what it says beside the text may be missing. TypeError for a text that is none."""
    if not isinstance(text, str):
        raise TypeError(f"the text is of the type {type(text).__name__}")
    year = row.get("year")
    return Document(
        text=text, source=path.name, author=str(row.get("author") or ""), title=str(row.get("title") or ""),
        year=year if isinstance(year, int) else None,
    )  # fmt: skip


def _speech(turns: list[str]) -> str:
    """A dialogue as Russian prose prints it: a line a turn, each after a dash."""
    return "\n".join(f"— {turn.strip()}" for turn in turns)
