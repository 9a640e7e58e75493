"""BPE, unigram and normalisers of ours against the SentencePiece library: the same ids for every text, and back."""

from __future__ import annotations

import io
import random

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from chat_app import tokenizer as tokenizers
from trainer.corpora import generated
from trainer.errors import CorpusError
from trainer.vocabulary import from_sentencepiece

WORDS = "мама мыла раму привет мир как дела кошка собака сегодня завтра lorem ipsum 2024 3,14 — «да»".split()  # noqa: SIM905
SYMBOLS = ["—", "«", "»", "…", "……", "ма", " и ", "\u0301x"]
UNKNOWN_SURFACE = " \u2047 "  # what the library writes for an unknown piece, where we write U+FFFD


def lines(count: int) -> list[str]:
    dice = random.Random(7)
    return [*generated.stories(count, 1), *(" ".join(dice.choices(WORDS, k=12)) for _ in range(count))]


def train(**options) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines(300)), model_writer=model, hard_vocab_limit=False, minloglevel=2,
        **{"model_type": "bpe", "vocab_size": 500, "byte_fallback": True, **options},
    )  # fmt: skip
    return model.getvalue()


OURS = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "bos_id": -1, "eos_id": -1}
GROWN_HERE = {
    "bytes and symbols": {"user_defined_symbols": SYMBOLS[:7], "control_symbols": ["<|end|>"]},
    "no bytes": {"byte_fallback": False, "character_coverage": 0.98},
    "no dummy prefix": {"add_dummy_prefix": False},
    "pieces over spaces": {"split_by_whitespace": False, "vocab_size": 700},
    "digits apart": {"split_digits": True},
}
FROM_ELSEWHERE = {
    "as it comes": {"byte_fallback": False},
    "bytes and symbols": {"user_defined_symbols": SYMBOLS, "control_symbols": ["<|end|>"]},
    "nfkc, spaces kept": {"normalization_rule_name": "nfkc", "remove_extra_whitespaces": False},
    "letters small, no dummy prefix": {"normalization_rule_name": "nmt_nfkc_cf", "add_dummy_prefix": False},
    "letters small, bare": {"normalization_rule_name": "nfkc_cf", "byte_fallback": False},
    "no map": {"normalization_rule_name": "identity", "user_defined_symbols": ["a  b", " и "]},
    "unigram": {"model_type": "unigram", "byte_fallback": False},
    "unigram with bytes and symbols": {
        "model_type": "unigram", "user_defined_symbols": [*SYMBOLS, "мама"], "normalization_rule_name": "nfkc_cf",
    },
    "unigram, spaces kept": {
        "model_type": "unigram", "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
    },
    "unigram over spaces": {"model_type": "unigram", "split_by_whitespace": False},
}  # fmt: skip


@pytest.fixture(scope="module", params=GROWN_HERE)
def pair(request):
    model = train(**OURS, **GROWN_HERE[request.param])
    pieces = from_sentencepiece(model, yo_to_e=False)
    return tokenizers.from_dict(pieces.to_dict()), sentencepiece.SentencePieceProcessor(model_proto=model)


@pytest.fixture(scope="module", params=FROM_ELSEWHERE)
def foreign(request):
    model = train(**FROM_ELSEWHERE[request.param])
    pieces = from_sentencepiece(model)
    return tokenizers.from_dict(pieces.to_dict()), sentencepiece.SentencePieceProcessor(model_proto=model)


def same(pair, text: str) -> None:
    ours, theirs = pair
    text = ours.normalise(text)
    ids = ours.encode(text)
    assert ids == theirs.encode(text)
    if "�" not in text and ours.unk_id not in ids:
        assert ours.decode(ids) == text == theirs.decode(ids)


def quite_the_same(pair, text: str) -> None:
    """Whatever the text, the library is asked with it as it is."""
    ours, theirs = pair
    ids = theirs.encode(text)
    assert ours.encode(text) == ids
    if UNKNOWN_SURFACE not in text:
        assert ours.decode(ids) == theirs.decode(ids).replace(UNKNOWN_SURFACE, "\ufffd")


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


def test_a_mind_from_elsewhere_spells_ordinary_lines_alike(foreign) -> None:
    for line in lines(300):
        quite_the_same(foreign, line)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
@example("")
@example(" ")
@example("▁")
@example("\x01")
@example("\x00а\x00")
@example("   да \t  нет   \n")
@example("▁▁да▁▁")
@example("<|end|><unk><0x41>▁<s>")
@example("a  b и a   b  и  и ")
@example("а\u0301x е\u0301x \u0301x")
@example("¨¨ \u00a8а")
@example("мамамамамама" * 60)
def test_a_mind_from_elsewhere_spells_any_text_alike(foreign, text) -> None:
    quite_the_same(foreign, text)


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        alphabet="маыИё\u0301\u0308x ﬁ㎏①Ａﾊﾞ각\u1100\u1161\u11a8½…™\u00a0\t\n\r\x00\xad\u200b▁ǆİßΣ—«»12", max_size=100
    )
)
def test_a_mind_from_elsewhere_spells_what_its_map_changes_alike(foreign, text) -> None:
    quite_the_same(foreign, text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda proto: setattr(proto.trainer_spec, "model_type", proto.trainer_spec.WORD), "BPE and unigram"),
        (lambda proto: setattr(proto.trainer_spec, "treat_whitespace_as_suffix", True), "spaces before words"),
        (lambda proto: setattr(proto.denormalizer_spec, "precompiled_charsmap", b"abc"), "rules for decoding"),
        (lambda proto: setattr(proto.pieces[3], "piece", proto.pieces[4].piece), "distinct strings"),
        (lambda proto: setattr(proto.pieces[3], "type", 5), "types do not match"),
    ],
)
def test_a_model_that_the_runtime_does_not_spell_is_refused(change, words) -> None:
    proto = sentencepiece_model_pb2.ModelProto.FromString(train(**OURS))
    change(proto)
    with pytest.raises(CorpusError, match=words):
        from_sentencepiece(proto.SerializeToString())


def test_under_the_projects_own_normaliser_no_other_is_taken() -> None:
    with pytest.raises(CorpusError, match="identity normaliser"):
        from_sentencepiece(train(), yo_to_e=True)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(CorpusError, match="not a SentencePiece model"):
        from_sentencepiece(b"\xff\xff nothing of the kind")
