"""How fast text becomes ids, cold, and whether they are SentencePiece's; over real lines, for minds of every descent.

Run by `nox -s bench -- --text FILE`; without a file, over the generated stories. Prints one JSON object.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from chat_app import tokenizer as tokenizers
from chat_app.text import normalise
from chat_app.tokenizer import Tokenizer
from trainer.corpora import generated
from trainer.corpora.documents import read
from trainer.vocabulary import from_sentencepiece

LINES = 100_000
LEARNED_LINES = 20_000  # a unigram model of more takes minutes
ODD_STRINGS = 10_000
ODD_ALPHABETS = (
    "маы мылру—«»… 123abc\n",
    "".join(map(chr, range(0x20, 0x500))),
    "👩‍🚀ё\u0308ﬁ㎏한漢\u200f\u2028\t  ▁",
    "①Ａﾊﾞ각\u1100\u1161\u11a8e\u0301½™\u00a0\r\x00\xad\u200bǆİßΣς аб",
    "аб ",
)
SYMBOLS = ["—", "«", "»", "…"]
OURS = {
    "model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "split_digits": True,
    "remove_extra_whitespaces": False, "user_defined_symbols": SYMBOLS, "control_symbols": ["<|end|>"], "bos_id": 1,
    "eos_id": -1,
}  # fmt: skip
FROM_ELSEWHERE: dict[str, dict[str, Any]] = {
    f"{kind}, {rule}": {"model_type": kind, "normalization_rule_name": rule}
    for kind in ("bpe", "unigram")
    for rule in ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity")
}
# The other switches, each in some of them.
FROM_ELSEWHERE["bpe, nmt_nfkc"] |= {"byte_fallback": True}
FROM_ELSEWHERE["bpe, nfkc"] |= {"remove_extra_whitespaces": False, "user_defined_symbols": [*SYMBOLS, "……", " и "]}
FROM_ELSEWHERE["bpe, nfkc_cf"] |= {"add_dummy_prefix": False, "control_symbols": ["<|end|>"]}
FROM_ELSEWHERE["unigram, nfkc"] |= {"byte_fallback": True, "user_defined_symbols": [*SYMBOLS, "……", "ма", "мама"]}
FROM_ELSEWHERE["unigram, nfkc_cf"] |= {"add_dummy_prefix": False, "remove_extra_whitespaces": False}
FROM_ELSEWHERE["unigram, identity"] |= {"split_by_whitespace": False}


def lines(paths: list[Path], clean: Callable[[str], str]) -> list[str]:
    """The first non-empty lines, cleaned, as many as there are, up to LINES."""
    texts = (d.text for p in paths for d in read(p)) if paths else generated.stories(30_000, 0)
    found: list[str] = []
    for text in texts:
        found += [line for line in clean(text).split("\n") if line.strip()]
        if len(found) >= LINES:
            break
    return found[:LINES]


def odd_strings() -> list[str]:
    """Strings that nobody writes: mixed scripts, combining marks, runs of one letter, any code point at all."""
    dice = random.Random(0)
    found = []
    for _ in range(ODD_STRINGS):
        alphabet = dice.choice(ODD_ALPHABETS)
        letters = dice.choices(alphabet, k=dice.randrange(200))
        letters += [
            chr(dice.choice((dice.randrange(0xD800), dice.randrange(0xE000, 0x110000))))
            for _ in range(dice.randrange(4))
        ]
        dice.shuffle(letters)
        found.append("".join(letters))
    return found


def train(corpus: Sequence[str], vocab_size: int, **options: Any) -> bytes:
    """A SentencePiece model of the lines."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, vocab_size=vocab_size, hard_vocab_limit=False,
        max_sentence_length=100_000, input_sentence_size=200_000, minloglevel=2, **options,
    )  # fmt: skip
    return model.getvalue()


def differing(model: bytes, ours: Tokenizer, texts: Sequence[str]) -> int:
    """How many texts the library spells another way, or reads back as another text; U+2047 is its unknown piece."""
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
    count = 0
    for text in texts:
        ids = theirs.encode(text)
        back = theirs.decode(ids).replace(" \u2047 ", "\ufffd")
        count += ours.encode(text) != ids or (ours.decode(ids) != back and "\u2047" not in text)
    return count


def of_a_mind_grown_here(paths: list[Path]) -> dict[str, float]:
    """Speed and differences where the project's own normaliser goes before."""
    corpus = lines(paths, lambda text: normalise(text, yo_to_e=True))
    model = train(corpus, 8192 if paths else 600, **OURS)
    ours = tokenizers.of(from_sentencepiece(model, yo_to_e=True))
    started = time.perf_counter()
    for line in corpus:
        ours.encode(line)
    seconds = time.perf_counter() - started
    odd = [ours.normalise(text) for text in odd_strings()]
    return {
        "tokenizer_lines": len(corpus),
        "tokenizer_different_lines": differing(model, ours, corpus),
        "tokenizer_odd_strings": len(odd),
        "tokenizer_different_odd_strings": differing(model, ours, odd),
        "tokenizer_characters": sum(map(len, corpus)),
        "tokenizer_cold_characters_per_second": sum(map(len, corpus)) / seconds,
    }


def of_minds_from_elsewhere(paths: list[Path]) -> dict[str, float]:
    """Differences in every setting, where a mind brings SentencePiece's own normaliser; each setting goes to stderr."""
    corpus, odd = lines(paths, str), odd_strings()
    different = 0
    for name, options in FROM_ELSEWHERE.items():
        model = train(corpus[:LEARNED_LINES], 4000 if paths else 600, **options)
        ours = tokenizers.of(from_sentencepiece(model))
        started = time.perf_counter()
        for line in corpus:
            ours.encode(line)
        speed = sum(map(len, corpus)) / (time.perf_counter() - started)
        found = differing(model, ours, corpus), differing(model, ours, odd)
        print(f"{name}: {speed / 1e6:.2f} M characters/s, {found} of {len(corpus), len(odd)} differ", file=sys.stderr)
        different += sum(found)
    return {
        "tokenizer_foreign_settings": len(FROM_ELSEWHERE),
        "tokenizer_foreign_texts": len(corpus) + len(odd),
        "tokenizer_foreign_different": different,
    }


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]]
    print(json.dumps(of_a_mind_grown_here(paths) | of_minds_from_elsewhere(paths)))


if __name__ == "__main__":
    main()
