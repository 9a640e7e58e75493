"""Documents, and the files they are read from: plain text and rows, packed or not, alone or in folders.

Reads one document at a time, however large the file, and a large text as several; judges no text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trainer import rows
from trainer.corpora.encoding import SAMPLE, detect
from trainer.dialogues.shapes import LISTS, spoken
from trainer.errors import CorpusError
from trainer.rows import Watch

SUFFIXES: Final = (".txt", ".jsonl", ".parquet")
KINDS: Final = ".txt, .jsonl (plain, .bz2, .gz or .zst) or .parquet"
_LARGE: Final = 1 << 20  # characters: all that is done to a document takes some twenty bytes of each
_BLANK_LINE: Final = re.compile(r"\n\s*\n")
_COLUMNS: Final = ("text", *LISTS, "author", "title", "year")


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
        found = sorted(file for file in path.rglob("*") if file.is_file() and rows.suffix(file) in SUFFIXES)
        if not found:
            raise CorpusError(f"The folder {path} holds no file that is {KINDS}.")
        return found
    if rows.suffix(path) not in SUFFIXES:
        raise CorpusError(f"{path} is none of {KINDS}: convert it to one of them.")
    return [path]


def read(path: Path, watch: Watch = lambda done: None) -> Iterator[Document]:
    """Documents of a file, or of every file of a folder. CorpusError names the file, the line, and what to do."""
    for file in files(path):
        if rows.suffix(file) == ".txt":
            yield from _texts(file, watch)
        else:
            for where, row in rows.read(file, _COLUMNS, watch):
                yield _document(where, row, file)


def _texts(path: Path, watch: Watch) -> Iterator[Document]:
    """A text as one document, or, where it is longer than twice `_LARGE`, as several of once to twice that length."""
    for text in _parts(path, watch):
        if "\0" in text:
            raise CorpusError(f"{path} is not a text, whatever its name says: leave it out.")
        yield Document(text=text, source=path.name)


def _parts(path: Path, watch: Watch) -> Iterator[str]:
    with rows.unpacked(path) as (raw, content):
        data, seen = content.read(SAMPLE), 0
        decoder = codecs.getincrementaldecoder(detect(data))("replace")
        text = decoder.decode(data).removeprefix("\ufeff")
        while data := content.read(SAMPLE):
            text += decoder.decode(data)
            if len(text) >= 2 * _LARGE:
                cut = _place_to_cut(text)
                yield text[:cut]
                text = text[cut:]
                watch(raw.tell() - seen)
                seen = raw.tell()
        watch(raw.tell() - seen)
        yield text + decoder.decode(b"", final=True)


def _place_to_cut(text: str) -> int:
    """After the first blank line from `_LARGE` on, or at least after a line, or after a word."""
    blank = _BLANK_LINE.search(text, _LARGE)
    return blank.end() if blank else text.find("\n", _LARGE) + 1 or text.find(" ", _LARGE) + 1 or len(text)


def _document(where: str, row: Any, path: Path) -> Document:
    """A row as a document: a text, or a conversation as prose prints it; author, title and year may be missing."""
    turns = spoken(row) if isinstance(row, dict) else None
    text = "\n".join(f"— {turn.strip()}" for turn in turns) if turns else _text_of(row)
    if text is None:
        raise CorpusError(f'{where} is neither {{"text": "…"}} nor {{"turns": ["…", …]}}: mend or remove it.')
    year = row.get("year")
    return Document(
        text=text, source=path.name, author=str(row.get("author") or ""), title=str(row.get("title") or ""),
        year=year if isinstance(year, int) else None,
    )  # fmt: skip


def _text_of(row: Any) -> str | None:
    """Its text; a table has rows in which it is null."""
    if not isinstance(row, dict) or "text" not in row:
        return None
    text = row["text"] or ""
    return text if isinstance(text, str) else None
