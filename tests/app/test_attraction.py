"""Where a mind is drawn: many continuations of one prompt, and how they fall together."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import minds
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import attraction
from chat_app.attraction import Group
from chat_app.chat import Chat
from chat_app.engine import Cancel
from chat_app.errors import MessageTooLong
from chat_app.mind import open_mind
from chat_app.model import logits_everywhere


def awake(path: Path, home: Path, **sampling: object) -> Chat:
    chat = Chat.with_mind(open_mind(path), home)
    chat.sampling = replace(chat.sampling, **sampling)  # type: ignore[arg-type]
    return chat


# --- continuations ------------------------------------------------------------------------------------------------


def test_a_mind_without_choice_goes_one_way_and_ends_as_it_would(chatting: Path, home: Path) -> None:
    ways = list(awake(chatting, home).attract("Как дела?", 5))
    assert [way.text for way in ways] == [minds.ANSWER_TEXT] * 5
    assert {way.finish for way in ways} == {"stop"}
    found = attraction.groups([way.text for way in ways])
    assert [(group.kind, group.label, group.share) for group in found] == [
        ("beginning", minds.ANSWER_TEXT, 1.0), ("ending", "друг!", 1.0),
    ]  # fmt: skip


def test_continuations_differ_and_with_a_seed_come_again(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=4)
    ways = [way.text for way in chat.attract("Дом", 6)]
    assert len(set(ways)) == 6
    assert [way.text for way in chat.attract("Дом", 6)] == ways
    assert [way.text for way in awake(babbling, home, seed=5).attract("Дом", 5)] == ways[1:]


def test_the_conversation_hears_nothing_and_keeps_its_cache(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=1, max_tokens=10)
    "".join(chat.say("Дом"))
    chat.set_system("Ты злой.")
    saved, cached = chat.conversation.path.read_bytes(), list(chat.engine.cache.ids)
    assert len(list(chat.attract("Сад", 3))) == 3
    assert chat.conversation.path.read_bytes() == saved
    assert list(home.rglob("*.jsonl")) == [chat.conversation.path]
    assert chat.engine.cache.ids == cached


def test_the_system_text_of_the_person_is_heard(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=1)
    before = [way.text for way in chat.attract("Сад", 2)]
    chat.set_system("Ты злой.")
    assert [way.text for way in chat.attract("Сад", 2)] != before


@pytest.mark.parametrize("chats", [True, False])
def test_their_log_probability_is_that_of_the_mind_before_any_setting(chats: bool, folder: Path, home: Path) -> None:
    path = minds.random_mind(folder / f"drawn-{chats}.mind", chats=chats, block_size=256)
    chat = awake(path, home, seed=2, temperature=0.5, top_k=5, max_tokens=12, repetition_penalty=1.0, no_repeat_ngram=0)
    (way,) = chat.attract("Дом", 1)
    tokenizer = chat.mind.tokenizer
    answer = chat.say("Дом")
    assert "".join(answer) == way.text
    logits = logits_everywhere(chat.engine.weights, [*answer.prompt, *way.ids])[len(answer.prompt) - 1 : -1]
    logits = logits.astype(np.float64)
    logits[:, sorted(tokenizer.silent - set(chat.mind.manners.stop_ids))] = -np.inf
    chosen = logits[np.arange(len(way.ids)), way.ids]
    assert way.log_probability == pytest.approx(float((chosen - np.log(np.exp(logits).sum(axis=1))).sum()), abs=1e-3)


def test_what_was_cut_is_no_way(babbling: Path, home: Path) -> None:
    cancel, ways = Cancel(), []
    for way in awake(babbling, home).attract("Дом", 100, cancel):
        ways.append(way)
        if len(ways) == 2:
            cancel.set()
    assert len(ways) == 2


def test_a_prompt_that_the_mind_cannot_hold_is_refused_at_once(babbling: Path, home: Path) -> None:
    with pytest.raises(MessageTooLong):
        awake(babbling, home).attract("Дом " * 500)


def test_a_mind_that_goes_on_slides_beyond_its_context(folder: Path, home: Path) -> None:
    path = minds.random_mind(folder / "short.mind", minds.char_pieces(), chats=False, block_size=16)
    (way,) = awake(path, home, max_tokens=400).attract("Дом у реки", 1)
    assert len(way.ids) == 120


# --- groups -------------------------------------------------------------------------------------------------------


def labels(texts: list[str], kind: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(group.label, group.members) for group in attraction.groups(texts) if group.kind == kind]


def test_beginnings_are_grouped_where_they_part() -> None:
    texts = [", он вышел в сад", ", он вышел на реку", ", она молчала", ", он спал", ", она молчала долго", ", мы пели"]
    assert labels(texts, "beginning") == [(", он", (0, 1, 3)), (", она молчала", (2, 4))]


def test_a_shared_beginning_is_not_what_they_are_told_apart_by() -> None:
    texts = ["Он сказал да", "Он сказал нет", "Он сказал да, да"]
    assert labels(texts, "beginning") == [("Он сказал да", (0, 2))]


def test_endings_alike_are_one_group_whatever_they_began_with() -> None:
    end = "и тогда старик закинул невод в синее море"
    texts = [f"Сначала был дом у реки, {end}", f"Потом пришла лиса с петухом, {end}", "abc def ghi jkl mno pqr stu vwx"]
    found = labels(texts, "ending")
    assert [members for _, members in found] == [(0, 1)]
    assert found[0][0] in end


@given(st.lists(st.text(st.sampled_from("аб ,.\n"), max_size=12), max_size=12))
def test_any_texts_can_be_grouped(texts: list[str]) -> None:
    found = attraction.groups(texts)
    for kind in ("beginning", "ending"):
        members = [i for group in found if group.kind == kind for i in group.members]
        assert len(members) == len(set(members))
    for group in found:
        assert isinstance(group, Group)
        assert len(group.members) > 1
        assert math.isclose(group.share, len(group.members) / len(texts))
