"""What compressors that everyone has make of the held-out text: the mark a mind should beat. Knows no mind.

They learn from the held-out text alone, as they read it; a mind has read the training text before.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterable
from pathlib import Path

import orjson

from trainer.errors import StageError
from trainer.files import replacing
from trainer.tokens import rows


def bits_per_byte(texts: Iterable[str]) -> dict[str, float]:
    """Bits a byte of UTF-8 of all texts in a row, by bzip2 -9 and xz -9, streamed. StageError without any text."""
    compressors = {"bz2": bz2.BZ2Compressor(9), "xz": lzma.LZMACompressor(preset=9)}
    written, size = dict.fromkeys(compressors, 0), 0
    for text in texts:
        data = text.encode()
        size += len(data)
        for name, compressor in compressors.items():
            written[name] += len(compressor.compress(data))
    if not size:
        raise StageError("There is no held-out text to compress: run the corpus stage with more text.")
    return {name: 8 * (written[name] + len(c.flush())) / size for name, c in compressors.items()}


def make(folder: Path) -> dict[str, float]:
    """Compress the held-out part in `folder` and write baselines.json."""
    found = bits_per_byte(row["text"] for row in rows(folder, "val"))
    with replacing(folder / "baselines.json") as file:
        file.write(orjson.dumps(found))
    return found
