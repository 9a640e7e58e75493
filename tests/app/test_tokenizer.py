"""Characters and BPE: ids and back. Parity with SentencePiece itself is checked in tests/train."""

from __future__ import annotations

import string
from dataclasses import replace
from itertools import pairwise

import charsmaps
import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import tokenizer as tokenizers
from chat_app.merging import merge_by_heap, merge_by_scan
from chat_app.pieces import BYTE, CONTROL, NORMAL, UNKNOWN, Foreign, Pieces
from chat_app.template import MARKS
from chat_app.tokenizer import UNREADABLE, Detokenizer, Tokenizer

ANY_TEXT = st.text(st.characters(exclude_categories=()))
HOMELY = st.text(st.sampled_from(minds.ALPHABET + "😀й́ё"))
CHAR = minds.tokenizer_of(minds.char_pieces(marks=True))
BPE = minds.tokenizer_of(minds.bpe_pieces(marks=True))
BARE = minds.tokenizer_of(minds.bpe_pieces(with_bytes=False, add_dummy_prefix=False))
SYMBOLS = minds.tokenizer_of(minds.bpe_pieces(symbols=("[имя]", "[имя", "дом у")))
SPANNING = minds.tokenizer_of(minds.bpe_pieces(words=["река▁и", "▁и▁река"]))
FOREIGN = Foreign(charsmap=charsmaps.compiled({"ﬁ": "fi", "\n": " "}), remove_extra_whitespaces=True)
TIDY = minds.tokenizer_of(minds.bpe_pieces(foreign=FOREIGN))
UNIGRAM = tokenizers.of(replace(BPE.pieces, kind="unigram"))
ALL = [CHAR, BPE, BARE, SYMBOLS, SPANNING, UNIGRAM]
WITH_BYTES = [BPE, SYMBOLS, SPANNING, UNIGRAM]


