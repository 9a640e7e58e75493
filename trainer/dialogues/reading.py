"""Rows of JSON from files of conversations: JSONL, packed or not, and parquet, alone or in folders. One at a time."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from trainer.corpora.documents import PACKED, files
from trainer.errors import CorpusError

_AT_ONCE = 1024  # rows of a parquet file in memory


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) of a file or of every file of a folder. CorpusError names the file and the line."""
    for file in files(path):
        try:
            yield from _parquet(file) if file.suffix == ".parquet" else _lines(file)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise CorpusError(f"{file} cannot be read: {error}. Fetch or pack it again, or leave it out.") from error


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as raw, io.BufferedReader(PACKED.get(path.suffix, _plain)(raw)) as lines:
        for number, line in enumerate(lines, 1):
            where = f"{path.name}, line {number}"
            if line.strip():
                try:
                    row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
                except orjson.JSONDecodeError as error:
                    raise CorpusError(f"{where} is not JSON: {error}. Mend or remove the line.") from error
                yield where, row if isinstance(row, dict) else {}


def _plain(file: IO[bytes]) -> IO[bytes]:
    return file


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(_AT_ONCE, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except pa.ArrowException as error:
        raise CorpusError(f"The table {path} cannot be read: {error}. Fetch it again, or leave it out.") from error
