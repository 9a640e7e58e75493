"""Our BPE against the SentencePiece library: the same ids for every text."""

from __future__ import annotations

import io
import random

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_app import tokenizer as tokenizers
from trainer.corpora import generated
from trainer.vocabulary import from_sentencepiece

WORDS = "мама мыла раму привет мир как дела кошка собака сегодня завтра lorem ipsum 2024 3,14 — «да»".split()  # noqa: SIM905


def lines(count: int) -> list[str]:
    dice = random.Random(7)
    return [*generated.stories(count, 1), *(" ".join(dice.choices(WORDS, k=12)) for _ in range(count))]


def train(**options) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines(300)), model_writer=model, model_type="bpe", hard_vocab_limit=False,
        normalization_rule_name="identity", remove_extra_whitespaces=False, bos_id=-1, eos_id=-1, minloglevel=2,
        **{"vocab_size": 500, "byte_fallback": True, **options},
    )  # fmt: skip
    return model.getvalue()


MODELS = {
    "bytes and symbols": {
        "user_defined_symbols": ["—", "«", "»", "…", "……", "ма", " и "],
        "control_symbols": ["<|end|>"],
    },
    "no bytes": {"byte_fallback": False, "character_coverage": 0.98},
    "no dummy prefix": {"add_dummy_prefix": False},
    "pieces over spaces": {"split_by_whitespace": False, "vocab_size": 700},
    "digits apart": {"split_digits": True},
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    model = train(**MODELS[request.param])
    pieces = from_sentencepiece(model, yo_to_e=False)
    return tokenizers.from_dict(pieces.to_dict()), sentencepiece.SentencePieceProcessor(model_proto=model)


def same(pair, text: str) -> None:
    ours, theirs = pair
    text = ours.normalise(text)
    ids = ours.encode(text)
    assert ids == theirs.encode(text)
    if "�" not in text and ours.unk_id not in ids:
        assert ours.decode(ids) == text == theirs.decode(ids)


def test_ordinary_lines_are_spelled_alike(pair) -> None:
    for line in lines(500):
        same(pair, line)


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=80))
@example("")
@example(" ")
@example("   да   ")
@example("a" * 1000)
@example("мамамамамама" * 60)
@example("<|end|><unk><0x41>▁<s>")
@example("\n\n мир\n")
@example("…………")
@example("👩‍👩‍👧 ё ё\u0308")
def test_any_text_is_spelled_alike(pair, text) -> None:
    same(pair, text)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="маы мылру—«»… 123abc\n", max_size=400))
def test_any_text_of_the_learned_alphabet_is_spelled_alike(pair, text) -> None:
    same(pair, text)
