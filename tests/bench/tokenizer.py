"""How fast text becomes ids, cold, and whether they are SentencePiece's; over real lines.

Run by `nox -s bench -- --text FILE`; without a file, over the generated stories. Prints one JSON object.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from pathlib import Path

import sentencepiece

from chat_app import tokenizer as tokenizers
from chat_app.text import normalise
from trainer.corpora import generated
from trainer.corpora.documents import read
from trainer.vocabulary import from_sentencepiece

LINES = 100_000
ODD_STRINGS = 10_000
ODD_ALPHABETS = (
    "маы мылру—«»… 123abc\n",
    "".join(map(chr, range(0x20, 0x500))),
    "👩‍🚀ё\u0308ﬁ㎏한漢\u200f\u2028\t  ▁",
    "аб ",
)
TRAINING_CHARACTERS = 20_000_000
SYMBOLS = ["—", "«", "»", "…"]


def lines(paths: list[Path]) -> list[str]:
    """The first non-empty normalised lines, as many as there are, up to LINES."""
    texts = (d.text for p in paths for d in read(p)) if paths else generated.stories(30_000, 0)
    found: list[str] = []
    for text in texts:
        found += [line for line in normalise(text, yo_to_e=True).split("\n") if line.strip()]
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


def main() -> None:
    corpus = lines([Path(argument) for argument in sys.argv[1:]])
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="bpe", vocab_size=8192 if sys.argv[1:] else 600,
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        user_defined_symbols=SYMBOLS, control_symbols=["<|end|>"], bos_id=1, eos_id=-1, hard_vocab_limit=False,
        max_sentence_length=100_000, input_sentence_size=200_000, minloglevel=2,
    )  # fmt: skip
    pieces = from_sentencepiece(model.getvalue(), yo_to_e=True)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ours = tokenizers.from_dict(pieces.to_dict())
    started = time.perf_counter()
    ids = [ours.encode(line) for line in corpus]
    seconds = time.perf_counter() - started
    different = sum(mine != theirs.encode(line) for line, mine in zip(corpus, ids, strict=True))
    odd = [ours.normalise(text) for text in odd_strings()]
    odd_different = sum(ours.encode(text) != theirs.encode(text) for text in odd)
    characters = sum(map(len, corpus))
    print(
        json.dumps(
            {
                "tokenizer_lines": len(corpus),
                "tokenizer_different_lines": different,
                "tokenizer_odd_strings": len(odd),
                "tokenizer_different_odd_strings": odd_different,
                "tokenizer_characters": characters,
                "tokenizer_cold_characters_per_second": characters / seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
