"""A mind's childhood, as its card tells it: new cards, old ones, and what is no card at all."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import childhood
from chat_app.childhood import Childhood, Stage
from chat_app.errors import NoChildhood
from chat_app.mind import open_mind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from("аб \n"), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["samples", "figures", "iteration", "iterations", "text", "prompt", "tokens_seen"]), inner
    ),
)  # fmt: skip


def sample(iteration: int, text: str, **more: Any) -> dict[str, Any]:
    return {"iteration": iteration, "text": text, **more}


def test_every_prompt_has_its_stages() -> None:
    samples = [
        sample(5, "Дом бвгд", prompt="Дом", tokens_seen=50), sample(9, "Дом стоял", prompt="Дом", tokens_seen=90),
        sample(9, "Привет!", prompt="привет", tokens_seen=90),
    ]  # fmt: skip
    assert childhood.of({"samples": samples}) == [
        Childhood("Дом", (Stage(5, 50, "Дом бвгд"), Stage(9, 90, "Дом стоял"))),
        Childhood("привет", (Stage(9, 90, "Привет!"),)),
    ]


def test_a_card_that_tells_only_the_whole_is_read_in_proportion() -> None:
    card = {"samples": [sample(50, "Дом")], "figures": {"iterations": 200, "tokens_seen": 8000}}
    assert childhood.of(card) == [Childhood("", (Stage(50, 2000, "Дом"),))]
    assert childhood.of({"samples": [sample(50, "Дом")]})[0].stages[0].tokens is None


def test_the_mind_that_boxes_carry_remembers_its_childhood() -> None:
    (one,) = childhood.of(open_mind(minds.ROOT / "assets" / "chekhov.mind").card)
    assert [stage.tokens for stage in one.stages] == sorted(stage.tokens or 0 for stage in one.stages)
    assert all(stage.text.startswith("Однажды вечером") for stage in one.stages)


@pytest.mark.parametrize("card", [{}, {"samples": []}, {"samples": "?"}, {"samples": [{"text": "Дом"}]}])
def test_a_card_without_one_says_so(card: dict[str, Any]) -> None:
    with pytest.raises(NoChildhood):
        childhood.of(card)


@given(st.dictionaries(st.sampled_from(["samples", "figures"]), JSON))
def test_no_card_is_a_crash(card: dict[str, Any]) -> None:
    with suppress(NoChildhood):
        assert childhood.of(card)
