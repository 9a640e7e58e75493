"""Text to ids and back: characters, or SentencePiece BPE and unigram to the letter, without SentencePiece.

Knows pieces and scores; knows nothing of roles or of the file they came from.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final

from chat_app import text as text_module
from chat_app.merging import merge
from chat_app.normaliser import Normaliser, any_of
from chat_app.pieces import BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, USER_DEFINED, Pieces
from chat_app.unigram import Unigram

UNREADABLE: Final = "\ufffd"
_LONG_WORD: Final = 200  # characters; longer ones are hardly met twice
_CACHED_WORDS: Final = 200_000


class Tokenizer:
    """What all kinds share. `control` maps the marks (`<|user|>`, `<s>`...) to ids no text can produce."""

    def __init__(self, pieces: Pieces) -> None:
        """ValueError where the normaliser that the pieces bring is damaged."""
        self.pieces = pieces
        self.vocab_size: Final = len(pieces.pieces)
        self.unk_id: Final = pieces.types.index(UNKNOWN) if UNKNOWN in pieces.types else None
        self.control: Final = {pieces.pieces[i]: i for i, kind in enumerate(pieces.types) if kind == CONTROL}
        self.bos_id: Final = self.control.get("<s>") if pieces.add_bos else None
        self.silent: Final = frozenset(i for i, kind in enumerate(pieces.types) if kind in (CONTROL, UNKNOWN))
        """Ids that say nothing to a person: no answer holds them."""
        symbols = [p for p, kind in zip(pieces.pieces, pieces.types) if kind == USER_DEFINED]
        self._foreign = Normaliser(pieces.foreign, symbols) if pieces.foreign else None

    def normalise(self, text: str, *, inside: bool = False) -> str:
        """The text as this tokenizer's training saw it: by the project's own rules, or by those the mind brings."""
        if self._foreign:
            return self._foreign.normalise(text, inside=inside)
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
    """One id a character; one that the vocabulary lacks becomes the unknown id, or nothing where there is none."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        self._ids = {piece: i for i, piece in enumerate(pieces.pieces) if i not in self.silent}

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        ids, unk_id, text = self._ids, self.unk_id, self.normalise(text, inside=inside)
        if unk_id is None:
            return [ids[character] for character in text if character in ids]
        return [ids.get(character, unk_id) for character in text]


class SubwordTokenizer(Tokenizer):
    """What SentencePiece does around its two algorithms."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        self._ids = {p: i for i, (p, t) in enumerate(zip(pieces.pieces, pieces.types)) if t in (NORMAL, USER_DEFINED)}
        self._bytes = [i for i, t in enumerate(pieces.types) if t == BYTE]
        self._unknown = [] if self.unk_id is None else [self.unk_id]
        self._escapes = pieces.foreign is None or pieces.foreign.escape_whitespaces
        self._tidies = pieces.foreign is not None and pieces.foreign.remove_extra_whitespaces

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        normal = self.normalise(text, inside=inside)
        # SentencePiece puts its space even before a text of which its map has left nothing.
        if not (normal or (text and self._foreign and not self._tidies)):
            return []
        if self.pieces.add_dummy_prefix and not inside:
            normal = " " + normal
        ids = self._cut(normal.replace(" ", SPACE) if self._escapes else normal)
        return ids if self._bytes else self._join_unknown(ids)

    def _cut(self, text: str) -> list[int]:
        """Ids of a text whose spaces are as in the pieces."""
        raise NotImplementedError

    def _named(self, symbols: list[str]) -> list[int]:
        """Ids of pieces, and of the bytes of what is none."""
        ids: list[int] = []
        for symbol in symbols:
            if symbol in self._ids:
                ids.append(self._ids[symbol])
            elif self._bytes:
                ids += [self._bytes[byte] for byte in symbol.encode()]
            else:
                ids += self._unknown
        return ids

    def _join_unknown(self, ids: list[int]) -> list[int]:
        """SentencePiece writes a run of unknown characters as one unknown id."""
        unk_id = self.unk_id
        return [i for k, i in enumerate(ids) if i != unk_id or k == 0 or ids[k - 1] != unk_id]


class BpeTokenizer(SubwordTokenizer):
    """SentencePiece BPE (bpe_model.cc).

    A piece never spans a space in the models that SentencePiece trains by default, so words are merged one by
    one and remembered; where a model has such pieces the text is merged whole.
    """

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        self._rank = {p: -pieces.scores[i] for p, i in self._ids.items()}  # the lowest merges first
        by_word = not any(p.rfind(SPACE) > 0 for p, t in zip(pieces.pieces, pieces.types) if t == NORMAL)
        symbols = [p for p, t in zip(pieces.pieces, pieces.types) if t == USER_DEFINED]
        self._symbols = frozenset(symbols)
        self._symbol = re.compile(f"({any_of(symbols)})") if symbols else None
        self._word = re.compile(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+" if by_word else ".+", re.DOTALL)
        self._cache: dict[str, list[int]] = {}

    def _cut(self, text: str) -> list[int]:
        ids: list[int] = []
        for part in self._symbol.split(text) if self._symbol else [text]:
            if part in self._symbols:
                ids.append(self._ids[part])
                continue
            for word in self._word.findall(part):
                ids += self._cache.get(word) or self._encode_word(word)
        return ids

    def _encode_word(self, word: str) -> list[int]:
        ids = self._named(merge(list(word), self._rank))
        if len(self._cache) < _CACHED_WORDS and len(word) <= _LONG_WORD:
            self._cache[word] = ids
        return ids


class UnigramTokenizer(SubwordTokenizer):
    """SentencePiece's unigram model: the likeliest spelling of the text as a whole."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        scores = {p: s for p, t, s in zip(pieces.pieces, pieces.types, pieces.scores) if t == NORMAL}
        self._unigram = Unigram(scores, self._ids.keys() - scores.keys())

    def _cut(self, text: str) -> list[int]:
        return self._named(self._unigram.spell(text))


