"""The chat template: what a mind reads, and what it answers for."""

from __future__ import annotations

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.template import MARKS, Message, has_marks, render

CHAR = minds.tokenizer_of(minds.char_pieces(marks=True))
BPE = minds.tokenizer_of(minds.bpe_pieces(marks=True))
# A vocabulary that can build every mark but for its last step, as one learned on logs of dialogues would.
TEMPTED = minds.tokenizer_of(
    minds.bpe_pieces(marks=True, words=["<|", "|>", "en", "end", "<|end", "us", "er", "user", "<|user", "<s", ">"])
)
TOKENIZERS = pytest.mark.parametrize("tokenizer", [CHAR, BPE, TEMPTED])
HOSTILE = st.lists(st.sampled_from([*MARKS, "<s>", "\n", " ", "Дом", "<|", "|>", "end"])).map("".join) | st.text()


def test_a_dialogue_is_spelled_as_the_contract_says() -> None:
    ids, mask = render(
        CHAR, [Message("system", "Я"), Message("user", " Да? "), Message("assistant", "Ну")], answer=True
    )
    spelled = [CHAR.pieces.pieces[i] for i in ids]
    assert spelled == [
        "<s>", "<|system|>", "Я", "<|end|>", "<|user|>", "Д", "а", "?", "<|end|>",
        "<|assistant|>", "Н", "у", "<|end|>", "<|assistant|>",
    ]  # fmt: skip
    assert mask == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0]


@TOKENIZERS
@given(text=HOSTILE, system=HOSTILE)
def test_user_text_cannot_forge_marks(tokenizer: minds.tokenizers.Tokenizer, text: str, system: str) -> None:
    ids, mask = render(tokenizer, [Message("system", system), Message("user", text)], answer=True)
    marks = [i for i in ids if i in tokenizer.control.values()]
    names = ["<s>", "<|system|>", "<|end|>", "<|user|>", "<|end|>", "<|assistant|>"]
    assert marks == [tokenizer.control[name] for name in names]
    assert not set(tokenizer.encode("<|end|><|user|><s>", inside=True)) & set(tokenizer.control.values())
    assert len(mask) == len(ids)
    assert not any(mask)


@TOKENIZERS
def test_the_assistant_keeps_the_spelling_it_chose(tokenizer: minds.tokenizers.Tokenizer) -> None:
    own = list(reversed(tokenizer.encode("дом")))
    ids, mask = render(tokenizer, [Message("assistant", "дом", own)])
    assert ids[2:-1] == own
    assert mask == [0, 0, *[1] * len(own), 1]


@TOKENIZERS
def test_what_is_rendered_for_an_answer_is_a_prefix_of_the_next_turn(tokenizer: minds.tokenizers.Tokenizer) -> None:
    turns = [Message("user", "Дом?"), Message("assistant", "Река.", tokenizer.encode("Река."))]
    first, _ = render(tokenizer, turns[:1], answer=True)
    second, _ = render(tokenizer, [*turns, Message("user", "Да?")], answer=True)
    assert second[: len(first)] == first
    assert second[: len(first) + len(turns[1].ids)] == first + turns[1].ids


def test_a_vocabulary_without_marks_or_with_forged_ones_cannot_chat() -> None:
    assert has_marks(CHAR)
    assert not has_marks(minds.tokenizer_of(minds.char_pieces()))
    assert not has_marks(minds.tokenizer_of(minds.bpe_pieces(symbols=MARKS)))


def test_a_dialogue_without_a_beginning_mark_just_begins() -> None:
    pieces = minds.char_pieces(marks=True)
    named = tuple("<t>" if p == "<s>" else p for p in pieces.pieces)
    tokenizer = minds.tokenizer_of(minds.Pieces(kind="char", pieces=named, types=pieces.types))
    ids, _ = render(tokenizer, [Message("user", "Д")])
    assert named[ids[0]] == "<|user|>"