@given(ANY_TEXT | HOMELY)
@pytest.mark.parametrize("tokenizer", WITH_BYTES)
def test_with_bytes_any_text_comes_back_whole(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalise(text)


@given(ANY_TEXT | HOMELY)
def test_characters_come_back_and_the_unknown_becomes_one_sign(text: str) -> None:
    expected = "".join(c if c in minds.ALPHABET else UNREADABLE for c in CHAR.normalise(text))
    assert CHAR.decode(CHAR.encode(text)) == expected


@given(ANY_TEXT | HOMELY)
def test_without_bytes_a_run_of_unknown_characters_is_one_id(text: str) -> None:
    known = set("".join(p for p, t in zip(BARE.pieces.pieces, BARE.pieces.types) if t == NORMAL).replace("▁", " "))
    expected = "".join(c if c in known else UNREADABLE for c in BARE.normalise(text))
    while UNREADABLE * 2 in expected:
        expected = expected.replace(UNREADABLE * 2, UNREADABLE)
    ids = BARE.encode(text)
    assert BARE.decode(ids) == expected
    assert (BARE.unk_id, BARE.unk_id) not in pairwise(ids)


@given(ANY_TEXT | HOMELY | st.lists(st.sampled_from([*MARKS, "<s>", "<unk>", "<0x41>", "а", " "])).map("".join))
@pytest.mark.parametrize("tokenizer", [CHAR, BPE])
def test_no_text_ever_becomes_a_mark(tokenizer: Tokenizer, text: str) -> None:
    for inside in (False, True):
        assert not set(tokenizer.encode(text, inside=inside)) & set(tokenizer.control.values())


def test_byte_names_in_a_text_are_letters_not_bytes() -> None:
    assert BPE.decode(BPE.encode("<0x41>")) == "<0x41>"


@given(ANY_TEXT | HOMELY, st.integers(0, 20))
@pytest.mark.parametrize("tokenizer", ALL)
def test_text_goes_on_from_text_without_a_space_put_between(tokenizer: Tokenizer, text: str, cut: int) -> None:
    text = tokenizer.normalise(text)
    head, tail = text[:cut], text[cut:]
    if tokenizer.normalise(head) != head or tokenizer.normalise(tail) != tail or not head:
        return  # the cut made new runs of spaces or dots
    ids = tokenizer.encode(head) + tokenizer.encode(tail, inside=True)
    known = tokenizer.decode(tokenizer.encode(text))
    assert tokenizer.decode(ids).replace(UNREADABLE, "") == known.replace(UNREADABLE, "")


@given(
    st.text(st.sampled_from("абв▁"), max_size=40),
    st.dictionaries(st.text(st.sampled_from("абв▁"), min_size=2, max_size=5), st.integers(0, 6)),
)
def test_the_heap_merges_as_the_scan_does(word: str, rank: dict[str, int]) -> None:
    assert merge_by_heap(list(word), rank) == merge_by_scan(list(word), rank)


def test_a_pasted_line_without_spaces_takes_no_quadratic_time() -> None:
    word = "дом" * 20_000
    ids = BPE.encode(word)
    assert BPE.decode(ids) == word
    assert BPE.encode("дом" * 50) == ids[: len(BPE.encode("дом" * 50))]


def test_the_longest_symbol_of_the_maker_wins_and_is_never_split() -> None:
    ids = SYMBOLS.encode("дом [имя] и [имя")
    named = [SYMBOLS.pieces.pieces[i] for i in ids]
    assert "[имя]" in named
    assert "[имя" in named
    assert SYMBOLS.decode(ids) == "дом [имя] и [имя"


def test_yo_is_written_as_the_training_saw_it() -> None:
    tokenizer = minds.tokenizer_of(minds.char_pieces(yo_to_e=True))
    assert tokenizer.decode(tokenizer.encode("Ёлка, ещё")) == "Елка, еще"


@given(ANY_TEXT | HOMELY, st.data())
@pytest.mark.parametrize("tokenizer", [CHAR, BPE])
def test_streaming_gives_the_whole_text_and_never_half_a_letter(
    tokenizer: Tokenizer, text: str, data: st.DataObject
) -> None:
    text = "".join(
        c for c in tokenizer.normalise(text) if c != UNREADABLE and (tokenizer is BPE or c in minds.ALPHABET)
    )
    ids = tokenizer.encode(text)
    if tokenizer is BPE:  # spelled in bytes from some place on, as a young mind does
        cut = data.draw(st.integers(0, len(text)))
        table = {int(p[1:-1], 16): i for i, (p, t) in enumerate(zip(BPE.pieces.pieces, BPE.pieces.types)) if t == BYTE}
        ids = BPE.encode(text[:cut]) + [table[byte] for byte in text[cut:].encode()]
        expected = BPE.decode(BPE.encode(text[:cut])) + text[cut:]
    else:
        expected = tokenizer.normalise(text)
    stream = Detokenizer(tokenizer)
    shown = [stream.feed(token) for token in ids]
    assert UNREADABLE not in "".join(shown)
    assert "".join(shown) == expected


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_half_a_letter_is_never_printed(cut: int) -> None:
    table = {p: i for i, p in enumerate(BPE.pieces.pieces)}
    ids = [table[f"<0x{byte:02X}>"] for byte in "😀".encode()]
    stream = Detokenizer(BPE)
    assert [stream.feed(token) for token in ids[:cut]] == [""] * cut
    assert stream.owed == cut
    assert BPE.decode(ids[:cut]) == ""
    assert "".join(map(stream.feed, ids[cut:])) == "😀"
    assert stream.owed == 0


def test_a_letter_that_the_mind_broke_off_becomes_one_sign() -> None:
    table = {p: i for i, p in enumerate(BPE.pieces.pieces)}
    assert BPE.decode([table["<0xD0>"], table["▁друг"], table["<0xB0>"]]) == "\ufffd друг\ufffd"


def test_only_the_very_first_token_loses_its_space() -> None:
    table = {p: i for i, p in enumerate(BPE.pieces.pieces)}
    letter = [table[f"<0x{byte:02X}>"] for byte in "Я".encode()]
    assert BPE.decode([*letter, table["▁друг"]]) == "Я друг"
    assert BPE.decode([table["<0x20>"], table["▁друг"]]) == "  друг"


def test_the_first_space_goes_only_at_the_very_beginning() -> None:
    ids = BPE.encode("дом у реки")
    assert BPE.decode(ids) == "дом у реки"
    inside = Detokenizer(BPE, inside=True)
    assert "".join(map(inside.feed, ids)) == " дом у реки"


def test_marks_and_the_unknown_have_the_text_that_the_contract_says() -> None:
    assert BPE.decode([BPE.control["<|user|>"], *BPE.encode("дом"), BPE.control["<|end|>"]]) == "дом"
    assert BPE.decode([BPE.unk_id]) == UNREADABLE


@pytest.mark.parametrize(
    "pieces",
    [
        minds.char_pieces(marks=True, yo_to_e=True), minds.bpe_pieces(symbols=("[имя]",)), TIDY.pieces,
        replace(TIDY.pieces, kind="unigram", add_bos=False),
    ],
)  # fmt: skip
def test_a_description_read_back_is_the_same(pieces: Pieces) -> None:
    assert Pieces.from_dict(pieces.to_dict()) == pieces


def test_a_description_from_before_there_were_kinds_of_normalisers_is_read() -> None:
    values = minds.char_pieces(yo_to_e=True).to_dict()
    values["normaliser"] = {"version": 1, "yo_to_e": True}
    del values["add_bos"]
    assert Pieces.from_dict(values) == minds.char_pieces(yo_to_e=True)


@given(ANY_TEXT | HOMELY)
def test_the_text_of_a_mind_from_elsewhere_comes_back_as_its_own_normaliser_has_it(text: str) -> None:
    assert TIDY.decode(TIDY.encode(text)) == TIDY.normalise(text).replace("▁", " ").strip(" ")


def test_the_projects_own_normaliser_leaves_a_mind_from_elsewhere_alone() -> None:
    line = "Ёлка… “да”...  ﬁн\n"
    assert TIDY.decode(TIDY.encode(line)) == "Ёлка… “да”... fiн"
    assert SYMBOLS.decode(SYMBOLS.encode(line)) == 'Ёлка… "да"… ﬁн\n'


def test_a_text_that_goes_on_keeps_one_space() -> None:
    ids = TIDY.encode("дом") + TIDY.encode("  у реки", inside=True)
    assert TIDY.decode(ids) == "дом у реки"
    assert ids == TIDY.encode("дом у реки")


def test_of_tidied_spaces_none_is_left_at_the_beginning() -> None:
    space, letter = TIDY.encode("▁▁дом")[0], TIDY.encode("д", inside=True)
    assert TIDY.decode([space, space, *letter]) == "д"


def test_characters_without_an_unknown_one_leave_out_what_they_lack() -> None:
    pieces = Pieces(kind="char", pieces=("\n", "а", "б"), types=(NORMAL,) * 3, foreign=Foreign())
    tokenizer = tokenizers.of(pieces)
    assert tokenizer.unk_id is None
    assert not tokenizer.silent
    assert tokenizer.encode("аxб\r\nа") == [1, 2, 0, 1]


def test_a_mind_may_begin_without_its_mark() -> None:
    assert BPE.bos_id == BPE.control["<s>"]
    assert tokenizers.of(replace(BPE.pieces, add_bos=False)).bos_id is None


BROKEN = {
    "lacks": lambda d: d.pop("types"),
    "unknown kind": lambda d: d.update(kind="words"),
    "normaliser version": lambda d: d.update(normaliser={"version": 99, "yo_to_e": False}),
    "normaliser is of an unknown kind": lambda d: d.update(normaliser={"kind": "homely"}),
    "the tokenizer lacks 'charsmap'": lambda d: d.update(normaliser={"kind": "sentencepiece"}),
    "distinct": lambda d: d["pieces"].__setitem__(-1, d["pieces"][-2]),
    "types do not match": lambda d: d["types"].pop(),
    "scores do not match": lambda d: d["scores"].pop(),
    "exactly one unknown": lambda d: d["types"].__setitem__(0, NORMAL),
    "not all 256": lambda d: d["types"].__setitem__(d["types"].index(BYTE), CONTROL),
    "byte pieces": lambda d: d["pieces"].__setitem__(d["types"].index(BYTE), "<0xZZ>"),
    "empty": lambda d: d["pieces"].__setitem__(-1, ""),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_description_is_refused_with_its_reason(reason: str) -> None:
    values = minds.bpe_pieces().to_dict()
    BROKEN[reason](values)
    with pytest.raises(ValueError, match=reason):
        tokenizers.from_dict(values)


def test_a_character_vocabulary_takes_only_single_characters() -> None:
    values = {**minds.char_pieces().to_dict(), "pieces": ["<unk>", "аб"], "types": [UNKNOWN, NORMAL]}
    with pytest.raises(ValueError, match="not one character"):
        tokenizers.from_dict(values)


def test_ascii_survives_every_tokenizer() -> None:
    line = "".join(c for c in string.printable if c.isalnum())
    assert CHAR.decode(CHAR.encode(line)) == BPE.decode(BPE.encode(line)) == line
