"""Small minds for the tests, written with the trainer's own writer: random ones, and ones that follow a script."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chat_app import template
from chat_app import tokenizer as tokenizers
from chat_app.config import Config, tensor_shapes
from chat_app.model import Cache, forward
from chat_app.pieces import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, Pieces
from chat_app.sampler import Sampling
from chat_app.weights import Weights
from trainer import mind_file

RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
ALPHABET = (
    "\n !\"'(),-.:;?…—0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + RUSSIAN + RUSSIAN.upper() + "ёЁ"
)
TEXT = (
    "Дом стоял у реки, и река шумела день и ночь. Кто жил в доме, тот привык к шуму и слышал тишину. "
    "Старик выходил на крыльцо, смотрел на воду и говорил: вода уходит, а река остаётся. "
    "The house stood by the river, and the river was loud. The old man looked at the water."
)
ROOT = Path(__file__).resolve().parent.parent
GREETING = "Здравствуй! О чём поговорим?"
ANSWER = ["▁Привет", ",", "▁друг", "!"]
ANSWER_TEXT = "Привет, друг!"


def config(vocab_size: int, **changes: Any) -> Config:
    """A mind of a few thousand numbers."""
    sizes = {"n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_embd": 16, "n_inner": 32, "block_size": 64}
    return Config(**{**sizes, "vocab_size": vocab_size, **changes})


def char_pieces(*, marks: bool = False, alphabet: str = ALPHABET, **changes: Any) -> Pieces:
    """One piece a character, after the unknown and the marks."""
    control = ("<s>", *template.MARKS) if marks else ()
    types = (UNKNOWN, *[CONTROL] * len(control), *[NORMAL] * len(alphabet))
    return Pieces(kind="char", pieces=("<unk>", *control, *alphabet), types=types, **changes)


def bpe_pieces(
    *, marks: bool = False, merges: int = 60, words: list[str] = ANSWER,
    symbols: tuple[str, ...] = (), with_bytes: bool = True, **changes: Any,
) -> Pieces:  # fmt: skip
    """BPE learned on TEXT, in SentencePiece's order: unknown, marks, symbols, bytes, merges, `words`, characters."""
    control = ("<s>", *template.MARKS) if marks else ()
    raw = [f"<0x{byte:02X}>" for byte in range(256)] if with_bytes else []
    learned = _merges(TEXT, merges)
    characters = sorted(set("▁" + TEXT + "".join(words)) - {" "} | set(RUSSIAN))
    normal = list(dict.fromkeys([*learned, *(w for w in words if w not in (*raw, *control)), *characters]))
    pieces = ("<unk>", *control, *symbols, *raw, *normal)
    kinds = [
        (UNKNOWN, 1),
        (CONTROL, len(control)),
        (USER_DEFINED, len(symbols)),
        (BYTE, len(raw)),
        (NORMAL, len(normal)),
    ]
    types = tuple(kind for kind, count in kinds for _ in range(count))
    scores = tuple([0.0] * (len(pieces) - len(normal)) + [-float(rank) for rank in range(len(normal))])
    return Pieces(kind="bpe", pieces=pieces, types=types, scores=scores, **{"add_dummy_prefix": True, **changes})


@cache
def _merges(text: str, count: int) -> tuple[str, ...]:
    words = [list("▁" + word) for word in text.split(" ")]
    learned = []
    for _ in range(count):
        pairs: dict[str, int] = {}
        for word in words:
            for left, right in pairwise(word):
                pairs[left + right] = pairs.get(left + right, 0) + 1
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learned.append(best)
        words = [_merged(word, best) for word in words]
    return tuple(learned)


def _merged(word: list[str], pair: str) -> list[str]:
    symbols: list[str] = []
    for symbol in word:
        if symbols and symbols[-1] + symbol == pair:
            symbols[-1] = pair
        else:
            symbols.append(symbol)
    return symbols


