"""The mind file: its metadata read and checked, its weights left where they are (spec/mind-format.md).

Opens a mind; chat_app/box.py finds where one stands, chat_app/header.py knows which bytes are whose,
chat_app/manners.py what they say of talking, chat_app/integrity.py whether all of them are as their maker left them.
Knows nothing of what the tensors compute. Every refusal is a sentence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from chat_app import header as headers
from chat_app import manners as talking
from chat_app import tokenizer
from chat_app.box import called, locate
from chat_app.config import Config, tensor_shapes
from chat_app.errors import MindMisfit, MindTooNew, NoMindInside
from chat_app.manners import Golden, Manners, Variant
from chat_app.planes import Reader, Stored
from chat_app.tokenizer import Tokenizer

FORMAT: Final = "mind/1"
WITH_VARIANTS: Final = "mind/2"  # so that an older program asks for a newer one
PACKED: Final = "mind/3"  # likewise; with variants or without


@dataclass(frozen=True, slots=True)
class Mind:
    """An opened mind; its weights are still on the disk. Offsets count from the start of the file at `path`."""

    path: Path
    start: int
    length: int
    format: str
    tensors: dict[str, Stored]
    config: Config
    tokenizer: Tokenizer
    manners: Manners
    card: dict[str, Any]
    golden: tuple[Golden, ...]
    sha256: str
    variants: dict[str, Variant]

    @property
    def can_chat(self) -> bool:
        """Whether it answers; otherwise it continues."""
        return bool(self.manners.template)

    @property
    def never(self) -> list[int]:
        """Ids that no answer holds."""
        return sorted(self.tokenizer.silent - set(self.manners.stop_ids))

    @property
    def name(self) -> str:
        """What its file is called."""
        return called(self.path)

    @property
    def title(self) -> str:
        """What it calls itself, else the name of its file."""
        return str(self.card.get("title") or self.path.stem)

    def stored(self, mode: str = "") -> dict[str, Stored]:
        """Where each tensor of a variant stands in the file; without a name, of the mind itself."""
        return self.tensors | (self.variants[mode].tensors if mode else {})

    def tensor(self, name: str, mode: str = "") -> np.ndarray:
        """One tensor as float16, in the shape of `tensor_shapes`; as a variant has it, if one is named."""
        stored = self.stored(mode)[name]
        bits = np.empty(math.prod(stored.shape), np.int16)
        with Reader(self.path) as reader:
            for chunk in stored.chunks():
                bits[chunk.place : chunk.place + chunk.count] = reader.read(chunk)
        return bits.view(np.float16).reshape(stored.shape)


def open_mind(path: Path) -> Mind:
    """Read and check everything but the weights. MindError says what does not hold."""
    start, length = locate(path)
    header, raw = headers.read(path, start, length)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), str):
        raise NoMindInside(path=path)
    if (layout := metadata["format"]) not in (FORMAT, WITH_VARIANTS, PACKED):
        raise MindTooNew(path=path, format=layout, known=PACKED)
    try:
        config = Config.from_dict(_json(metadata, "config"))
        if config.n_layer > len(header):  # before millions of names are thought up
            raise ValueError(f"its config has {config.n_layer} layers, more layers than its tensors")
        tokens = tokenizer.from_dict(_json(metadata, "tokenizer"))
        if tokens.vocab_size != config.vocab_size:
            raise ValueError(f"{tokens.vocab_size} pieces for a vocab_size of {config.vocab_size}")
        manners = talking.manners(_json(metadata, "chat"), tokens)
        golden = talking.answers(_json(metadata, "golden"), config)
        card = _json(metadata, "card")
        sha256 = str(metadata["sha256"])
        has_variants = layout == WITH_VARIANTS or (layout == PACKED and "variants" in metadata)
        variants = _json(metadata, "variants") if has_variants else {}
        voices = {name: talking.variant(name, about, config, manners) for name, about in variants.items()}
        packed = _json(metadata, "packed") if layout == PACKED else None
        shapes = _shapes(config, variants)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise MindMisfit(path=path, reason=reason) from error
    found = headers.tensors(path, header, shapes, packed, start + len(raw), start + length)
    for name, voice in voices.items():
        voice.tensors.update({tensor: found.pop(of_variant(name, tensor)) for tensor in variants[name]["tensors"]})
    return Mind(
        path=path, start=start, length=length, format=layout, config=config, tokenizer=tokens, manners=manners,
        card=card, golden=golden, sha256=sha256, tensors=found, variants=voices,
    )  # fmt: skip


def of_variant(name: str, tensor: str) -> str:
    """What a tensor is called in the file that a variant has of its own."""
    return f"variants.{name}.{tensor}"


def _json(metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        values = orjson.loads(metadata[key])
    except orjson.JSONDecodeError as error:
        raise ValueError(f"its {key} is not JSON") from error
    if not isinstance(values, dict):
        raise ValueError(f"its {key} is not a JSON object")
    return values


def _shapes(config: Config, variants: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor that the file must hold: those of the config, and those that variants have of their own."""
    shapes = tensor_shapes(config)
    return shapes | {
        of_variant(name, tensor): shapes[tensor] for name, about in variants.items() for tensor in about["tensors"]
    }
