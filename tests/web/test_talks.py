"""The page's conversations: said, taken back, looked into, put away, and the mind that they are with."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import minds
import pytest
from web_client import Client

from chat_app import conversation as conversations
from chat_app.chat import Chat
from chat_app.engine import Engine
from chat_app.errors import TooManyAtOnce
from chat_app.mind import Mind, open_mind
from chat_app.template import Message
from chat_app.web import seats
from chat_app.web import talks as talks_module
from chat_app.web.server import Web
from trainer import mind_file

HELLO = minds.ANSWER_TEXT


@pytest.fixture
def client(chatting: Path, tmp_path: Path) -> Iterator[Client]:
    web = Web(Chat.with_mind(open_mind(chatting), tmp_path / "talks"), "ru")
    yield Client(web)
    web.stop()


def roles(client: Client, talk: str) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in client.get(talk).value["messages"]]


def test_the_page_learns_who_it_talks_with(client: Client) -> None:
    state = client.get("/api/state").value
    assert state["mind"]["title"] == "Проба"
    assert state["mind"]["greeting"] == minds.GREETING
    assert state["mind"]["can_chat"]
    assert state["mind"]["parameters"] == 62784
    current = [mind for mind in state["minds"] if mind["current"]]  # others lie beside it, as for a friend
    assert current == [{"name": "chatting", "title": "Проба", "current": True}]
    assert state["sampling"]["max_tokens"] == 40
    assert state["sampling"].keys() == state["limits"].keys()
    assert all(least < most for least, most in state["limits"].values())
    assert state["lang"] == "ru"


def test_the_page_speaks_the_programs_language_first_whatever_the_browser_prefers(client: Client) -> None:
    assert client.get("/api/state", **{"Accept-Language": "en-GB,en;q=0.9"}).value["lang"] == "ru"


def test_an_answer_comes_in_pieces_and_tells_how_it_went(client: Client) -> None:
    talk = client.new()
    answer = client.post(f"{talk}/say", {"text": "Привет"})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert [event["piece"] for event in answer.events[:-1]] == ["Привет", ",", " друг", "!"]
    done = answer.events[-1]["done"]
    assert done["finish"] == "stop"
    assert done["tokens"] == 4
    assert done["context"][1] == 256
    assert 0 < done["first_token_seconds"] <= done["seconds"]
    assert not done["forgot"]
    assert client.get(talk).value["messages"] == [
        {"role": "user", "content": "Привет"}, {"role": "assistant", "content": HELLO, "finish": "stop"}
    ]  # fmt: skip


def test_a_conversation_is_listed_by_its_first_line_and_stays_after_the_program(client: Client, chatting: Path) -> None:
    empty, talk = client.new(), client.new()
    client.post(f"{talk}/say", {"text": "\n  Первая строка \nвторая"})
    (listed,) = client.get("/api/conversations").value
    assert listed["title"] == "Первая строка"
    assert listed["turns"] == 2
    assert f"/api/conversations/{listed['id']}" == talk != empty
    again = Web(Chat.with_mind(open_mind(chatting), client.web.talks.folder), "ru")
    try:
        assert roles(Client(again), talk)[1] == ("assistant", HELLO)
        assert Client(again).post(f"{talk}/say", {"text": "Ещё"}).text == HELLO
        assert len(roles(Client(again), talk)) == 4
    finally:
        again.stop()
    assert len(roles(client, talk)) == 4  # what another program has added is seen


def test_settings_hold_for_the_answer_they_were_given_for(client: Client) -> None:
    talk = client.new()
    short = client.post(f"{talk}/say", {"text": "А", "sampling": {"max_tokens": 2}})
    assert short.events[-1]["done"]["finish"] == "length"
    assert client.post(f"{talk}/say", {"text": "Б", "sampling": {"temperature": 0.5}}).text == HELLO
    assert client.get("/api/state").value["sampling"]["max_tokens"] == 40


def test_an_answer_can_be_given_anew_and_a_line_taken_back(client: Client) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "А"})
    assert client.post(f"{talk}/retry", {}).text == HELLO
    assert roles(client, talk) == [("user", "А"), ("assistant", HELLO)]
    assert client.post(f"{talk}/undo", {}).value["messages"] == []
    assert client.post(f"{talk}/undo", {}).status == 409
    assert client.post(f"{talk}/retry", {}).status == 409


def test_an_edited_line_takes_back_all_that_followed_it(client: Client) -> None:
    talk = client.new()
    for text in ("А", "Б", "В"):
        client.post(f"{talk}/say", {"text": text})
    assert client.post(f"{talk}/edit", {"index": 2, "text": "Г"}).text == HELLO
    assert [text for role, text in roles(client, talk) if role == "user"] == ["А", "Г"]
    assert client.post(f"{talk}/edit", {"index": 1, "text": "не моя строка"}).status == 409
    assert client.post(f"{talk}/edit", {"index": 9, "text": "нет такой"}).status == 409


def test_an_edit_that_the_mind_cannot_hold_takes_nothing_back(client: Client) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "А"})
    refused = client.post(f"{talk}/edit", {"index": 0, "text": "очень длинно " * 200})
    assert refused.status == 400
    assert refused.value["error"]["code"] == "context_length_exceeded"
    assert roles(client, talk) == [("user", "А"), ("assistant", HELLO)]


def test_a_line_that_the_mind_cannot_hold_is_not_said(client: Client) -> None:
    talk = client.new()
    assert client.post(f"{talk}/say", {"text": "очень длинно " * 200}).status == 400
    assert roles(client, talk) == []


def test_another_system_text_holds_in_its_conversation(client: Client) -> None:
    talk, other = client.new(), client.new()
    assert client.get(talk).value["system"] == "Ты добрый."
    assert client.post(f"{talk}/system", {"text": "Ты строгий."}).value["system"] == "Ты строгий."
    assert client.get(other).value["system"] == "Ты добрый."
    assert client.post(f"{talk}/system", {"text": "строго " * 300}).status == 400


def test_an_answer_can_be_looked_into_and_forked(client: Client) -> None:
    talk = client.new()
    assert client.get(f"{talk}/look").status == 409
    client.post(f"{talk}/say", {"text": "А"})
    tokens = client.get(f"{talk}/look").value["tokens"]
    assert "".join(token["text"] for token in tokens) == HELLO
    assert all(0 < token["probability"] <= 1 for token in tokens)
    again = tokens[0]["id"]
    assert client.post(f"{talk}/fork", {"position": 2, "token": again}).text == f"Привет, {HELLO}"
    assert roles(client, talk)[-1] == ("assistant", f"Привет, {HELLO}")


def test_a_surrogate_becomes_a_letter_that_can_be_written(client: Client) -> None:
    talk = client.new()
    assert client.ask("POST", f"{talk}/say", data=rb'{"text": "\ud83d\ude00 \u0000"}').text == HELLO
    assert roles(client, talk)[0] == ("user", "\U0001f600 \0")


def test_a_deleted_conversation_is_put_aside_and_never_destroyed(client: Client) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "А"})
    assert client.ask("DELETE", talk).value == {}
    assert client.get("/api/conversations").value == []
    assert client.get(talk).status == 404
    assert client.post(f"{talk}/say", {"text": "Б"}).status == 404
    (kept,) = (client.web.talks.folder / "deleted").iterdir()
    assert "А" in kept.read_text("utf-8")
    assert client.ask("DELETE", client.new()).value == {}  # one in which nothing was said


def test_a_damaged_file_hides_no_other(client: Client) -> None:
    folder = client.web.talks.folder
    client.post(f"{client.new()}/say", {"text": "А"})
    (folder / "2020-01-01-000000-000000.jsonl").write_bytes(b"\xff\xfe\n[1]\n")
    (folder / "2020-01-02-000000-000000.jsonl").write_bytes(b"")
    assert [talk["title"] for talk in client.get("/api/conversations").value] == ["А"]
    assert client.get("/api/conversations/2020-01-01-000000-000000").status == 404


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="Windows forbids nobody by modes, nor Linux root")
def test_a_folder_that_cannot_be_written_is_told(client: Client) -> None:
    talk = client.new()
    client.web.talks.folder.mkdir(mode=0o500)
    client.post(f"{talk}/say", {"text": "А"})
    assert "Не получается сохранить" in client.get(talk).value["problem"]
    assert roles(client, talk) == [("user", "А"), ("assistant", HELLO)]


def test_many_open_conversations_are_read_again_from_their_files(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talks_module, "_OPEN", 2)
    talks = []
    for _ in range(4):
        talks.append(client.new())
        client.post(f"{talks[-1]}/say", {"text": talks[-1]})
    assert len(client.web.talks._open) <= 2
    for talk in talks:
        assert roles(client, talk)[0] == ("user", talk)


def test_what_the_folder_does_not_take_stays_open_and_the_page_says_where_it_is_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(talks_module, "_OPEN", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client.web.talks.folder.touch()  # no folder can be made there
    talk = client.new()
    client.post(f"{talk}/say", {"text": "Первая"})
    for _ in range(3):
        client.post(f"{client.new()}/say", {"text": "Ещё"})
    kept = client.web.talks._open[talk.rsplit("/", 1)[1]].chat.conversation.path
    assert str(kept) in client.get(talk).value["problem"]
    assert roles(client, talk)[0] == ("user", "Первая")


def test_what_another_program_writes_is_read_and_nothing_of_ours_is_lost(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "Раз"})
    ours = client.web.talks._open[talk.rsplit("/", 1)[1]].chat.conversation
    other = conversations.load(ours.path, ours.mind)
    other.add(Message("user", "Другая программа"))
    other.add(Message("assistant", "Ответ"))
    assert [text for _, text in roles(client, talk)] == ["Раз", HELLO, "Другая программа", "Ответ"]

    def full(self: conversations.Conversation) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(conversations.Conversation, "_append", full)
        client.post(f"{talk}/say", {"text": "Не поместилось"})
        conversations.Conversation.add(other, Message("user", "Снова она"))
    assert ("user", "Не поместилось") in roles(client, talk)
    listed = [known["id"] for known in client.get("/api/conversations").value]
    assert len(listed) == len(set(listed))


def test_a_conversation_whose_file_was_removed_by_hand_is_not_there_any_more(client: Client) -> None:
    talk, other = client.new(), client.new()
    for each in (talk, other):
        client.post(f"{each}/say", {"text": "Раз"})
    (client.web.talks.folder / f"{talk.rsplit('/', 1)[1]}.jsonl").unlink()
    assert [f"/api/conversations/{each['id']}" for each in client.get("/api/conversations").value] == [other]
    assert client.get(talk).status == 404
    assert talk.rsplit("/", 1)[1] not in client.web.talks._open


def test_a_conversation_deleted_while_a_request_waits_for_it_does_not_come_back(client: Client) -> None:
    talk = client.new()
    client.post(f"{talk}/say", {"text": "Раз"})
    talks, name = client.web.talks, talk.rsplit("/", 1)[1]
    answers = []
    with talks.talk(name):
        waiting = threading.Thread(target=lambda: answers.append(client.post(f"{talk}/say", {"text": "Два"})))
        waiting.start()
        path = talks._open[name].chat.conversation.path
        while talks._open[name].lock.locked() and not client.web.talks.voice.seats.line.seats:
            time.sleep(0.001)
        path.unlink()
        del talks._open[name]
    waiting.join()
    assert answers[0].status == 404
    assert not path.exists()


def test_where_the_mind_is_drawn_is_shown_way_by_way(client: Client) -> None:
    answer = client.post("/api/attract", {"prompt": "А", "count": 3})
    assert [event["continuation"]["text"] for event in answer.events[:-1]] == [HELLO] * 3
    assert answer.events[-1]["done"]["groups"][0]["share"] == 1
    assert client.get("/api/conversations").value == []
    assert client.post("/api/attract", {"prompt": "А", "count": 501}).status == 400


def test_a_mind_without_a_childhood_says_so(client: Client) -> None:
    assert client.get("/api/state").value["childhood"] is False
    assert client.get("/api/childhood").message.startswith("Этот разум не помнит своего детства")


# --- another mind -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two(chatting: Path, tmp_path: Path) -> Iterator[Client]:
    """A server whose mind has a neighbour that says something else."""
    shutil.copy(chatting, tmp_path / "first.mind")
    minds.scripted_mind(tmp_path / "second.mind", ["▁Пока", "!"])
    (tmp_path / "broken.mind").write_bytes(b"no mind")
    web = Web(Chat.with_mind(open_mind(tmp_path / "first.mind"), tmp_path / "talks"), "ru")
    yield Client(web)
    web.stop()


def test_another_mind_takes_over_and_the_conversation_goes_on(two: Client) -> None:
    talk = two.new()
    two.post(f"{talk}/say", {"text": "А"})
    assert {mind["name"] for mind in two.get("/api/state").value["minds"]} >= {"first", "second"}
    assert two.post("/api/mind", {"name": "second"}).value["mind"]["name"] == "second"
    assert two.post(f"{talk}/say", {"text": "Б"}).text == "Пока!"
    assert [text for _, text in roles(two, talk)] == ["А", HELLO, "Б", "Пока!"]


def reading(client: Client, talk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the conversation be read, and another one begun, while a mind wakes up."""
    real = Engine.with_mind

    def woken(mind: Mind) -> Engine:
        assert roles(client, talk)
        client.new()
        return real(mind)

    monkeypatch.setattr(Engine, "with_mind", woken)


