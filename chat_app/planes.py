"""float16 numbers as they stand in a mind's file: as they are, or packed (spec/mind-format.md).

Packed, their bytes lie in two planes: the lower ones as they are, for nothing makes those smaller; the upper ones, in
which signs and exponents repeat, as streams of zlib. Knows bytes; knows nothing of tensors' names.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from chat_app.errors import MindDamaged, MindTruncated, Reason

CHUNK: Final = 1 << 16  # numbers that are read at a time: with what becomes of them, well within a core's cache
LONGER: Final = 64  # bytes that a stream may be longer than what it holds; zlib's own worst case is 33


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some numbers of a tensor, as they stand in a file."""

    offset: int
    """Their first byte in the file."""
    place: int
    """Their first number in the tensor."""
    count: int
    stream: int | None
    """Bytes of their upper plane, which follows the lower; None where the numbers are as they are."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file. `streams` has the sizes in bytes of its chunks' upper planes, if it is packed."""

    offset: int
    shape: tuple[int, ...]
    streams: tuple[int, ...] | None = None

    def chunks(self) -> Iterator[Chunk]:
        """All of its numbers, CHUNK at a time."""
        total, offset = math.prod(self.shape), self.offset
        for number, place in enumerate(range(0, total, CHUNK)):
            count = min(CHUNK, total - place)
            stream = None if self.streams is None else self.streams[number]
            yield Chunk(offset, place, count, stream)
            offset += count + (count if stream is None else stream)


def packed(bits: np.ndarray) -> tuple[bytes, bytes]:
    """(lower plane, stream of the upper one) of float16 numbers, given as their bits, uint16 [at most CHUNK].

    Neighbouring weights have nothing in common but their size, so zlib need not look for repetitions.
    """
    coder = zlib.compressobj(level=9, memLevel=9, strategy=zlib.Z_HUFFMAN_ONLY)
    lower, upper = bits.astype(np.uint8), (bits >> 8).astype(np.uint8)
    return lower.tobytes(), coder.compress(upper.data) + coder.flush()


class Reader:
    """Reads chunks of the file at `path`. For one thread, as a context."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._bits = np.empty(CHUNK, np.int16)
        self._plain = self._bits.data.cast("B")
        self._packed = memoryview(bytearray(2 * CHUNK + LONGER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, chunk: Chunk) -> np.ndarray:
        """The bits of its numbers, int16 [count]; they stand until the next is read. MindTruncated, MindDamaged."""
        bits = self._bits[: chunk.count]
        if chunk.stream is None:
            self._fill(chunk.offset, self._plain[: 2 * chunk.count])
            return bits
        planes = self._packed[: chunk.count + chunk.stream]
        self._fill(chunk.offset, planes)
        upper = self._inflated(chunk, planes[chunk.count :])
        np.multiply(np.frombuffer(upper, np.int8), 256, out=bits, dtype=np.int16)
        return np.add(bits, np.frombuffer(planes[: chunk.count], np.uint8), out=bits)

    def _fill(self, offset: int, into: memoryview) -> None:
        self._file.seek(offset)
        if (got := self._file.readinto(into)) != len(into):
            raise MindTruncated(path=self._path, expected=offset + len(into), actual=offset + (got or 0))

    def _inflated(self, chunk: Chunk, stream: memoryview) -> bytes:
        """The upper plane; however much a stream pretends to hold, no more than one byte too many is unpacked."""
        inflater = zlib.decompressobj()
        try:
            upper = inflater.decompress(stream, chunk.count + 1)
        except zlib.error as error:
            raise MindDamaged(
                path=self._path,
                reason=Reason(
                    f"его веса с байта {chunk.offset} испорчены", f"its weights at byte {chunk.offset} are broken"
                ),
            ) from error
        if len(upper) != chunk.count or not inflater.eof or inflater.unused_data:
            raise MindDamaged(
                path=self._path,
                reason=Reason(
                    f"с байта {chunk.offset} стоят не те {chunk.count} весов, что обещаны",
                    f"at byte {chunk.offset} there are not the {chunk.count} weights it tells of",
                ),
            )
        return upper
