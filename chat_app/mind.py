"""The mind file: safetensors read strictly, in place, at any offset of any file (spec/mind-format.md).

Knows bytes; knows nothing of what the tensors compute. Every refusal is a sentence.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from chat_app import template, tokenizer
from chat_app.config import Config, tensor_shapes
from chat_app.errors import (
    MindDamaged,
    MindError,
    MindMisfit,
    MindMissing,
    MindTooNew,
    MindTruncated,
    MindUnreadable,
    NoMindInside,
)
from chat_app.sampler import CHATTING, Sampling
from chat_app.tokenizer import Tokenizer

FORMAT: Final = "mind/1"
WITH_VARIANTS: Final = "mind/2"  # so that an older program asks for a newer one
# Put together at run time, so that the program's own bytes inside a box never look like a trailer.
BOX: Final = "mind-in-a-box"  # what the names of boxes begin with
MAGIC: Final = bytes((0, *b"mind-in-a-box", 1, 255))
TRAILER_SIZE: Final = 8 + len(MAGIC)
LARGEST_HEADER: Final = 100_000_000  # safetensors' own limit
SIZE_DIGITS: Final = 8
HASH_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class Manners:
    """How a mind talks. `template` is empty for a base mind, which continues what it is given."""

    template: str
    system: str
    stop_ids: tuple[int, ...]
    sampling: Sampling
    greeting: str
    language: str


@dataclass(frozen=True, slots=True)
class Golden:
    """What torch answered on the exporting machine: greedy ids after `prompt`, and its top logits after it."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    top_logits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another voice of a mind: its own tensors, by the names of those whose place they take, and its own sampling."""

    title: str
    description: str
    sampling: Sampling
    golden: tuple[Golden, ...]
    tensors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Mind:
    """An opened mind; its weights are still on the disk. Offsets count from the start of the file at `path`."""

    path: Path
    start: int
    length: int
    tensors: dict[str, int]
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

    def offsets(self, mode: str = "") -> dict[str, int]:
        """Where each tensor of a variant stands in the file; without a name, of the mind itself."""
        return self.tensors | (self.variants[mode].tensors if mode else {})

    def tensor(self, name: str, mode: str = "") -> np.ndarray:
        """One tensor as float16, in the shape of `tensor_shapes`; as a variant has it, if one is named."""
        shape = tensor_shapes(self.config)[name]
        with self.path.open("rb") as file:
            file.seek(self.offsets(mode)[name])
            data = file.read(2 * math.prod(shape))
        return np.frombuffer(data, np.float16).reshape(shape)


def own_box() -> Path | None:
    """The file of the box that is running; None when run from source.

    PyInstaller tells it by sys.executable. Nuitka's one-file program is a child of the file the person opened, which
    is sys.argv[0] unless found through PATH; the one with a mind inside is it, or with a mind beside it: a signature
    of macOS covers the whole program, so nothing can be appended there.
    """
    if getattr(sys, "frozen", False):
        return Path(sys.executable)
    if "__compiled__" not in globals():
        return None
    programs = [Path(name) for name in (sys.executable, sys.argv[0], f"/proc/{os.getppid()}/exe")]
    for path in programs:
        try:
            if path.is_file() and _find_trailer(path):
                return path
        except OSError:
            continue
    return next((mind for path in programs if (mind := Path(f"{path}.mind")).is_file()), None)


def locate(path: Path) -> tuple[int, int]:
    """(start, length) in bytes of the mind in the file at `path`: a .mind, or a box of any operating system."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(SIZE_DIGITS + 2)
    except FileNotFoundError:
        raise MindMissing(path=path) from None
    except OSError as error:
        raise MindUnreadable(path=path, reason=error.strerror or error) from error
    if head[SIZE_DIGITS:].startswith(b"{") and int.from_bytes(head[:SIZE_DIGITS], "little") <= LARGEST_HEADER:
        return 0, size
    if found := _find_trailer(path):
        return found
    raise NoMindInside(path=path)


def called(path: Path) -> str:
    """The name by which the mind in a file is chosen."""
    return path.stem if path.suffix == ".mind" else path.name


def near(path: Path) -> list[Path]:
    """The minds in the folder of `path`: every .mind, every box, and `path` itself; by name."""
    found = {path, *path.parent.glob("*.mind")}
    for other in path.parent.glob(f"{BOX}*"):
        try:
            locate(other)
        except (MindError, OSError):  # an archive, a checksum, a folder
            continue
        found.add(other)
    return sorted(found, key=lambda each: each.name)


def _find_trailer(path: Path) -> tuple[int, int] | None:
    """Look backwards for [length u64 LE][magic] behind something that begins like a mind."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < TRAILER_SIZE:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = len(data)
            while (magic := data.rfind(MAGIC, 0, end)) >= 0:
                end = magic
                length = int.from_bytes(data[magic - SIZE_DIGITS : magic], "little") if magic >= SIZE_DIGITS else 0
                start = magic - SIZE_DIGITS - length
                if (
                    length > SIZE_DIGITS + 2
                    and start >= 0
                    and data[start + SIZE_DIGITS : start + SIZE_DIGITS + 1] == b"{"
                ):
                    return start, length
    return None


