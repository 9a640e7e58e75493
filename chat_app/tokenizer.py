"""Text to ids and back: characters, or SentencePiece BPE to the letter, without SentencePiece.

Knows pieces and scores; knows nothing of roles or of the file they came from. The description that
`from_dict` reads is the one a mind carries (spec/mind-format.md).
"""

from __future__ import annotations

import codecs
import heapq
import itertools
import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from chat_app import text as text_module

# SentencePiece's own piece types (sentencepiece_model.proto, SentencePiece.Type).
NORMAL: Final = 1
UNKNOWN: Final = 2
CONTROL: Final = 3
USER_DEFINED: Final = 4
BYTE: Final = 6

SPACE: Final = "\u2581"  # how SentencePiece writes a space
UNREADABLE: Final = "\ufffd"
_BYTE_PIECES: Final = [f"<0x{byte:02X}>" for byte in range(256)]
_LONG_WORD: Final = 200  # symbols; beyond it the heap beats the scan
_NOT_A_PIECE: Final = math.inf
_CACHED_WORDS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """What a tokenizer is made of. `scores` are higher for earlier merges; characters have none."""

    kind: Literal["char", "bpe"]
    pieces: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...] = ()
    add_dummy_prefix: bool = False
    yo_to_e: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Pieces:
        """Read the JSON description; ValueError says what does not fit."""
        try:
            kind, pieces, types = values["kind"], tuple(values["pieces"]), tuple(values["types"])
            scores = tuple(values["scores"]) if kind == "bpe" else ()
            add_dummy_prefix, normaliser = values["add_dummy_prefix"], values["normaliser"]
            version, yo_to_e = normaliser["version"], normaliser["yo_to_e"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"the tokenizer lacks {error}") from error
        if kind not in ("char", "bpe"):
            raise ValueError(f"the tokenizer is of an unknown kind {kind!r}")
        if version != text_module.VERSION:
            raise ValueError(f"the normaliser version is {version!r}, this program has {text_module.VERSION}")
        if set(map(type, pieces)) != {str} or len(set(pieces)) != len(pieces):
            raise ValueError("the tokenizer's pieces are not distinct strings")
        if "" in pieces:
            raise ValueError("a piece of the tokenizer is empty")
        if len(types) != len(pieces) or not set(types) <= {NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE}:
            raise ValueError("the tokenizer's types do not match its pieces")
        if kind == "bpe" and len(scores) != len(pieces):
            raise ValueError("the tokenizer's scores do not match its pieces")
        if types.count(UNKNOWN) != 1:
            raise ValueError("the tokenizer must have exactly one unknown piece")
        if types.count(BYTE) not in (0, 256):
            raise ValueError("the tokenizer has some byte pieces, but not all 256")
        if BYTE in types and [p for p, t in zip(pieces, types, strict=True) if t == BYTE] != _BYTE_PIECES:
            raise ValueError("the tokenizer's byte pieces are not <0x00> to <0xFF> in order")
        if kind == "char" and any(len(p) != 1 for p, t in zip(pieces, types, strict=True) if t == NORMAL):
            raise ValueError("a piece of the character tokenizer is not one character")
        return cls(
            kind=kind, pieces=pieces, types=types, scores=scores,
            add_dummy_prefix=bool(add_dummy_prefix), yo_to_e=bool(yo_to_e),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The JSON description of these pieces."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "pieces": list(self.pieces),
            "types": list(self.types),
            "add_dummy_prefix": self.add_dummy_prefix,
            "normaliser": {"version": text_module.VERSION, "yo_to_e": self.yo_to_e},
        }
        if self.kind == "bpe":
            values["scores"] = list(self.scores)
        return values


class Tokenizer:
    """What both kinds share. `control` maps the marks (`<|user|>`, `<s>`...) to ids no text can produce."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.vocab_size: Final = len(pieces.pieces)
        self.unk_id: Final = pieces.types.index(UNKNOWN)
        self.control: Final = {pieces.pieces[i]: i for i, kind in enumerate(pieces.types) if kind == CONTROL}
        self.bos_id: Final = self.control.get("<s>")

    def normalise(self, text: str) -> str:
        """The text as this tokenizer's training saw it."""
        return text_module.normalise(text, yo_to_e=self.pieces.yo_to_e)

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        """Ids of `text`, normalised first; never an id of `control`, whatever the text says.

        `inside` says that the text goes on from earlier text, so no space is put before it.
        """
        raise NotImplementedError

    def decode(self, ids: list[int]) -> str:
        """Text of `ids`; marks give nothing, an unknown or a broken byte gives U+FFFD."""
        return "".join(map(Detokenizer(self).feed, ids))


