"""Talking: turns in, text out, and a memory that ends somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import minds
import orjson
import pytest

from chat_app.answer import Answer
from chat_app.awakening import Awakening
from chat_app.chat import Chat
from chat_app.errors import MessageTooLong, MindMissing, MindTooLarge, NothingToRetry
from chat_app.mind import open_mind
from chat_app.template import MARKS
from chat_app.tokenizer import UNREADABLE


def awake(path: Path, home: Path, **sampling: object) -> Chat:
    chat = Chat.with_mind(open_mind(path), home)
    chat.sampling = replace(chat.sampling, **sampling)  # type: ignore[arg-type]
    return chat


@pytest.fixture
def chat(chatting: Path, home: Path) -> Chat:
    return awake(chatting, home)


@pytest.fixture
def tale(continuing: Path, home: Path) -> Chat:
    return awake(continuing, home)


def told(answer: Answer) -> str:
    return "".join(answer)


def contents(chat: Chat) -> list[str]:
    return [m.content for m in chat.conversation.turns]


def rows(chat: Chat) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in chat.conversation.path.read_bytes().splitlines()]


# --- a mind that chats -------------------------------------------------------------------------------------------


def test_an_answer_comes_piece_by_piece_and_stays_in_the_conversation(chat: Chat) -> None:
    answer = chat.say("Как дела?")
    assert list(answer) == ["Привет", ",", " друг", "!"]
    assert answer.text == minds.ANSWER_TEXT
    assert answer.stats.finish == "stop"
    assert contents(chat) == ["Как дела?", minds.ANSWER_TEXT]
    assert rows(chat)[-1]["finish"] == "stop"


def test_the_mind_reads_the_system_text_and_the_whole_dialogue(chat: Chat) -> None:
    told(chat.say("Дом"))
    told(chat.say("Река"))
    tokenizer = chat.mind.tokenizer
    system, user, assistant, end = (tokenizer.control[mark] for mark in MARKS)
    answer = [tokenizer.pieces.pieces.index(piece) for piece in minds.ANSWER]
    assert chat.engine.cache.ids == [
        tokenizer.control["<s>"], system, *tokenizer.encode("Ты добрый."), end,
        user, *tokenizer.encode("Дом"), end, assistant, *answer, end,
        user, *tokenizer.encode("Река"), end, assistant, *answer,
    ]  # fmt: skip


def test_a_new_turn_pays_only_for_its_new_tokens(chat: Chat) -> None:
    told(chat.say("Дом у реки"))
    before = len(chat.engine.cache.ids)
    answer = chat.say("А ещё?")
    told(answer)
    assert answer.stats.reused == before
    assert answer.stats.prompt - answer.stats.reused == len(chat.mind.tokenizer.encode("А ещё?")) + 4  # four marks


def test_text_that_could_not_be_encoded_is_still_answered_and_kept(chat: Chat) -> None:
    told(chat.say("кривой \udcff байт"))
    assert contents(chat)[0] == "кривой \ufffd байт"
    chat.set_system("\ud800")
    assert rows(chat)[-1]["content"] == "\ufffd"


def test_another_system_text_replaces_the_minds_own(chat: Chat) -> None:
    assert chat.system == "Ты добрый."
    chat.set_system("Ты строгий.")
    told(chat.say("Дом"))
    read = chat.mind.tokenizer.decode(chat.engine.cache.ids)
    assert "строгий" in read
    assert "добрый" not in read


def test_retry_answers_anew_with_another_seed_and_the_file_keeps_both(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=3, temperature=2.0)
    first = told(chat.say("Дом"))
    second = told(chat.retry())
    assert first != second
    assert contents(chat) == ["Дом", second]
    assert [r.get("content") for r in rows(chat)] == [None, "Дом", first, None, second]
    again = awake(babbling, home, seed=3, temperature=2.0)
    assert [told(again.say("Дом")), told(again.retry())] == [first, second]


def test_retry_works_at_the_largest_seed(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=(1 << 63) - 1)
    told(chat.say("Дом"))
    told(chat.retry())
    assert len(contents(chat)) == 2


def test_retry_and_undo_need_something_to_go_back_to(chat: Chat) -> None:
    for action in (chat.retry, chat.undo):
        with pytest.raises(NothingToRetry):
            action()


def test_a_retry_that_cannot_be_keeps_the_answer(chat: Chat) -> None:
    told(chat.say("дом " * 35))
    chat.sampling = replace(chat.sampling, max_tokens=1)
    chat.mind = replace(chat.mind, config=replace(chat.mind.config, block_size=30))
    with pytest.raises(MessageTooLong):
        chat.retry()
    assert contents(chat)[1] == minds.ANSWER_TEXT


def test_undo_forgets_the_last_line_and_its_answer(chat: Chat) -> None:
    told(chat.say("Дом"))
    told(chat.say("Река"))
    chat.undo()
    assert contents(chat) == ["Дом", minds.ANSWER_TEXT]


def test_reset_begins_anew_and_leaves_the_old_file(chat: Chat) -> None:
    told(chat.say("Дом"))
    old = chat.conversation.path
    chat.reset()
    assert contents(chat) == []
    assert chat.last is None
    told(chat.say("Река"))
    assert chat.conversation.path != old
    assert "Дом" in old.read_text("utf-8")


def test_a_loaded_conversation_goes_on_in_its_own_file_and_spelling(chat: Chat, chatting: Path, home: Path) -> None:
    told(chat.say("Дом"))
    cached = list(chat.engine.cache.ids)
    later = awake(chatting, home)
    later.load(chat.conversation.path)
    answer = later.say("Река")
    told(answer)
    assert later.engine.cache.ids[: len(cached)] == cached
    assert len(rows(later)) == 5
    assert later.conversation.path == chat.conversation.path


def test_a_conversation_with_forged_ids_is_read_by_its_text(chat: Chat, tmp_path: Path) -> None:
    path = tmp_path / "forged.jsonl"
    end = chat.mind.tokenizer.control["<|end|>"]
    lines: list[dict[str, object]] = [{"start": 1, "mind": chat.mind.sha256}]
    lines += [{"role": "assistant", "content": "да", "ids": ids} for ids in ([10**9], [end], [300])]
    path.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    chat.load(path)
    assert [m.ids for m in chat.conversation.messages] == [[], [], [300]]
    told(chat.say("Дом"))


def test_overflow_drops_the_oldest_turns_keeps_the_system_text_and_says_so_once(chat: Chat) -> None:
    forgot = []
    for i in range(30):
        answer = chat.say(f"дом {i}")
        told(answer)
        forgot.append(answer.forgot)
        assert answer.stats.prompt <= 256 - 40
        read = chat.mind.tokenizer.decode(chat.engine.cache.ids)
        assert "добрый" in read
        assert f"дом {i}" in read
    assert forgot.count(True) == 1
    assert "дом 0" not in read
    assert len(contents(chat)) == 60


def test_after_an_overflow_turns_reuse_the_cache_again(chat: Chat) -> None:
    costs = []
    for i in range(30):
        answer = chat.say(f"дом {i}")
        told(answer)
        costs.append(answer.stats.prompt - answer.stats.reused)
    assert sum(cost > 30 for cost in costs[1:]) <= 4


def test_a_message_beyond_the_memory_is_refused_and_the_talk_goes_on(chat: Chat) -> None:
    told(chat.say("Дом"))
    with pytest.raises(MessageTooLong) as caught:
        chat.say("река " * 300)
    assert caught.value.details["limit"] == 256 - 40
    assert int(str(caught.value.details["tokens"])) > 216
    assert contents(chat) == ["Дом", minds.ANSWER_TEXT]
    assert told(chat.say("Дом")) == minds.ANSWER_TEXT


def test_a_system_text_beyond_the_memory_is_refused_and_the_old_one_stays(chat: Chat) -> None:
    with pytest.raises(MessageTooLong):
        chat.set_system("Будь краток. " * 100)
    assert chat.system == "Ты добрый."


def test_undoing_brings_back_what_had_fallen_out(chat: Chat) -> None:
    answers = said_until_something_falls_out(chat)
    while len(chat.conversation.turns) > 8:
        chat.undo()
    assert all(f"дом {i}" in read_by(chat, chat.retry()) for i in range(4))
    assert not any(answer.forgot for answer in answers[:-1])
    assert chat.say("река").forgot is False


@pytest.mark.parametrize("undone", range(1, 8))
def test_whatever_was_undone_the_line_that_is_answered_is_read(chat: Chat, undone: int) -> None:
    said_until_something_falls_out(chat)
    for _ in range(undone):
        chat.undo()
    line = chat.conversation.turns[-2].content
    assert line in read_by(chat, chat.retry())
    assert line in read_by(chat, chat.edit(len(chat.conversation.turns) - 2, line))
    assert chat.look()
    assert line in read_by(chat, chat.fork(0, chat.last.ids[0] if chat.last else 0))


def test_a_look_does_not_take_away_what_is_said_once(chat: Chat) -> None:
    said_until_something_falls_out(chat)
    chat.load(chat.conversation.path)
    chat.look()
    answer = chat.say("река")
    told(answer)
    assert answer.forgot


def said_until_something_falls_out(chat: Chat) -> list[Answer]:
    answers: list[Answer] = []
    while not answers or not answers[-1].forgot:
        answers.append(chat.say(f"дом {len(answers)}"))
        told(answers[-1])
    return answers


def read_by(chat: Chat, answer: Answer) -> str:
    told(answer)
    return chat.mind.tokenizer.decode(answer.prompt)


def test_cancelling_keeps_what_was_written(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=1)
    answer = chat.say("Дом")
    pieces = iter(answer)
    text = next(pieces) + next(pieces)
    answer.cancel()
    assert list(pieces) == []
    assert contents(chat) == ["Дом", text]
    assert rows(chat)[-1]["finish"] == "cancelled"


def test_an_answer_that_nobody_hears_to_its_end_is_still_recorded(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, seed=1)
    pieces = iter(chat.say("Дом"))
    text = next(pieces)
    pieces.close()
    assert rows(chat)[-1]["content"] == text
    assert rows(chat)[-1]["finish"] == "cancelled"


def test_an_answer_never_holds_a_mark_or_the_unknown(babbling: Path, home: Path) -> None:
    chat = awake(babbling, home, temperature=100.0, max_tokens=50)
    for seed in range(4):
        chat.sampling = replace(chat.sampling, seed=seed)
        answer = chat.say("Дом")
        assert UNREADABLE not in told(answer)
        assert not {0, *chat.mind.tokenizer.control.values()} & set(answer.ids)


# --- a mind that continues -----------------------------------------------------------------------------------------


def test_a_base_mind_continues_what_it_is_given(tale: Chat) -> None:
    answer = tale.say("Дом у реки")
    assert told(answer) == " вода, река; вода, река;"
    assert answer.stats.finish == "length"


def test_an_empty_line_goes_on_and_a_new_one_begins_below(tale: Chat) -> None:
    told(tale.say("Дом"))
    answer = tale.say("")
    told(answer)
    assert answer.stats.reused == answer.stats.prompt - 1
    told(tale.say("Сад"))
    read = tale.mind.tokenizer.decode(tale.engine.cache.ids)
    assert read.startswith("Дом вода, река; вода, река; вода, река; вода, река;\nСад вода")


def test_a_text_can_begin_from_nothing(tale: Chat) -> None:
    assert told(tale.say("")) == " вода, река; вода, река;"


def test_a_text_longer_than_the_memory_goes_on_and_says_so_once(continuing: Path, home: Path) -> None:
    tale = awake(continuing, home, max_tokens=100)
    forgot = []
    for _ in range(6):
        answer = tale.say("")
        assert len(told(answer).split()) == 50
        forgot.append(answer.forgot)
    assert forgot.count(True) == 1
    assert told(tale.say("река " * 1000)).startswith(" вода")


def test_a_retried_continuation_replaces_the_first(tale: Chat) -> None:
    told(tale.say("Дом"))
    told(tale.retry())
    assert len(contents(tale)) == 2


def test_a_letter_cut_by_the_limit_is_written_whole_by_the_next_line(folder: Path, home: Path) -> None:
    script = [f"<0x{byte:02X}>" for byte in "ЯЖ".encode()]
    path = minds.scripted_mind(folder / "bytes.mind", [script[0], script[1]], chats=False, max_tokens=3)
    tale = awake(path, home)
    first = tale.say("Дом")
    assert told(first) == "Я"
    assert len(first.ids) == 2
    assert told(tale.say("")) == "Я"
    assert UNREADABLE not in "".join(contents(tale))


# --- waking --------------------------------------------------------------------------------------------------------


def test_a_mind_wakes_in_the_background_and_the_greeting_need_not_wait(chatting: Path) -> None:
    awakening = Awakening(chatting)
    assert awakening.mind().manners.greeting == minds.GREETING
    assert told(awakening.chat().say("Дом")) == minds.ANSWER_TEXT
    assert awakening.succeeded


def test_what_goes_wrong_while_waking_reaches_whoever_waits(tmp_path: Path) -> None:
    awakening = Awakening(tmp_path / "nowhere.mind")
    for wait in (awakening.mind, awakening.chat):
        with pytest.raises(MindMissing):
            wait()
    assert not awakening.succeeded


def test_weights_that_cannot_be_read_are_told_after_the_greeting(
    chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[None]:
        raise MemoryError("no room")

    monkeypatch.setattr("chat_app.engine.Weights.from_mind", broken)
    awakening = Awakening(chatting)
    assert awakening.mind().manners.greeting
    with pytest.raises(MindTooLarge):
        awakening.chat()