class Detokenizer:
    """Ids to text as they come, in whole letters; half a letter at the very end was cut by a limit and is dropped.

    `inside` says that the text goes on from earlier text, so a leading space is kept.
    """

    def __init__(self, tokenizer: Tokenizer, *, inside: bool = False) -> None:
        pieces = tokenizer.pieces
        self._pieces, self._types = pieces.pieces, pieces.types
        self._is_char = pieces.kind == "char"
        self._tidies = pieces.foreign is not None and pieces.foreign.remove_extra_whitespaces
        self._at_start = (pieces.add_dummy_prefix or self._tidies) and not inside
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        """The text that `token` completes, perhaps none."""
        kind = self._types[token]
        if kind == BYTE:
            self._at_start = False
            return self._utf8.decode(bytes([int(self._pieces[token][1:-1], 16)]))
        text = self._utf8.decode(b"", final=True)  # a letter that the model broke off
        self._utf8.reset()
        if kind == CONTROL:
            return text
        if kind == UNKNOWN:
            self._at_start = False
            return text + UNREADABLE
        return text + self._readable(self._pieces[token])

    def peek(self, token: int) -> str:
        """The text that `feed` would give, which changes nothing."""
        before = self._at_start, self._utf8.getstate()
        text = self.feed(token)
        self._at_start = before[0]
        self._utf8.setstate(before[1])
        return text

    def _readable(self, piece: str) -> str:
        """The text of a piece; the first loses the space put before it, and where spaces are tidied all of them go."""
        if self._is_char:
            return piece
        if self._at_start:
            piece = piece.removeprefix(SPACE)
            self._at_start = self._tidies and not piece
        return piece.replace(SPACE, " ")

    @property
    def owed(self) -> int:
        """How many of the last tokens are the beginning of a letter that has not come to its end."""
        return len(self._utf8.getstate()[0])


_KINDS: Final = {"char": CharTokenizer, "bpe": BpeTokenizer, "unigram": UnigramTokenizer}


def of(pieces: Pieces) -> Tokenizer:
    """The tokenizer made of `pieces`; ValueError where their normaliser is damaged."""
    return _KINDS[pieces.kind](pieces)


def from_dict(values: dict[str, Any]) -> Tokenizer:
    """The tokenizer that a mind describes; ValueError where the description does not fit."""
    return of(Pieces.from_dict(values))