def test_what_is_read_while_another_mind_wakes_up_is_talked_about_with_that_one(
    two: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = two.new()
    two.post(f"{talk}/say", {"text": "А"})
    reading(two, talk, monkeypatch)
    assert two.post("/api/mind", {"name": "second"}).status == 200
    assert {open_one.chat.mind.name for open_one in two.web.talks._open.values()} <= {"second"}
    assert two.post(f"{talk}/say", {"text": "Б"}).text == "Пока!"


@pytest.mark.parametrize("name", ["nobody", "../first", "broken", ""])
def test_a_mind_that_cannot_be_opened_leaves_the_present_one_talking(two: Client, name: str) -> None:
    assert two.post("/api/mind", {"name": name}).status in (404, 500)
    assert two.post(f"{two.new()}/say", {"text": "А"}).text == HELLO


def test_a_mind_that_memory_does_not_hold_leaves_the_present_one_talking(
    two: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chat_app import engine

    real, tries = engine.Weights.from_mind, []

    def small_memory(mind, *rest):
        tries.append(mind)
        if len(tries) == 1:
            raise MemoryError
        return real(mind, *rest)

    monkeypatch.setattr(engine.Weights, "from_mind", small_memory)
    assert "не хватает памяти" in two.post("/api/mind", {"name": "second"}).message
    assert two.post(f"{two.new()}/say", {"text": "А"}).text == HELLO


@pytest.fixture
def voiced(tmp_path: Path) -> Iterator[Client]:
    """A server whose mind has another voice."""
    pieces = minds.char_pieces(marks=True)
    config, path = minds.config(len(pieces.pieces)), tmp_path / "two.mind"
    base, theirs = minds.arrays(config, 0), minds.arrays(config, 1)
    about = {"title": "Философ", "description": "", "sampling": {"temperature": 0, "max_tokens": 9}, "answers": []}
    mind_file.write(
        path, config, base, pieces, chat=minds.manners(pieces, chats=True, temperature=0, max_tokens=9),
        card={}, golden=[], variants={"artistic": mind_file.Variant(theirs, about)},
    )  # fmt: skip
    web = Web(Chat.with_mind(open_mind(path), tmp_path / "talks"), "ru")
    yield Client(web)
    web.stop()


def test_another_voice_of_the_mind_answers_when_it_is_chosen(voiced: Client) -> None:
    state = voiced.get("/api/state").value
    assert (state["modes"], state["mode"]) == (["normal", "artistic"], "normal")
    talk, other = voiced.new(), voiced.new()
    own = voiced.post(f"{talk}/say", {"text": "А"}).text
    assert voiced.post("/api/mode", {"name": "artistic"}).value["mode"] == "artistic"
    theirs = voiced.post(f"{other}/say", {"text": "А"}).text
    assert len(own) == len(theirs) == 9
    assert own != theirs
    tokens = voiced.get(f"{other}/look").value["tokens"]
    assert "".join(token["text"] for token in tokens) == theirs
    assert all(token["probability"] == token["alternatives"][0]["probability"] for token in tokens)  # its own thoughts
    voiced.post("/api/mode", {"name": "normal"})
    assert voiced.get(f"{other}/look").value["tokens"] == tokens  # whoever speaks now
    assert voiced.post(f"{talk}/retry", {}).text == own
    assert voiced.post("/api/mode", {"name": "nobody"}).status == 404


def test_all_voices_wait_in_one_line(voiced: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    voiced.post("/api/mode", {"name": "artistic"})
    own, other = (voiced.web.talks.voice_of(mode).seats for mode in ("", "artistic"))
    with ExitStack() as held:
        for number in range(seats.AT_ONCE + seats.IN_LINE):
            held.enter_context((own, other)[number % 2].seat(lambda: False))
        for each in (own, other):
            with pytest.raises(TooManyAtOnce), each.seat(lambda: False):
                pass


def test_what_the_command_line_asks_holds_for_every_voice_on_the_page(voiced: Client, tmp_path: Path) -> None:
    web = Web(Chat.with_mind(voiced.web.talks.mind, tmp_path / "more", {"max_tokens": "3"}), "ru")
    try:
        client = Client(web)
        assert len(client.post(f"{client.new()}/say", {"text": "А"}).text) == 3
        client.post("/api/mode", {"name": "artistic"})
        assert len(client.post(f"{client.new()}/say", {"text": "А"}).text) == 3
    finally:
        web.stop()


def test_every_voice_is_a_model_of_the_api(voiced: Client) -> None:
    names = [model["id"] for model in voiced.get("/v1/models").value["data"]]
    assert names == ["two", "two:artistic"]
    said = [
        voiced.post("/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "А"}]}).value
        for name in names
    ]
    assert [answer["model"] for answer in said] == names
    assert len({answer["choices"][0]["message"]["content"] for answer in said}) == 2


def test_beside_a_terminal_the_conversation_there_is_read_only(chatting: Path, tmp_path: Path) -> None:
    chat = Chat.with_mind(open_mind(chatting), tmp_path)
    for _ in chat.say("В терминале"):
        pass
    web = Web(chat, "ru", terminal=True)
    client = Client(web)
    try:
        talk = f"/api/conversations/{chat.conversation.path.stem}"
        assert roles(client, talk)[0] == ("user", "В терминале")
        assert "идёт в терминале" in client.post(f"{talk}/say", {"text": "Б"}).message
        assert client.ask("DELETE", talk).status == 409
        assert client.post("/api/mind", {"name": "x"}).status == 409
        assert client.post(f"{client.new()}/say", {"text": "Б"}).text == HELLO
    finally:
        web.stop()
    assert len(conversations.load(chat.conversation.path, "").turns) == 2


def test_the_page_follows_the_terminal_to_another_mind(
    two: Client, chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat.with_mind(open_mind(tmp_path / "first.mind"), tmp_path / "more")
    web = chat.beside = Web(chat, "ru", terminal=True)
    client = Client(web)
    try:
        talk = client.new()
        client.post(f"{talk}/say", {"text": "А"})
        with monkeypatch.context() as patch:
            reading(client, talk, patch)
            chat.switch(open_mind(tmp_path / "second.mind"))
        assert client.get("/api/state").value["mind"]["name"] == "second"
        assert client.post(f"{talk}/say", {"text": "Б"}).text == "Пока!"
        assert client.post(f"{client.new()}/say", {"text": "А"}).text == "Пока!"
        assert web.talks.voice.seats.engine.weights is chat.engine.weights  # one copy in memory
    finally:
        web.stop()
