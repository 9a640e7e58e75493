"""The normaliser: one alphabet for the corpus and for what a friend types."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.text import encodable, normalise, printable

ANY_TEXT = st.text(st.characters(exclude_categories=()))
# Where the rules meet: marks that compose, characters that vanish between them, spaces, dots, line ends.
TRICKY = st.text(
    st.sampled_from(
        "её\u0308и\u0306\u0301 .…\r\n\t\u00a0\u200b\u00ad\u2028\x85\x0b\u2581«»“”\u2013\u2212\ud83d\udcff\u037e\u1fef"
    )
)


@given(ANY_TEXT | TRICKY)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(ANY_TEXT | TRICKY)
def test_any_text_becomes_encodable_and_composed(text: str) -> None:
    normal = normalise(text)
    normal.encode()
    assert unicodedata.is_normalized("NFC", normal)
    assert not set("\r\t\u00a0\u2028\u2581\u00ad\ufeff") & set(normal)
    assert "  " not in normal
    assert "\n\n\n" not in normal
    assert "..." not in normal


@given(ANY_TEXT | TRICKY)
def test_yo_vanishes_only_on_request(text: str) -> None:
    assert not set("ёЁ") & set(normalise(text, yo_to_e=True))
    assert normalise(normalise(text), yo_to_e=True) == normalise(text, yo_to_e=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("“Да” и „нет‟", '"Да" и "нет"'),
        ("«Да»", "«Да»"),
        ("1990–2000 ― да ‒ вот", "1990—2000 — да — вот"),
        ("кое‑что −5", "кое-что -5"),
        ("Ждите......", "Ждите…"),
        ("а\u00a0б\tв  г", "а б в г"),
        ("а\r\nб\rв\u2028г", "а\nб\nв\nг"),
        ("а \n б\n\n\n\n\nв", "а\nб\n\nв"),
        ("неви\u00adди\u200bмо\x00\x07", "невидимо"),
        ("\u2581слово", "_слово"),
        ("и\u0306", "й"),
        ("е\u200b\u0308", "ё"),
        ("", ""),
    ],
)
def test_one_kind_of_each_mark_remains(before: str, after: str) -> None:
    assert normalise(before) == after


def test_a_lone_surrogate_becomes_one_replacement_character() -> None:
    assert normalise("а\udcffб") == "а\ufffdб"
    assert encodable("\ud83d\ude00") == "😀"


@given(ANY_TEXT)
def test_encodable_text_can_be_written_and_is_otherwise_the_same(text: str) -> None:
    encodable(text).encode()
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert encodable(text) == text


def test_every_character_there_is_normalises_once_and_for_all() -> None:
    every = "".join(map(chr, range(0x30000)))
    for text in (every, "е".join(every[:0x3000])):
        once = normalise(text)
        assert normalise(once) == once
        once.encode()


@given(ANY_TEXT | TRICKY)
def test_what_is_shown_cannot_command_the_terminal(text: str) -> None:
    shown = printable(text)
    assert all(unicodedata.category(c) != "Cc" or c == "\n" for c in shown)
    assert printable(shown) == shown
    assert printable(normalise(text)) == normalise(text)


def test_escape_codes_lose_their_escape() -> None:
    assert printable("a\x1b[2J\tb\x07\x9b\r\n") == "a[2J b\n"
