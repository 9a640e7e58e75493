"""Whether every byte of a mind is as its maker left it, packed or not.

A mind's checksum is that of the unpacked file, so that a mind keeps its name whichever way it travels.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from chat_app import header as headers
from chat_app.errors import MindDamaged, Reason
from chat_app.mind import FORMAT, PACKED, WITH_VARIANTS, Mind, of_variant
from chat_app.planes import Reader, Stored

import numpy as np  # isort: skip

HASH_DIGITS: Final = 64


def verify(mind: Mind) -> None:
    """Read every byte: the checksum must hold and no weight be NaN or infinite. MindDamaged otherwise."""
    # The checksum stands in the header, and counts as zeros.
    zeroed = b'"sha256":"' + b"0" * HASH_DIGITS + b'"'
    digest = hashlib.sha256(re.sub(rb'"sha256":"[0-9a-f]{64}"', zeroed, plain_header(mind), count=1))
    broken = ""
    for name, bits in weights(mind):
        digest.update(bits.data)
        if not np.isfinite(bits.view(np.float16)).all():
            broken = name
    if digest.hexdigest() != mind.sha256:
        raise MindDamaged(
            path=mind.path, reason=Reason("его контрольная сумма не сходится", "its checksum does not match")
        )
    if broken:
        raise MindDamaged(
            path=mind.path,
            reason=Reason(f"в тензоре {broken} не все веса — числа", f"the tensor {broken} holds a NaN or an infinity"),
        )


def plain_header(mind: Mind) -> bytes:
    """The header as it is in the unpacked file, with its size in front."""
    header, raw = headers.read(mind.path, mind.start, mind.length)
    if mind.format != PACKED:
        return raw
    metadata = header["__metadata__"]
    del metadata["packed"]
    metadata["format"] = WITH_VARIANTS if mind.variants else FORMAT
    return headers.written(headers.entries(metadata, {n: Stored(0, s.shape) for n, s in in_order(mind).items()}))


def weights(mind: Mind) -> Iterator[tuple[str, np.ndarray]]:
    """(name, bits as int16) of all numbers as they follow each other, chunk by chunk; each stands until the next."""
    with Reader(mind.path) as reader:
        for name, stored in in_order(mind).items():
            for chunk in stored.chunks():
                yield name, reader.read(chunk)


def in_order(mind: Mind) -> dict[str, Stored]:
    """All tensors of the file by their names there, those of variants too, in the order in which they stand."""
    own = {of_variant(mode, name): stored for mode, v in mind.variants.items() for name, stored in v.tensors.items()}
    return dict(sorted((mind.tensors | own).items(), key=lambda item: item[1].offset))
