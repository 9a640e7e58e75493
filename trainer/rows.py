"""Rows of JSONL and parquet files, packed or not, one at a time however large the file. Judges no row."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Final

import orjson
import zstandard

from trainer.errors import CorpusError

_PIECE: Final = 1 << 15  # bytes of a packed file


class _Unzstd(io.RawIOBase):
    """The content of a .zst file, frame after frame. EOFError where the last is cut: the library says nothing then."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed, self._content = b"", memoryview(b"")
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one piece goes; 0 at the end."""
        while not self._content:
            self._packed = self._packed or self._file.read(_PIECE)
            if not self._packed and self._frame is not None:
                raise EOFError("it ends within its last frame")
            if not self._packed:
                return 0
            frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._content = memoryview(frame.decompress(self._packed))
            self._packed, self._frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size


PACKINGS: Final[dict[str, Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]]] = {
    ".bz2": bz2.open,
    ".gz": gzip.open,
    ".zst": lambda file: io.BufferedReader(_Unzstd(file), _PIECE),
}
_AT_ONCE: Final = 32  # rows of a parquet file; one may be a novel

Watch = Callable[[int], None]
"""Told how many more bytes of the file have been read."""


def suffix(path: Path) -> str:
    """The kind of a file, whatever packs it, in small letters."""
    return (path.with_suffix("") if path.suffix.lower() in PACKINGS else path).suffix.lower()


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the file as it lies on the disk, its content). CorpusError where it cannot be read to its end."""
    try:
        with path.open("rb") as raw, PACKINGS.get(path.suffix.lower(), nullcontext)(raw) as content:
            yield raw, content
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise CorpusError(
            f"The text {path} cannot be read: {error}. Fetch or pack it again, or leave it out."
        ) from error


def read(path: Path, columns: Sequence[str], watch: Watch = lambda done: None) -> Iterator[tuple[str, Any]]:
    """(where, row) of a file; of a parquet file only `columns`, at least one of which it must have.

    CorpusError names the file and the line of what is no row.
    """
    yield from _parquet(path, columns, watch) if suffix(path) == ".parquet" else _lines(path, watch)


def _lines(path: Path, watch: Watch) -> Iterator[tuple[str, Any]]:
    seen = 0
    with unpacked(path) as (raw, lines):
        for number, line in enumerate(lines, 1):
            where = f"Line {number} of {path}"
            if line.strip():
                try:
                    row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
                except orjson.JSONDecodeError as error:
                    raise CorpusError(f"{where} is not JSON: {error}. Mend or remove the line.") from error
                watch(raw.tell() - seen)
                seen = raw.tell()
                yield where, row


def _parquet(path: Path, columns: Sequence[str], watch: Watch) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if not (wanted := [name for name in names if name in columns]):
                raise CorpusError(
                    f"{path} has no column {columns[0]}, only {', '.join(names)}: rename the column that is meant."
                )
            size, rows, done = path.stat().st_size, file.metadata.num_rows, 0
            for batch in file.iter_batches(_AT_ONCE, columns=wanted, use_threads=False):
                watch(size * (done + batch.num_rows) // rows - size * done // rows)
                for number, row in enumerate(batch.to_pylist(), done + 1):
                    yield f"Row {number} of {path}", row
                done += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"The table {path} cannot be read: {error}. Write it again, or leave it out.") from error
