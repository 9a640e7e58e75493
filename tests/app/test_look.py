"""Looking into an answer, and going on from it another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import minds
import orjson
import pytest

from chat_app import look
from chat_app import tokenizer as tokenizers
from chat_app.chat import Chat
from chat_app.conversation import load
from chat_app.errors import NoSuchAlternative, NoSuchToken, NothingToLookAt
from chat_app.mind import open_mind
from chat_app.trace import Step, Trace

KINDS = {
    "char": lambda: minds.char_pieces(marks=True),
    "bpe": lambda: minds.bpe_pieces(marks=True),
}


@pytest.fixture
def chat(chatting: Path, home: Path) -> Chat:
    return Chat.with_mind(open_mind(chatting), home)


def awake(path: Path, home: Path, **sampling: object) -> Chat:
    chat = Chat.with_mind(open_mind(path), home)
    chat.sampling = replace(chat.sampling, **sampling)  # type: ignore[arg-type]
    return chat


def traced(chat: Chat, line: str) -> tuple[list[look.Token], str]:
    """Say the line, and trace the answer while it is written."""
    answer = chat.say(line)
    answer.trace = Trace()
    text = "".join(answer)
    inside = not chat.mind.can_chat
    return look.tokens(chat.mind.tokenizer, answer.trace.steps, inside=inside)[: len(answer.ids)], text


def assert_alike(some: list[look.Token], others: list[look.Token]) -> None:
    assert [token.id for token in some] == [token.id for token in others]
    for one, other in zip(some, others, strict=True):
        assert one.text == other.text
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-3)


# --- looking ------------------------------------------------------------------------------------------------------


def test_every_token_of_a_sure_mind_is_nearly_certain(chat: Chat) -> None:
    "".join(chat.say("Как дела?"))
    found = chat.look()
    assert [token.text for token in found] == ["Привет", ",", " друг", "!"]
    assert all(token.probability > 0.9 and token.entropy < 1 for token in found)
    assert all(token.alternatives[0].id == token.id for token in found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chats", [True, False])
def test_looking_finds_what_the_mind_thought_while_it_wrote(kind: str, chats: bool, folder: Path, home: Path) -> None:
    path = minds.random_mind(folder / f"look-{kind}-{chats}.mind", KINDS[kind](), chats=chats)
    chat = awake(path, home, max_tokens=70, seed=3, temperature=1.5)  # beyond its context of 64: it slides
    chat.set_system("") if chats else None
    for line in ("Дом у реки", "вода"):
        written, text = traced(chat, line)
        found = chat.look()
        assert "".join(token.text for token in found) == text
        assert_alike(found, written)


def test_looking_changes_neither_conversation_nor_the_next_answer(babbling: Path, home: Path) -> None:
    curious, other = (awake(babbling, home / name, seed=1, max_tokens=20) for name in "ab")
    for chat in (curious, other):
        "".join(chat.say("Дом"))
    curious.look()
    assert "".join(curious.say("Сад")) == "".join(other.say("Сад"))
    assert curious.conversation.path.read_bytes().count(b"\n") == 5


def test_an_answer_after_turns_that_fell_out_of_the_context_is_read_again_without_them(
    folder: Path, home: Path
) -> None:
    path = minds.random_mind(folder / "forgetful.mind", chats=True, block_size=128)
    chat = awake(path, home, max_tokens=20, seed=1)
    for line in ("Дом стоял у реки", "Старик выходил на крыльцо", "вода уходит", "а река остаётся", "день и ночь"):
        written, text = traced(chat, line)
        found = chat.look()
        assert "".join(token.text for token in found) == text
        assert_alike(found, written)
    assert chat._dropped


def test_a_loaded_answer_can_be_looked_into_even_one_written_by_hand(chat: Chat) -> None:
    "".join(chat.say("Как дела?"))
    found, path = chat.look(), chat.conversation.path
    chat.load(path)
    assert_alike(chat.look(), found)
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    path.write_bytes(b"".join(orjson.dumps({k: v for k, v in row.items() if k != "ids"}) + b"\n" for row in rows))
    chat.load(path)
    assert "".join(token.text for token in chat.look()) == minds.ANSWER_TEXT


def test_an_answer_of_other_hands_longer_than_the_context_is_looked_into_as_far_as_it_fits(chat: Chat) -> None:
    path = chat.folder / "long.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"role": "user", "content": "Дом"}, {"role": "assistant", "content": "река " * 100}]
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    chat.load(path)
    assert 0 < len(chat.look()) < chat.mind.config.block_size


def test_where_nothing_was_answered_there_is_nothing_to_look_at(chat: Chat) -> None:
    with pytest.raises(NothingToLookAt):
        chat.look()
    "".join(chat.say("Дом"))
    chat.undo()
    with pytest.raises(NothingToLookAt):
        chat.look()
    with pytest.raises(NothingToLookAt):
        chat.fork(0, 5)


def test_a_letter_of_several_bytes_comes_with_its_last_one() -> None:
    pieces = minds.bpe_pieces()
    first, second = (pieces.pieces.index(f"<0x{byte:02X}>") for byte in "ё".encode())
    steps = [Step(i, -0.5, 1.0, ((second, -0.5), (first, -1.0))) for i in (first, second)]
    found = look.tokens(tokenizers.of(pieces), steps)
    assert [token.text for token in found] == ["", "ё"]
    assert [token.piece for token in found] == ["<0xD1>", "<0x91>"]
    assert [[a.text for a in token.alternatives] for token in found] == [["\ufffd", ""], ["ё", "\ufffd"]]


# --- another way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chats", [True, False])
def test_a_fork_keeps_what_was_before_puts_the_other_token_and_goes_on(chats: bool, folder: Path, home: Path) -> None:
    path = minds.random_mind(folder / f"fork-{chats}.mind", chats=chats, block_size=256)
    chat = awake(path, home, temperature=0, max_tokens=20, no_repeat_ngram=0, repetition_penalty=1.0)
    first = chat.say("Дом")
    "".join(first)
    taken = (first.ids[5], *chat.mind.manners.stop_ids)
    other = next(alternative for alternative in chat.look()[5].alternatives if alternative.id not in taken)
    answer = chat.fork(5, other.id)
    text = "".join(answer)
    assert answer.ids[:6] == [*first.ids[:5], other.id]
    assert len(answer.ids) == len(first.ids) == 20
    assert answer.stats.reused >= 5
    assert [m.content for m in chat.conversation.turns] == ["Дом", text]
    assert "".join(token.text for token in chat.look()) == text


def test_a_fork_to_the_same_token_gives_the_same_answer(folder: Path, home: Path) -> None:
    path = minds.random_mind(folder / "same.mind", chats=True, block_size=256)
    chat = awake(path, home, temperature=0, max_tokens=20)
    first = chat.say("Дом")
    "".join(first)
    again = chat.fork(7, first.ids[7])
    assert "".join(again) == first.text
    assert again.ids == first.ids


def test_a_fork_beyond_the_context_of_a_mind_that_goes_on_slides_as_the_first_answer_did(
    folder: Path, home: Path
) -> None:
    path = minds.random_mind(folder / "sliding.mind", chats=False, block_size=16)
    chat = awake(path, home, temperature=0, max_tokens=60)
    first = chat.say("Дом")
    "".join(first)
    again = chat.fork(50, first.ids[50])
    assert "".join(again) == first.text


def test_the_end_is_an_alternative_too(chat: Chat) -> None:
    "".join(chat.say("Дом"))
    (end,) = chat.mind.manners.stop_ids
    answer = chat.fork(2, end)
    assert "".join(answer) == "Привет,"
    assert answer.stats.finish == "stop"


def test_the_file_keeps_the_answer_that_a_fork_took_back(chat: Chat, home: Path) -> None:
    "".join(chat.say("Дом"))
    first = chat.look()
    "".join(chat.fork(1, first[3].id))
    rows = [orjson.loads(line) for line in chat.conversation.path.read_bytes().splitlines()]
    assert [row.get("content", row.get("undo")) for row in rows[1:]] == [
        "Дом", minds.ANSWER_TEXT, "answer", chat.conversation.turns[-1].content,
    ]  # fmt: skip
    assert load(chat.conversation.path, chat.mind.sha256).turns[-1].content.startswith("Привет!")


@pytest.mark.parametrize(("position", "token", "failure"), [
    (4, 10, NoSuchToken), (-1, 10, NoSuchToken), (0, -1, NoSuchAlternative), (0, 10**6, NoSuchAlternative),
    (0, 0, NoSuchAlternative),  # the unknown id, which no answer holds
])  # fmt: skip
def test_a_fork_that_cannot_be_is_refused_and_takes_nothing_back(
    chat: Chat, position: int, token: int, failure: type[Exception]
) -> None:
    "".join(chat.say("Дом"))
    with pytest.raises(failure):
        chat.fork(position, token)
    assert chat.conversation.turns[-1].content == minds.ANSWER_TEXT
