"""Packs a mind, and unpacks one, to the bit (spec/mind-format.md): `python build/packing.py MIND TARGET [--unpack]`.

Knows how the parts of the file follow each other; chat_app/planes.py knows how numbers are packed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from chat_app import header, integrity, planes
from chat_app.errors import BoxError
from chat_app.mind import PACKED, Mind, open_mind
from chat_app.planes import Stored


def packed(mind: Mind) -> Iterator[bytes]:
    """The bytes of its packed file. SystemExit where unpacking it would not bring back this one."""
    tensors = integrity.in_order(mind)
    metadata = orjson.loads(integrity.plain_header(mind)[header.SIZE_DIGITS :])["__metadata__"]
    plain = {name: Stored(0, stored.shape) for name, stored in tensors.items()}
    if header.written(header.entries(metadata, plain)) != integrity.plain_header(mind):
        sys.exit(f"{mind.path} was not written by our exporter, and packing would change it. Seal it without --packed.")
    streams: dict[str, list[int]] = {name: [] for name in tensors}
    data: list[bytes] = []
    for name, bits in integrity.weights(mind):
        lower, upper = planes.packed(bits.view(np.uint16))
        streams[name].append(len(upper))
        data += [lower, upper]
    metadata |= {"format": PACKED, "packed": orjson.dumps(streams).decode()}
    stored = {name: Stored(0, plain[name].shape, tuple(sizes)) for name, sizes in streams.items()}
    yield header.written(header.entries(metadata, stored))
    yield from data


def unpacked(mind: Mind) -> Iterator[bytes]:
    """The bytes of its file as `trainer export` wrote it."""
    yield integrity.plain_header(mind)
    for _, bits in integrity.weights(mind):
        yield bits.tobytes()


def unpacked_size(mind: Mind) -> int:
    """Bytes of its file as `trainer export` wrote it."""
    tensors = integrity.in_order(mind).values()
    return len(integrity.plain_header(mind)) + sum(header.size(stored.shape, None) for stored in tensors)


def write(mind: Path, target: Path, *, pack: bool) -> int:
    """Write the mind of a file, which may be a box, as a .mind; its length in bytes. BoxError where it is none.

    The target may be that very file: nothing takes its place before the last byte is written.
    """
    opened = open_mind(mind)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            length = sum(map(file.write, packed(opened) if pack else unpacked(opened)))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return length


def main() -> None:
    """Write the one, and check that it holds what the other does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mind", type=Path, help="a .mind, or a box")
    parser.add_argument("target", type=Path, help="the file to write")
    parser.add_argument("--unpack", action="store_true", help="undo it")
    options = parser.parse_args()
    try:
        length = write(options.mind, options.target, pack=not options.unpack)
        integrity.verify(open_mind(options.target))
    except BoxError as error:
        sys.exit(error.sentence("en"))
    print(f"{options.target}  {length / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