class CharTokenizer(Tokenizer):
    """One id a character; a character that the vocabulary lacks becomes the unknown id."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        self._ids = dict(zip(pieces.pieces, range(self.vocab_size)))
        for name in (*self.control, pieces.pieces[self.unk_id]):
            del self._ids[name]

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        ids, unk_id = self._ids, self.unk_id
        return [ids.get(character, unk_id) for character in self.normalise(text)]


class BpeTokenizer(Tokenizer):
    """SentencePiece BPE (bpe_model.cc): merge the best-scoring adjacent pair, the leftmost first, until none is left.

    A piece never spans a space in the models that SentencePiece trains by default, so words are merged one by
    one and remembered; where a model has such pieces the text is merged whole.
    """

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        types = pieces.types
        mergeable = [i for i, t in enumerate(types) if t in (NORMAL, USER_DEFINED)]
        self._ids = {pieces.pieces[i]: i for i in mergeable}
        self._rank = {pieces.pieces[i]: -pieces.scores[i] for i in mergeable}  # the lowest merges first
        self._bytes = [i for i, t in enumerate(types) if t == BYTE]
        by_word = not any(p.rfind(SPACE) > 0 for p, t in zip(pieces.pieces, types) if t == NORMAL)
        user_defined = sorted((p for p, t in zip(pieces.pieces, types) if t == USER_DEFINED), key=len, reverse=True)
        # Alternatives are tried in order, so the longest user-defined symbol wins, as in SentencePiece.
        word = f"{SPACE}[^{SPACE}]*|[^{SPACE}]+" if by_word else ".+"
        self._user_defined = frozenset(user_defined)
        self._symbol = re.compile("(" + "|".join(map(re.escape, user_defined)) + ")") if user_defined else None
        self._word = re.compile(word, re.DOTALL)
        self._cache: dict[str, list[int]] = {}

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        text = self.normalise(text)
        if not text:
            return []
        if self.pieces.add_dummy_prefix and not inside:
            text = " " + text
        text = text.replace(" ", SPACE)
        ids: list[int] = []
        for part in self._symbol.split(text) if self._symbol else [text]:
            if part in self._user_defined:
                ids.append(self._ids[part])
                continue
            for word in self._word.findall(part):
                ids += self._cache.get(word) or self._encode_word(word)
        return ids if self._bytes else self._join_unknown(ids)

    def _encode_word(self, word: str) -> list[int]:
        merge = _merge_by_heap if len(word) > _LONG_WORD else _merge_by_scan
        ids: list[int] = []
        for symbol in merge(list(word), self._rank):
            if symbol in self._ids:
                ids.append(self._ids[symbol])
            elif self._bytes:
                ids += [self._bytes[byte] for byte in symbol.encode()]
            else:
                ids.append(self.unk_id)
        if len(self._cache) < _CACHED_WORDS and len(word) <= _LONG_WORD:
            self._cache[word] = ids
        return ids

    def _join_unknown(self, ids: list[int]) -> list[int]:
        """SentencePiece writes a run of unknown characters as one unknown id."""
        unk_id = self.unk_id
        return [i for k, i in enumerate(ids) if i != unk_id or k == 0 or ids[k - 1] != unk_id]


def _merge_by_scan(symbols: list[str], rank: dict[str, float]) -> list[str]:
    """Merge in place; quadratic, and the fastest there is for words of ordinary length."""
    pairs = [rank.get(left + right, _NOT_A_PIECE) for left, right in itertools.pairwise(symbols)]
    while pairs and (best := min(pairs)) != _NOT_A_PIECE:
        i = pairs.index(best)
        symbols[i] += symbols.pop(i + 1)
        del pairs[i]
        if i:
            pairs[i - 1] = rank.get(symbols[i - 1] + symbols[i], _NOT_A_PIECE)
        if i < len(pairs):
            pairs[i] = rank.get(symbols[i] + symbols[i + 1], _NOT_A_PIECE)
    return symbols


def _merge_by_heap(symbols: list[str], rank: dict[str, float]) -> list[str]:
    """The same merges in n log n, for the pasted line without a single space."""
    after = [*range(1, len(symbols)), -1]
    before = [*range(-1, len(symbols) - 1)]
    heap: list[tuple[float, int, str]] = []

    def propose(left: int, right: int) -> None:
        if left >= 0 and right >= 0 and (merged := symbols[left] + symbols[right]) in rank:
            heapq.heappush(heap, (rank[merged], left, merged))

    for left, right in enumerate(after):
        propose(left, right)
    while heap:
        _, left, merged = heapq.heappop(heap)
        right = after[left]
        # A proposal is stale once either side has been merged away or has grown.
        if not symbols[left] or right < 0 or symbols[left] + symbols[right] != merged:
            continue
        symbols[left], symbols[right] = merged, ""
        after[left] = after[right]
        if after[left] >= 0:
            before[after[left]] = left
        propose(before[left], left)
        propose(left, after[left])
    return [symbol for symbol in symbols if symbol]


class Detokenizer:
    """Ids to text as they come, in whole letters; half a letter at the very end was cut by a limit and is dropped.

    `inside` says that the text goes on from earlier text, so a leading space is kept.
    """

    def __init__(self, tokenizer: Tokenizer, *, inside: bool = False) -> None:
        self._pieces = tokenizer.pieces.pieces
        self._types = tokenizer.pieces.types
        self._strip = tokenizer.pieces.add_dummy_prefix and not inside
        self._is_bpe = tokenizer.pieces.kind == "bpe"
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """The text that `token` completes, perhaps none."""
        kind = self._types[token]
        if kind == BYTE:
            return self._start(self._utf8.decode(bytes([int(self._pieces[token][1:-1], 16)])))
        text = self._utf8.decode(b"", final=True)  # a letter that the model broke off
        self._utf8.reset()
        if kind == UNKNOWN:
            text += UNREADABLE
        elif kind != CONTROL:
            piece = self._pieces[token]
            text += piece.replace(SPACE, " ") if self._is_bpe else piece
        return self._start(text)

    @property
    def owed(self) -> int:
        """How many of the last tokens are the beginning of a letter that has not come to its end."""
        return len(self._utf8.getstate()[0])

    def _start(self, text: str) -> str:
        if self._strip and text:
            self._strip = False
            return text.removeprefix(" ")
        return text


def from_dict(values: dict[str, Any]) -> Tokenizer:
    """The tokenizer that a mind describes; ValueError where the description does not fit."""
    pieces = Pieces.from_dict(values)
    return BpeTokenizer(pieces) if pieces.kind == "bpe" else CharTokenizer(pieces)
