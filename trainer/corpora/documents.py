"""Documents, and the files they are read from: plain text and JSONL, packed or not, alone or in folders."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from trainer.errors import CorpusError

SUFFIXES = (".txt", ".jsonl")
PACKED = {".bz2": bz2.open, ".gz": gzip.open}


@dataclass(frozen=True, slots=True)
class Document:
    """One work. `source` is the file or the address it was read from."""

    text: str
    source: str = ""
    author: str = ""
    title: str = ""
    year: int | None = None


def read(path: Path) -> Iterator[Document]:
    """Documents of a .txt or .jsonl file, plain or packed (.bz2, .gz), or of every such file of a folder."""
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if _suffix(f) in SUFFIXES)
        if not files:
            raise CorpusError(f"The folder {path} holds no .txt or .jsonl file, plain or packed.")
        for file in files:
            yield from read(file)
        return
    if _suffix(path) not in SUFFIXES:
        raise CorpusError(f"{path} is neither .txt nor .jsonl (plain, .bz2 or .gz).")
    try:
        with _open(path) as file:
            if _suffix(path) == ".jsonl":
                for number, line in enumerate(file, 1):
                    yield _from_json(path, number, line)
            else:
                yield Document(text=file.read().decode("utf-8-sig"), source=path.name)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorpusError(f"The text {path} cannot be read: {error}.") from error


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix


def _open(path: Path) -> IO[bytes]:
    opened = PACKED[path.suffix](path, "rb") if path.suffix in PACKED else path.open("rb")
    assert isinstance(opened, io.IOBase)
    return opened  # type: ignore[return-value]


def _from_json(path: Path, number: int, line: bytes) -> Document:
    try:
        row = orjson.loads(line)
        return Document(
            text=_speech(row["turns"]) if "turns" in row else str(row["text"]), source=path.name,
            author=row.get("author") or "", title=row.get("title") or "", year=row.get("year"),
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f'Line {number} of {path} is neither {{"text": ...}} nor {{"turns": [...]}}: {error}.'
        ) from error


def _speech(turns: list[str]) -> str:
    """A dialogue as Russian prose prints it: a line a turn, each after a dash."""
    return "\n".join(f"— {turn.strip()}" for turn in turns)
