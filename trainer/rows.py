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

PACKINGS: Final[dict[str, Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]]] = {
    ".bz2": bz2.open,
    ".gz": gzip.open,
    ".zst": lambda file: io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)),
}
_AT_ONCE: Final = 32  # rows of a parquet file; one may be a novel

Watch = Callable[[int], None]
"""Told how many more bytes of the file have been read."""


def suffix(path: Path) -> str:
    """The kind of a file, whatever packs it."""
    return (path.with_suffix("") if path.suffix in PACKINGS else path).suffix


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(the file as it lies on the disk, its content). CorpusError where it cannot be read to its end."""
    try:
        with path.open("rb") as raw, PACKINGS.get(path.suffix, nullcontext)(raw) as content:
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
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"The table {path} cannot be read: {error}. Write it again, or leave it out.") from error