def arrays(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    """Random float16 tensors, large enough that every part of the model shows in the logits."""
    dice = np.random.default_rng(seed)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        values = dice.normal(0, 1 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.2, shape)
        if name == "wte.weight":
            values *= 2
        tensors[name] = (values + (len(shape) == 1)).astype(np.float16)
    return tensors


def script_arrays(config: Config, following: dict[int, int], otherwise: int) -> dict[str, np.ndarray]:
    """Tensors that answer each id with its follower whatever came before: the next id is a table."""
    dice = np.random.default_rng(1)
    vectors = dice.normal(0, 1, (config.vocab_size, config.n_embd))
    vectors[[token for token in range(config.vocab_size) if token not in following]] = dice.normal(0, 1, config.n_embd)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    head = np.zeros_like(vectors)
    for token, follower in following.items():
        head[follower] += vectors[token]
    head[otherwise] += next(vectors[token] for token in range(config.vocab_size) if token not in following)
    tensors = {name: np.zeros(shape, np.float16) for name, shape in tensor_shapes(config).items()}
    tensors["wte.weight"] = vectors.astype(np.float16)
    tensors["lm_head.weight"] = (8 * head).astype(np.float16)
    tensors["ln_f.weight"] += np.float16(1)
    return tensors


def golden(config: Config, tensors: dict[str, np.ndarray], prompt: list[int], count: int = 8) -> dict[str, Any]:
    """What the runtime itself answers, in the place of what torch would."""
    weights = Weights.from_arrays(config, tensors)
    cache = Cache(config)
    logits = forward(weights, prompt, cache)
    top = np.argsort(-logits)[:8]
    answer = {"prompt": prompt, "top_ids": top.tolist(), "top_logits": logits[top].tolist(), "ids": []}
    while len(answer["ids"]) < count:
        answer["ids"].append(int(logits.argmax()))
        logits = forward(weights, answer["ids"][-1:], cache)
    return answer


def manners(pieces: Pieces, *, chats: bool, **sampling: Any) -> dict[str, Any]:
    """The `chat` part of the file."""
    return {
        "template": template.NAME if chats else "",
        "system": "Ты добрый." if chats else "",
        "stop_ids": [pieces.pieces.index(template.END)] if chats else [],
        "sampling": Sampling(**sampling).to_dict(),
        "greeting": GREETING,
        "language": "ru",
    }


def write(
    path: Path, pieces: Pieces, tensors: dict[str, np.ndarray], config: Config, *, chats: bool = False,
    card: dict[str, Any] | None = None, **sampling: Any,
) -> Path:  # fmt: skip
    """A whole mind, with one golden answer."""
    prompt = [len(pieces.pieces) - 1 - i for i in range(3)]
    mind_file.write(
        path, config, tensors, pieces,
        chat=manners(pieces, chats=chats, **sampling),
        card={"title": "Проба", "licence": "CC0-1.0", "figures": {"bits": 2.5}} | (card or {}),
        golden=[golden(config, tensors, prompt)],
    )  # fmt: skip
    return path


def random_mind(
    path: Path, pieces: Pieces | None = None, *, chats: bool = False, seed: int = 0,
    card: dict[str, Any] | None = None, **changes: Any,
) -> Path:  # fmt: skip
    """A mind that babbles."""
    pieces = pieces or char_pieces(marks=chats)
    shape = config(len(pieces.pieces), **changes)
    return write(path, pieces, arrays(shape, seed), shape, chats=chats, card=card, max_tokens=20)


def scripted_mind(
    path: Path, script: list[str] = ANSWER, *, chats: bool = True, block_size: int = 256,
    endless: bool = False, pieces: Pieces | None = None, max_tokens: int = 40,
) -> Path:  # fmt: skip
    """A mind that always says the pieces of `script`, each once, and then ends, or begins again if `endless`."""
    pieces = pieces or bpe_pieces(marks=chats, words=script)
    ids = [pieces.pieces.index(piece) for piece in script]
    ring = [*ids, ids[0]] if endless or not chats else [*ids, pieces.pieces.index(template.END)]
    shape = config(
        len(pieces.pieces), n_layer=1, n_embd=64, n_inner=8, tied=False, block_size=block_size, position="rope",
        norm="rmsnorm",
    )  # fmt: skip
    tensors = script_arrays(shape, dict(pairwise(ring)), ids[0])
    return write(path, pieces, tensors, shape, chats=chats, temperature=0, max_tokens=max_tokens)


def tokenizer_of(pieces: Pieces) -> tokenizers.Tokenizer:
    """The tokenizer that a mind with these pieces has."""
    return tokenizers.from_dict(pieces.to_dict())