def open_mind(path: Path) -> Mind:
    """Read and check everything but the weights. MindError says what does not hold."""
    start, length = locate(path)
    header, header_size = _read_header(path, start, length)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), str):
        raise NoMindInside(path=path)
    if metadata["format"] not in (FORMAT, WITH_VARIANTS):
        raise MindTooNew(path=path, format=metadata["format"], known=WITH_VARIANTS)
    try:
        config = Config.from_dict(_json(metadata, "config"))
        if config.n_layer > len(header):  # before millions of names are thought up
            raise ValueError(f"its config has {config.n_layer} layers, more layers than its tensors")
        tokens = tokenizer.from_dict(_json(metadata, "tokenizer"))
        if tokens.vocab_size != config.vocab_size:
            raise ValueError(f"{tokens.vocab_size} pieces for a vocab_size of {config.vocab_size}")
        manners = _manners(_json(metadata, "chat"), tokens)
        golden = _answers(_json(metadata, "golden"), config)
        card = _json(metadata, "card")
        sha256 = str(metadata["sha256"])
        variants = _json(metadata, "variants") if metadata["format"] == WITH_VARIANTS else {}
        voices = {name: _variant(name, about, config, manners) for name, about in variants.items()}
        shapes = _shapes(config, variants)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise MindMisfit(path=path, reason=reason) from error
    data_start = start + SIZE_DIGITS + header_size
    found = _check_tensors(path, header, shapes, length - SIZE_DIGITS - header_size)
    offsets = {name: data_start + offset for name, offset in found.items()}
    for name, voice in voices.items():
        voice.tensors.update({tensor: offsets.pop(_of_variant(name, tensor)) for tensor in variants[name]["tensors"]})
    return Mind(
        path=path, start=start, length=length, config=config, tokenizer=tokens, manners=manners, card=card,
        golden=golden, sha256=sha256, tensors=offsets, variants=voices,
    )  # fmt: skip


