"""Documents that wait in a file until all of them are known, and what has been decided about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import orjson

from trainer.corpora.likeness import PERMUTATIONS
from trainer.corpora.preparing import Prepared


@dataclass(slots=True)
class Entry:
    """A document of the source `name`: where its row begins, how long it is, and what becomes of it."""

    name: str
    start: int
    digest: bytes
    characters: int
    bytes: int
    held: bool = False
    dropped: bool = False


class Rows:
    """The rows of `entries` stand one after another in `file`; of texts only one at a time is in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._signatures = bytearray()
        self.entries: list[Entry] = []

    @property
    def signatures(self) -> np.ndarray:
        """The MinHash of every entry, uint32 [entries, 128]; of no entry where they are not signed."""
        return np.frombuffer(self._signatures, np.uint32).reshape(-1, PERMUTATIONS)

    def add(self, name: str, new: Prepared, *, held: bool = False) -> None:
        """Append a document."""
        self.entries.append(Entry(name, self._file.tell(), new.digest, new.characters, new.bytes, held))
        self._signatures += new.signature
        self._file.write(new.row)

    def one(self, entry: Entry) -> dict[str, Any]:
        """The row of one entry."""
        end = self._file.tell()
        self._file.seek(entry.start)
        row: dict[str, Any] = orjson.loads(self._file.readline())
        self._file.seek(end)
        return row

    def kept(self) -> Iterator[tuple[Entry, bytes]]:
        """Every entry that is not dropped, with its row as bytes, in order."""
        self._file.seek(0)
        for entry, row in zip(self.entries, self._file, strict=True):
            if not entry.dropped:
                yield entry, row
