"""SentencePiece's normaliser, against one that tries every rule everywhere. Tests/train meet the library itself."""

from __future__ import annotations

import random
import time

import charsmaps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.charsmap import CharacterMap
from chat_app.normaliser import Normaliser
from chat_app.pieces import Foreign

RULES = {
    "ﬁ": "fi",
    "e\u0301": "é",
    "e\u0301\u0323": "ẹ́",
    "\n": " ",
    "\xad": "",
    "¨": " \u0308",
    "🚀": "ракета",
    "Я": "я",
}
LETTERS = "aeяЯ \u0301\u0323\n\xad¨ﬁ🚀▁—«"
TEXTS = st.text(st.sampled_from(LETTERS))
RULE_BOOKS = st.dictionaries(
    st.text(st.sampled_from(LETTERS), min_size=1, max_size=4), st.text(st.sampled_from(LETTERS), max_size=3)
)
SYMBOLS = st.lists(st.text(st.sampled_from(LETTERS), min_size=1, max_size=3), max_size=3, unique=True)


def plainly(rules: dict[str, str], symbols: list[str], foreign: Foreign, text: str, *, inside: bool = False) -> str:
    """normalizer.cc, one step at a time."""
    tidy, done = foreign.remove_extra_whitespaces, ""
    after_space = tidy and not inside
    while text:
        symbol = max((s for s in symbols if text.startswith(s)), key=len, default="")
        rule = max((r for r in rules if text.startswith(r)), key=len, default="")
        taken = symbol or rule or text[0]
        result = symbol or (rules[rule] if rule else text[0])
        if after_space:
            result = result.lstrip(" ")
        if result:
            after_space = tidy and result.endswith(" ")
        done, text = done + result, text[len(taken) :]
    end = " ▁" if foreign.escape_whitespaces else " "
    return done.rstrip(end) if tidy else done


@given(TEXTS, RULE_BOOKS | st.just(RULES), SYMBOLS, st.booleans(), st.booleans(), st.booleans())
def test_every_text_is_normalised_as_by_trying_every_rule(text, rules, symbols, tidy, escape, inside) -> None:
    charsmap = charsmaps.compiled(rules) if rules else b""
    foreign = Foreign(charsmap=charsmap, remove_extra_whitespaces=tidy, escape_whitespaces=escape)
    expected = plainly(rules, symbols, foreign, text, inside=inside)
    assert Normaliser(foreign, symbols).normalise(text, inside=inside) == expected


@given(st.text(st.characters(exclude_categories=())))
def test_without_a_map_no_letter_changes(text) -> None:
    assert Normaliser(Foreign(), []).normalise(text) == text.encode("utf-16-le", "surrogatepass").decode(
        "utf-16-le", "replace"
    )


def test_the_longest_rule_wins_and_a_shorter_one_stands_in() -> None:
    rules = CharacterMap(charsmaps.compiled(RULES))
    assert rules.longest("e\u0301\u0323", 0) == (3, "ẹ́")
    assert rules.longest("ae\u0301a", 1) == (3, "é")
    assert rules.longest("e", 0) == (1, "e")
    assert rules.changed == {"ﬁ", "\n", "\xad", "¨", "🚀", "Я"}
    assert rules.joining == {"\u0301", "\u0323"}


def test_a_symbol_of_the_maker_is_never_changed() -> None:
    normaliser = Normaliser(
        Foreign(charsmap=charsmaps.compiled(RULES), remove_extra_whitespaces=True), ["Я", "ЯЯ", "a  b"]
    )
    assert normaliser.normalise("Я ЯЯ ﬁ  a  b  ") == "Я ЯЯ fi a  b"


@pytest.mark.parametrize("length", [0, 3, 4, 5, 900, 2000])
def test_a_map_that_is_cut_is_refused(length) -> None:
    with pytest.raises(ValueError, match="character map is damaged"):
        CharacterMap(charsmaps.compiled(RULES)[:length])


@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_damaged_map_never_breaks_a_conversation(seed, count) -> None:
    dice = random.Random(seed)
    data = bytearray(charsmaps.compiled({"ﬁ": "fi", "e\u0301": "é"}))
    for _ in range(count):
        data[dice.randrange(4, len(data))] = dice.randrange(256)
    try:
        normaliser = Normaliser(Foreign(charsmap=bytes(data), remove_extra_whitespaces=True), [])
    except ValueError as error:
        assert "character map is damaged" in str(error)
    else:
        normaliser.normalise("ﬁe\u0301e — какой угодно текст").encode()


def test_text_that_no_rule_touches_passes_fast() -> None:
    normaliser = Normaliser(Foreign(charsmap=charsmaps.compiled(RULES)), [])
    text = "какой угодно текст " * 5_000
    assert normaliser.normalise(text) == text
    touched = "Я" * (len(text) // 10)  # ten times as long, it takes two hundred times as long
    assert _seconds(normaliser, text) < 2 * _seconds(normaliser, touched)


def _seconds(normaliser: Normaliser, text: str) -> float:
    """Of the processor, undisturbed once in three times."""
    times = []
    for _ in range(3):
        started = time.process_time()
        normaliser.normalise(text)
        times.append(time.process_time() - started)
    return min(times)