def _read_header(path: Path, start: int, length: int) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        file.seek(start)
        prefix = file.read(SIZE_DIGITS)
        size = int.from_bytes(prefix, "little")
        if len(prefix) < SIZE_DIGITS or length < SIZE_DIGITS + size:
            raise MindTruncated(path=path, expected=SIZE_DIGITS + size, actual=length)
        if size > LARGEST_HEADER:
            raise MindDamaged(path=path, reason=f"its header claims {size} bytes")
        raw = file.read(size)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ValueError("a key stands twice in its header")
        return values

    try:
        header = json.loads(raw.decode(), object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise MindDamaged(path=path, reason=f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise MindDamaged(path=path, reason="its header is not a JSON object")
    return header, size


def _json(metadata: dict[str, str], key: str) -> dict[str, Any]:
    try:
        values = orjson.loads(metadata[key])
    except orjson.JSONDecodeError as error:
        raise ValueError(f"its {key} is not JSON") from error
    if not isinstance(values, dict):
        raise ValueError(f"its {key} is not a JSON object")
    return values


def _manners(chat: dict[str, Any], tokens: Tokenizer) -> Manners:
    if chat["template"] not in ("", template.NAME):
        raise ValueError(f"the chat template {chat['template']} is not known")
    if chat["template"] and not template.has_marks(tokens):
        raise ValueError("it chats, but its vocabulary lacks the marks of the chat template")
    stop_ids = tuple(chat["stop_ids"])
    if not all(type(i) is int and 0 <= i < tokens.vocab_size for i in stop_ids):
        raise ValueError("its stop ids are not ids of its vocabulary")
    if chat["language"] not in ("ru", "en"):
        raise ValueError(f"its language is {chat['language']!r}, neither ru nor en")
    sampling = Sampling.from_dict(chat["sampling"], CHATTING if chat["template"] else Sampling())
    return Manners(
        template=chat["template"], system=str(chat["system"]), stop_ids=stop_ids, sampling=sampling,
        greeting=str(chat["greeting"]), language=chat["language"],
    )  # fmt: skip


def _shapes(config: Config, variants: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor that the file must hold: those of the config, and those that variants have of their own."""
    shapes = tensor_shapes(config)
    return shapes | {
        _of_variant(name, tensor): shapes[tensor] for name, about in variants.items() for tensor in about["tensors"]
    }


def _of_variant(name: str, tensor: str) -> str:
    return f"variants.{name}.{tensor}"


def _variant(name: str, about: dict[str, Any], config: Config, manners: Manners) -> Variant:
    if unknown := sorted(set(about["tensors"]) - tensor_shapes(config).keys()):
        raise ValueError(f"its variant {name} has a tensor {unknown[0]} that takes no other's place")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"its variant {name!r} cannot be called so")
    if not about["tensors"] or len(set(about["tensors"])) != len(about["tensors"]):
        raise ValueError(f"its variant {name} has no tensors of its own, or one twice")
    return Variant(
        title=str(about["title"]), description=str(about["description"]),
        sampling=Sampling.from_dict(about["sampling"], manners.sampling), golden=_answers(about, config), tensors={},
    )  # fmt: skip


def _answers(values: dict[str, Any], config: Config) -> tuple[Golden, ...]:
    return tuple(_golden(each, config) for each in values["answers"])


def _golden(values: dict[str, Any], config: Config) -> Golden:
    golden = Golden(*(tuple(values[key]) for key in ("prompt", "ids", "top_ids", "top_logits")))
    ids = (*golden.prompt, *golden.ids, *golden.top_ids)
    if not golden.prompt or not all(type(i) is int and 0 <= i < config.vocab_size for i in ids):
        raise ValueError("a golden answer is not made of ids of its vocabulary")
    if len(golden.prompt) + len(golden.ids) > config.block_size:
        raise ValueError("a golden answer is longer than its context")
    if not golden.top_ids:
        raise ValueError("a golden answer has no logits")
    if len(golden.top_logits) != len(golden.top_ids):
        raise ValueError("a golden answer does not have as many logits as ids")
    if not all(type(logit) in (int, float) for logit in golden.top_logits):
        raise ValueError("a golden answer has logits that are not numbers")
    return golden


def _check_tensors(
    path: Path, header: dict[str, Any], shapes: dict[str, tuple[int, ...]], data_size: int
) -> dict[str, int]:
    """Offsets of all tensors within the data; they must be those of `shapes`, F16, and tile the data exactly."""
    if missing := sorted(shapes.keys() - header.keys()):
        raise MindMisfit(path=path, reason=f"the tensor {missing[0]} is missing")
    if foreign := sorted(header.keys() - shapes.keys()):
        raise MindMisfit(path=path, reason=f"the tensor {foreign[0]} has no place in its config")
    spans: dict[str, tuple[int, int]] = {}
    for name, shape in shapes.items():
        entry = header[name]
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise MindDamaged(path=path, reason=f"the entry of the tensor {name} is broken")
        if entry["dtype"] != "F16" or entry["shape"] != list(shape):
            wanted = f"F16 {list(shape)}"
            raise MindMisfit(path=path, reason=f"{name} is {entry['dtype']} {entry['shape']} instead of {wanted}")
        offsets = entry["data_offsets"]
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(o) is int for o in offsets)):
            raise MindDamaged(path=path, reason=f"the offsets of {name} are broken")
        spans[name] = (offsets[0], offsets[1])
    expected = 0
    for name, (begin, end) in sorted(spans.items(), key=lambda item: item[1]):
        if begin != expected or end - begin != 2 * math.prod(shapes[name]):
            raise MindDamaged(path=path, reason=f"the tensor {name} overlaps, leaves a gap or has the wrong size")
        expected = end
    if data_size < expected:
        raise MindTruncated(path=path, expected=expected, actual=data_size)
    if data_size > expected:
        raise MindDamaged(path=path, reason=f"{data_size - expected} bytes too many follow the tensors")
    return {name: begin for name, (begin, _) in spans.items()}


def _chunks(mind: Mind, size: int = 1 << 22) -> Iterator[bytes]:
    with mind.path.open("rb") as file:
        file.seek(mind.start)
        left = mind.length
        while left and (chunk := file.read(min(size, left))):
            left -= len(chunk)
            yield chunk


def verify(mind: Mind) -> None:
    """Read every byte: the checksum must hold and no weight be NaN or infinite. MindDamaged otherwise."""
    zeroed = b'"sha256":"' + b"0" * HASH_DIGITS + b'"'
    digest = hashlib.sha256()
    for number, chunk in enumerate(_chunks(mind, 1 << 26)):
        # The checksum stands in the header, and counts as zeros.
        digest.update(chunk if number else re.sub(rb'"sha256":"[0-9a-f]{64}"', zeroed, chunk, count=1))
    if digest.hexdigest() != mind.sha256:
        raise MindDamaged(path=mind.path, reason="its checksum does not match")
    for mode in ("", *mind.variants):
        for name in mind.variants[mode].tensors if mode else mind.tensors:
            if not np.isfinite(mind.tensor(name, mode)).all():
                raise MindDamaged(path=mind.path, reason=f"the tensor {name} holds a NaN or an infinity")
