"""A mind of the article's 47.85 M shape with random weights: 92 MB to load, multiply and seal.

`python -m tests.bench.shape PATH` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from chat_app.config import Config, tensor_shapes
from chat_app.pieces import NORMAL, UNKNOWN, Pieces
from trainer import mind_file

CONFIG = Config(n_layer=10, n_head=8, n_kv_head=8, n_embd=512, n_inner=2048, block_size=1024, vocab_size=32000)


def arrays() -> dict[str, np.ndarray]:
    """Its tensors, float32, always the same."""
    dice = np.random.default_rng(0)
    return {
        name: dice.normal(0, 0.02, size).astype(np.float32) if len(size) == 2 else np.ones(size, np.float32)
        for name, size in tensor_shapes(CONFIG).items()
    }


def pieces() -> Pieces:
    """As many distinct characters as the shape wants, Cyrillic ones first; what they say does not matter here."""
    names = [
        chr(i) for i in (*range(0x20, 0x7F), *range(0x400, 0x460), *range(0x4E00, 0x9FFF), *range(0x20000, 0x23000))
    ]
    size = CONFIG.vocab_size - 1
    return Pieces(kind="char", pieces=("<unk>", *names[:size]), types=(UNKNOWN, *[NORMAL] * size))


def write(path: Path) -> None:
    """The mind at `path`; it has no golden answers."""
    chat = {"template": "", "system": "", "stop_ids": [], "sampling": {}, "greeting": "", "language": "en"}
    mind_file.write(path, CONFIG, arrays(), pieces(), chat=chat, card={"title": "Shape"}, golden=[])


if __name__ == "__main__":
    write(Path(sys.argv[1]))
