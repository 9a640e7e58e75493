"""The header of a mind's file, which is safetensors': read strictly, written the same way every time.

Knows which bytes are whose (spec/mind-format.md); knows nothing of what they mean. Every refusal is a sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from chat_app.errors import MindDamaged, MindMisfit, MindTruncated, Reason
from chat_app.planes import CHUNK, LONGER, Stored

SIZE_DIGITS: Final = 8  # bytes of the header's size, in front of it
LARGEST: Final = 100_000_000  # bytes; safetensors' own limit
MULTIPLE: Final = 8  # safetensors pads its header to a multiple of so many bytes


def read(path: Path, start: int, length: int) -> tuple[dict[str, Any], bytes]:
    """(the header, its bytes with its size in front) of the mind of `length` bytes that stands at `start`."""
    with path.open("rb") as file:
        file.seek(start)
        prefix = file.read(SIZE_DIGITS)
        size = int.from_bytes(prefix, "little")
        if len(prefix) < SIZE_DIGITS or length < SIZE_DIGITS + size:
            raise MindTruncated(path=path, expected=SIZE_DIGITS + size, actual=length)
        if size > LARGEST:
            raise MindDamaged(
                path=path,
                reason=Reason(f"его заголовок будто бы занимает байтов {size}", f"its header claims {size} bytes"),
            )
        raw = file.read(size)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ValueError("a key stands twice in its header")
        return values

    try:
        header = json.loads(raw.decode(), object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise MindDamaged(
            path=path, reason=Reason("его заголовок — не JSON", f"its header is not JSON ({error})")
        ) from error
    if not isinstance(header, dict):
        raise MindDamaged(path=path, reason=Reason("его заголовок — не объект JSON", "its header is not a JSON object"))
    return header, prefix + raw


def written(header: dict[str, Any]) -> bytes:
    """The bytes of a header, with its size in front: keys sorted, padded with spaces."""
    text = orjson.dumps(header, option=orjson.OPT_SORT_KEYS)
    text += b" " * (-len(text) % MULTIPLE)
    return len(text).to_bytes(SIZE_DIGITS, "little") + text


def entries(metadata: Mapping[str, str], tensors: Mapping[str, Stored]) -> dict[str, Any]:
    """The header of a file that holds these tensors in this order, without a gap."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, stored in tensors.items():
        begin, end = end, end + size(stored.shape, stored.streams)
        dtype, shape = _described(stored.shape, stored.streams)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return header


def size(shape: tuple[int, ...], streams: tuple[int, ...] | None) -> int:
    """Bytes that a tensor takes in the file; `streams` are the sizes of its upper planes, if it is packed."""
    return 2 * math.prod(shape) if streams is None else math.prod(shape) + sum(streams)


def tensors(
    path: Path, header: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], packed: Mapping[str, Any] | None,
    start: int, end: int,
) -> dict[str, Stored]:  # fmt: skip
    """Where each tensor stands in the file at `path`, whose bytes from `start` to `end` are the tensors'.

    They must be those of `shapes`, F16, or U8 with the streams that `packed` tells of, and tile the bytes exactly.
    """
    if missing := sorted(shapes.keys() - header.keys()):
        raise MindMisfit(path=path, reason=f"the tensor {missing[0]} is missing")
    if foreign := sorted(header.keys() - shapes.keys()):
        raise MindMisfit(path=path, reason=f"the tensor {foreign[0]} has no place in its config")
    if packed is not None and (foreign := sorted(packed.keys() - shapes.keys())):
        raise MindMisfit(path=path, reason=f"its packing tells of {foreign[0]}, which is no tensor of its own")
    streams = {
        name: None if packed is None else _streams(path, name, packed.get(name), math.prod(shape))
        for name, shape in shapes.items()
    }
    spans = {name: _span(path, name, header[name], shape, streams[name]) for name, shape in shapes.items()}
    expected = 0
    for name, (first, last) in sorted(spans.items(), key=lambda item: item[1]):
        if first != expected or last - first != size(shapes[name], streams[name]):
            raise MindDamaged(
                path=path,
                reason=Reason(
                    f"тензор {name} стоит не на месте или не того размера",
                    f"the tensor {name} overlaps, leaves a gap or has the wrong size",
                ),
            )
        expected = last
    if end - start < expected:
        raise MindTruncated(path=path, expected=expected, actual=end - start)
    if end - start > expected:
        raise MindDamaged(
            path=path,
            reason=Reason(
                f"после тензоров лишние байты: {end - start - expected}",
                f"{end - start - expected} bytes too many follow the tensors",
            ),
        )
    return {name: Stored(start + spans[name][0], shape, streams[name]) for name, shape in shapes.items()}


def _span(
    path: Path, name: str, entry: Any, shape: tuple[int, ...], streams: tuple[int, ...] | None
) -> tuple[int, int]:  # fmt: skip
    """Where a tensor begins and ends, counted from the first one; its entry must say what it should."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise MindDamaged(
            path=path, reason=Reason(f"запись о тензоре {name} испорчена", f"the entry of the tensor {name} is broken")
        )
    dtype, dimensions = _described(shape, streams)
    if entry["dtype"] != dtype or entry["shape"] != dimensions:
        told = f"{entry['dtype']} {entry['shape']}"
        raise MindMisfit(path=path, reason=f"{name} is {told} instead of {dtype} {dimensions}")
    offsets = entry["data_offsets"]
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(o) is int for o in offsets)):
        raise MindDamaged(
            path=path, reason=Reason(f"смещения тензора {name} испорчены", f"the offsets of {name} are broken")
        )
    return offsets[0], offsets[1]


def _described(shape: tuple[int, ...], streams: tuple[int, ...] | None) -> tuple[str, list[int]]:
    """What an entry calls the type and the shape of a tensor: packed, it is so many bytes."""
    return ("F16", list(shape)) if streams is None else ("U8", [size(shape, streams)])


def _streams(path: Path, name: str, sizes: Any, total: int) -> tuple[int, ...]:
    """The sizes of a packed tensor's streams: one for each of its chunks, none too large to be held at once."""
    count = -(-total // CHUNK)
    if not isinstance(sizes, list) or len(sizes) != count:
        raise MindDamaged(
            path=path,
            reason=Reason(
                f"потоков у тензора {name} не {count}, сколько нужно",
                f"the tensor {name} has not the {count} streams that it needs",
            ),
        )
    if not all(
        type(stream) is int and 0 < stream <= min(CHUNK, total - place) + LONGER
        for stream, place in zip(sizes, range(0, total, CHUNK), strict=True)
    ):
        raise MindDamaged(
            path=path,
            reason=Reason(
                f"у потоков тензора {name} невозможные размеры",
                f"the streams of the tensor {name} have impossible sizes",
            ),
        )
    return tuple(sizes)
