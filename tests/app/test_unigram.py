"""The likeliest spelling, against all spellings there are. Tests/train meet the library itself."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from chat_app.unigram import Unigram

LETTERS = st.text(st.sampled_from("абв"), max_size=8)
# Eighths add up exactly in float32, so that the order of adding does not matter.
SCORES = st.dictionaries(
    st.text(st.sampled_from("абв"), min_size=1, max_size=4), st.integers(-80, 0).map(lambda eighths: eighths / 8)
)


def spellings(text: str, scores: dict[str, float]) -> Iterator[tuple[float, list[str]]]:
    """(score, pieces) of every way to write `text`."""
    if not text:
        yield 0.0, []
    for end in range(1, len(text) + 1):
        piece = text[:end]
        unknown = min(scores.values(), default=0.0) - 10 if end == 1 else None
        score = scores.get(piece, unknown)
        if score is not None:
            for rest, pieces in spellings(text[end:], scores):
                yield score + rest, [piece, *pieces]


@given(LETTERS, SCORES)
def test_no_spelling_has_a_better_score(text, scores) -> None:
    found = Unigram(scores, ()).spell(text)
    assert "".join(found) == text
    ranked = list(spellings(text, scores))
    assert max(score for score, _ in ranked) == next(score for score, pieces in ranked if pieces == found)


def test_among_equals_the_piece_that_begins_first_wins() -> None:
    assert Unigram({"а": -1.0, "б": -1.0, "аб": -2.0}, ()).spell("аб") == ["аб"]


def test_a_symbol_of_the_maker_beats_likely_pieces() -> None:
    scores = {"а": -0.5, "б": -0.5, "ба": -0.01, "абаб": -0.01}
    assert Unigram(scores, ()).spell("абаб") == ["абаб"]
    assert Unigram(scores, ("аб",)).spell("абаб") == ["аб", "аб"]


def test_characters_that_no_piece_holds_stand_alone() -> None:
    assert Unigram({"а": -1.0}, ()).spell("а漢字а") == ["а", "漢", "字", "а"]


def test_a_sum_is_rounded_before_it_is_compared() -> None:
    scores = {"а": -1.0, "б": -(2.0**-30), "аб": -1.0}
    assert Unigram(scores, ()).spell("аб") == ["аб"]  # the other is as good but for what float32 forgets
    assert Unigram(scores | {"аб": -1.0 - 2.0**-23}, ()).spell("аб") == ["а", "б"]
