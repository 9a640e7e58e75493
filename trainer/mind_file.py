"""Writing a `.mind`: safetensors with our metadata, the same bytes for the same mind (spec/mind-format.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import safetensors.numpy

from chat_app.config import Config, tensor_shapes
from chat_app.header import SIZE_DIGITS, written
from chat_app.integrity import HASH_DIGITS
from chat_app.mind import FORMAT, WITH_VARIANTS, of_variant
from chat_app.pieces import Pieces
from trainer.errors import ExportError
from trainer.files import replacing


@dataclass(frozen=True, slots=True)
class Variant:
    """Another voice: all of its tensors, and what spec/mind-format.md says of it, without their names."""

    tensors: Mapping[str, np.ndarray]
    about: dict[str, Any]


def write(
    path: Path,
    config: Config,
    tensors: Mapping[str, np.ndarray],
    pieces: Pieces,
    *,
    chat: dict[str, Any],
    card: dict[str, Any],
    golden: list[dict[str, Any]],
    variants: Mapping[str, Variant] = MappingProxyType({}),
) -> str:
    """Write the mind in place of `path`; return its sha256. Tensors of any floating dtype are rounded to fp16.

    Of variants those tensors are kept that differ from the mind's own, as they are: so nothing is lost. ExportError
    where a tensor is missing, has another shape, or does not survive fp16.
    """
    halves, voices = rounded(config, tensors), {}
    own = dict(halves)
    for name, variant in variants.items():
        theirs = rounded(config, variant.tensors)
        if not (names := differing(halves, theirs)):
            raise ExportError(f"The variant {name} has the mind's own weights: it would say nothing else.")
        own |= {of_variant(name, tensor): theirs[tensor] for tensor in names}
        voices[name] = variant.about | {"tensors": names}
    metadata = {
        "format": WITH_VARIANTS if voices else FORMAT,
        "config": _json(config.to_dict()),
        "tokenizer": _json(pieces.to_dict()),
        "chat": _json(chat),
        "card": _json(card),
        "golden": _json({"answers": golden}),
        "sha256": "0" * HASH_DIGITS,
    }
    if voices:
        metadata["variants"] = _json(voices)
    data = _sorted_header(safetensors.numpy.save(own, metadata))
    digest = hashlib.sha256(data).hexdigest()
    place = data.index(b'"sha256":"' + b"0" * HASH_DIGITS) + len(b'"sha256":"')
    with replacing(path) as file:
        file.write(data[:place] + digest.encode() + data[place + HASH_DIGITS :])
    return digest


def differing(halves: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the tensors that differ in any bit."""
    return [name for name, half in theirs.items() if half.tobytes() != halves[name].tobytes()]


def rounded(config: Config, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of the config in float16. ExportError names the one that does not fit or is not finite."""
    halves = {}
    for name, shape in tensor_shapes(config).items():
        if name not in tensors:
            raise ExportError(f"The checkpoint has no tensor {name}.")
        tensor = np.asarray(tensors[name])
        if tensor.shape != shape:
            raise ExportError(f"The tensor {name} is {list(tensor.shape)}, and the config wants {list(shape)}.")
        if not np.isfinite(tensor).all():
            raise ExportError(
                f"The tensor {name} holds NaN or infinity: training diverged. Export an earlier checkpoint."
            )
        with np.errstate(over="ignore"):
            half = tensor.astype(np.float16)
        if not np.isfinite(half).all():
            largest = float(np.abs(tensor).max())
            raise ExportError(
                f"The tensor {name} reaches {largest:.0f}, above fp16's 65504: train with more weight decay."
            )
        halves[name] = np.ascontiguousarray(half)
    return halves


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()


def _sorted_header(data: bytes) -> bytes:
    """The library writes its metadata in the order of a hash table, another one in each process: sort it."""
    size = int.from_bytes(data[:SIZE_DIGITS], "little")
    return written(orjson.loads(data[SIZE_DIGITS : SIZE_DIGITS + size])) + data[SIZE_DIGITS + size :]
