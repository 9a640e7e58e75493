"""What a tokenizer is made of: the description that a mind carries (spec/mind-format.md), read and checked.

Knows pieces, their types and scores, and which normaliser goes before them; cuts no text itself.
"""

from __future__ import annotations

import base64
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

Kind = Literal["char", "bpe", "unigram"]
_KINDS: Final = ("char", "bpe", "unigram")
_LARGEST_SCORE: Final = 3.4e38  # what float32 holds
_BYTE_PIECES: Final = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The normaliser of a mind that grew elsewhere, in SentencePiece's words; without a map it changes no letter."""

    charsmap: bytes = b""
    remove_extra_whitespaces: bool = False
    escape_whitespaces: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The description. `scores` are higher for earlier merges (bpe) or likelier pieces (unigram); characters have none.

    `foreign` stands in the place of the project's own normaliser, which minds grown here have; `yo_to_e` is a
    setting of the latter. `add_bos` says that a text begins with `<s>` where the vocabulary has it.
    """

    kind: Kind
    pieces: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...] = ()
    add_bos: bool = True
    add_dummy_prefix: bool = False
    yo_to_e: bool = False
    foreign: Foreign | None = None

    def __post_init__(self) -> None:
        """ValueError says what does not fit."""
        pieces, types = self.pieces, self.types
        if self.kind not in _KINDS:
            raise ValueError(f"the tokenizer is of an unknown kind {self.kind!r}")
        if set(map(type, pieces)) != {str} or len(set(pieces)) != len(pieces):
            raise ValueError("the tokenizer's pieces are not distinct strings")
        if "" in pieces:
            raise ValueError("a piece of the tokenizer is empty")
        if len(types) != len(pieces) or not set(types) <= {NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE}:
            raise ValueError("the tokenizer's types do not match its pieces")
        if self.kind != "char" and len(self.scores) != len(pieces):
            raise ValueError("the tokenizer's scores do not match its pieces")
        if not all(type(score) in (int, float) and abs(score) <= _LARGEST_SCORE for score in self.scores):
            raise ValueError("a score of the tokenizer is no number that float32 holds")
        if types.count(UNKNOWN) != 1 and (self.kind != "char" or UNKNOWN in types):
            raise ValueError("the tokenizer must have exactly one unknown piece")
        if types.count(BYTE) not in (0, 256):
            raise ValueError("the tokenizer has some byte pieces, but not all 256")
        if BYTE in types and [p for p, t in zip(pieces, types, strict=True) if t == BYTE] != _BYTE_PIECES:
            raise ValueError("the tokenizer's byte pieces are not <0x00> to <0xFF> in order")
        if self.kind == "char" and any(len(p) != 1 for p, t in zip(pieces, types, strict=True) if t == NORMAL):
            raise ValueError("a piece of the character tokenizer is not one character")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Pieces:
        """Read the JSON description; ValueError says what does not fit."""
        try:
            kind = values["kind"]
            return cls(
                kind=kind,
                pieces=tuple(values["pieces"]),
                types=tuple(values["types"]),
                scores=() if kind == "char" else tuple(values["scores"]),
                add_bos=bool(values.get("add_bos", True)),
                add_dummy_prefix=bool(values["add_dummy_prefix"]),
                **_read_normaliser(values["normaliser"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the tokenizer lacks {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The JSON description of these pieces."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "pieces": list(self.pieces),
            "types": list(self.types),
            "add_bos": self.add_bos,
            "add_dummy_prefix": self.add_dummy_prefix,
            "normaliser": self._normaliser(),
        }
        if self.kind != "char":
            values["scores"] = list(self.scores)
        return values

    def _normaliser(self) -> dict[str, Any]:
        if self.foreign is None:
            return {"kind": "house", "version": text_module.VERSION, "yo_to_e": self.yo_to_e}
        return {
            "kind": "sentencepiece",
            "charsmap": base64.b64encode(self.foreign.charsmap).decode(),
            "remove_extra_whitespaces": self.foreign.remove_extra_whitespaces,
            "escape_whitespaces": self.foreign.escape_whitespaces,
        }


def _read_normaliser(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of Pieces that say what is done to a text before it is cut. Older minds do not name the kind."""
    if not isinstance(values, dict):
        raise ValueError("the normaliser is not a JSON object")
    kind = values.get("kind", "house")
    if kind == "sentencepiece":
        foreign = Foreign(
            charsmap=base64.b64decode(values["charsmap"], validate=True),
            remove_extra_whitespaces=bool(values["remove_extra_whitespaces"]),
            escape_whitespaces=bool(values["escape_whitespaces"]),
        )
        return {"foreign": foreign}
    if kind != "house":
        raise ValueError(f"the normaliser is of an unknown kind {kind!r}")
    version, yo_to_e = values["version"], values["yo_to_e"]
    if version != text_module.VERSION:
        raise ValueError(f"the normaliser version is {version!r}, this program has {text_module.VERSION}")
    return {"yo_to_e": bool(yo_to_e)}
