"""Answers as streams: side by side, in line, ended by whoever leaves, and never lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import minds
import pytest
from web_client import Client, pieces

from chat_app import conversation as conversations
from chat_app import engine
from chat_app.chat import Chat
from chat_app.mind import open_mind
from chat_app.template import Message
from chat_app.web import seats
from chat_app.web.server import Web

TOKEN = 0.005  # seconds that a token takes at the pace of a real mind


@pytest.fixture(scope="module")
def endless(folder: Path) -> Path:
    """A mind that goes on as long as it may."""
    path, script = folder / "endless.mind", ["▁раз", "▁два"]
    return minds.scripted_mind(path, script, endless=True, block_size=2048, max_tokens=2000)


@pytest.fixture
def client(endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A server whose mind takes its time."""
    real = engine.forward

    def forward(*arguments):
        time.sleep(TOKEN)
        return real(*arguments)

    monkeypatch.setattr(engine, "forward", forward)
    web = Web(Chat.with_mind(open_mind(endless), tmp_path), "en")
    yield Client(web)
    web.stop()


def until(holds: Callable[[], bool]) -> None:
    ends = time.perf_counter() + 10
    while not holds():
        assert time.perf_counter() < ends
        time.sleep(0.005)


def saved(client: Client, talk: str) -> list[dict[str, str]]:
    """The lines of the conversation's file."""
    path = client.web.talks.folder / f"{talk.rsplit('/', 1)[1]}{conversations.SUFFIX}"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def words(event: bytes) -> str:
    return json.loads(event.removeprefix(b"data: ")).get("piece", "")


def test_a_closed_tab_ends_the_answer_within_a_token_and_keeps_it(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as connection:
        events = pieces(connection)
        seen = "".join(words(next(events)[1]) for _ in range(20))
        events.close()
    left = time.perf_counter()
    until(lambda: len(saved(client, talk)) == 3)
    assert time.perf_counter() - left < 1
    answer = saved(client, talk)[-1]
    assert answer["finish"] == "cancelled"
    assert answer["content"].startswith(seen)
    # One token was being written while the news came, and one may have been on its way to the reader.
    assert len(answer["content"].split()) <= 20 + 2
    assert client.get(talk).value["messages"][-1]["content"] == answer["content"]


def test_a_reader_who_leaves_while_a_prompt_is_read_is_not_answered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BLOCK", 1)  # a prompt of many blocks
    talk = client.new()
    connection = client.open_stream(f"{talk}/say", {"text": "длинно " * 60})
    until(lambda: bool(client.web.talks.voice.seats.line.seats))
    time.sleep(10 * TOKEN)
    connection.close()
    until(lambda: not client.web.talks.voice.seats.line.seats)
    assert saved(client, talk)[-1]["content"] == ""


def test_tokens_are_sent_as_soon_as_they_are_written(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай", "sampling": {"max_tokens": 20}}) as connection:
        times = [when for when, _ in pieces(connection)]
    assert len(times) == 21
    gaps = sorted(second - first for first, second in pairwise(times[:-1]))
    assert gaps[len(gaps) // 2] > 0.5 * TOKEN  # not in one lump
    assert times[-1] - times[0] > 15 * TOKEN


def test_two_conversations_are_answered_side_by_side(client: Client) -> None:
    heard: list[tuple[float, int]] = []
    ready = threading.Barrier(2)

    def listen(number: int) -> None:
        talk = client.new()
        ready.wait()
        with client.open_stream(f"{talk}/say", {"text": "Считай", "sampling": {"max_tokens": 40}}) as connection:
            heard.extend((when, number) for when, event in pieces(connection) if b"piece" in event)

    listeners = [threading.Thread(target=listen, args=(number,)) for number in range(2)]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()
    order = [number for _, number in sorted(heard)]
    assert order.count(0) == order.count(1) == 40
    begun = max(order.index(0), order.index(1))
    ended = len(order) - max(order[::-1].index(0), order[::-1].index(1))
    together = order[begun:ended]
    assert len(together) > 50
    assert abs(together.count(0) - together.count(1)) <= 6


def test_who_comes_when_all_seats_are_taken_waits_and_is_told_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "AT_ONCE", 1)
    monkeypatch.setattr(seats, "IN_LINE", 1)
    monkeypatch.setattr("chat_app.web.streams._PATIENCE", 0.02)
    first, second, third = client.new(), client.new(), client.new()
    with client.open_stream(f"{first}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        next(events)
        with client.open_stream(f"{second}/say", {"text": "Считай", "sampling": {"max_tokens": 3}}) as waiting:
            line = pieces(waiting)
            assert next(line)[1] == b": waiting"
            refused = client.post(f"{third}/say", {"text": "Считай"})
            assert refused.status == 429
            assert refused.headers["Retry-After"] == "3"
            assert refused.value["error"]["type"] == "rate_limit_error"
            assert client.get(third).value["messages"] == []  # it was not said
            events.close()
            writing.close()
            assert [words(event) for _, event in line if event != b": waiting"] == ["раз", " два", " раз", ""]


def test_who_leaves_the_line_leaves_an_empty_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "AT_ONCE", 1)
    monkeypatch.setattr("chat_app.web.streams._PATIENCE", 0.02)
    first, second = client.new(), client.new()
    with client.open_stream(f"{first}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        next(events)
        with client.open_stream(f"{second}/say", {"text": "Тоже"}) as waiting:
            line = pieces(waiting)
            next(line)
            line.close()
        until(lambda: len(client.web.talks.voice.seats.line.seats) == 1)
        next(events)  # the other goes on
        events.close()
    assert [row.get("content") for row in saved(client, second)] == [None, "Тоже", ""]


def test_a_conversation_gives_one_answer_at_a_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_app.web.talks._PATIENCE", 0.05)
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        next(events)
        assert client.post(f"{talk}/say", {"text": "Ещё"}).status == 409
        assert client.post(f"{talk}/undo", {}).status == 409
        assert client.ask("DELETE", talk).status == 409
        assert client.get("/api/state").status == 200
        events.close()


def test_whoever_only_wants_to_read_is_soon_told_that_an_answer_is_being_written(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.web.talks._PATIENCE", 20)
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        next(events)
        started = time.perf_counter()
        assert client.get(talk).status == 409
        assert time.perf_counter() - started < 5
        events.close()


def test_a_conversation_that_another_program_goes_on_with_meanwhile_goes_on_under_another_id(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай", "sampling": {"max_tokens": 9}}) as writing:
        events = pieces(writing)
        next(events)
        theirs = conversations.load(client.web.talks.folder / f"{talk.rsplit('/', 1)[1]}.jsonl", "")
        theirs.add(Message("assistant", "Другая программа"))
        *_, (_, last) = events
    ours = f"/api/conversations/{json.loads(last.removeprefix(b'data: '))['done']['id']}"
    assert ours != talk
    assert [message["content"] for message in client.get(talk).value["messages"]] == ["Считай", "Другая программа"]
    found = client.get(ours).value
    assert [message["content"][:7] for message in found["messages"]] == ["Считай", "раз два"]
    assert "Another program went on" in found["problem"]
    assert client.ask("DELETE", ours).status == 200
    assert theirs.path.exists()


def test_what_is_read_meanwhile_does_not_wait_for_the_answer(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        next(events)
        started = time.perf_counter()
        client.get("/api/conversations")
        client.get("/")
        assert time.perf_counter() - started < 1
        next(events)
        events.close()


def test_another_mind_lets_no_answer_be_lost(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        for _ in range(5):
            next(events)
        assert client.post("/api/mind", {"name": "endless"}).status == 200
        *_, (_, last) = events
    assert json.loads(last.removeprefix(b"data: "))["done"]["finish"] == "cancelled"
    assert saved(client, talk)[-1]["content"].startswith("раз два раз")
    again = client.post(f"{talk}/say", {"text": "Ещё", "sampling": {"max_tokens": 2}})
    assert again.text == "раз два"


def test_a_stream_that_a_change_of_mind_breaks_off_is_no_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "AT_ONCE", 1)
    monkeypatch.setattr("chat_app.web.streams._PATIENCE", 0.02)
    asked = {"messages": [{"role": "user", "content": "Считай"}], "stream": True}
    with (
        client.open_stream("/v1/chat/completions", asked) as writing,
        client.open_stream("/v1/chat/completions", asked) as waiting,
        client.open_stream("/api/attract", {"prompt": "Считай"}) as drawn,
    ):
        streams = [pieces(each) for each in (writing, waiting, drawn)]
        next(streams[0])
        next(streams[1])
        next(streams[2])
        assert client.post("/api/mind", {"name": "endless"}).status == 200
        for stream in streams:
            *_, (_, last) = stream
            assert json.loads(last.removeprefix(b"data: ")).get("error", {}).get("code") == "mind_busy", last


def test_a_program_that_ends_keeps_what_was_being_written(client: Client) -> None:
    talk = client.new()
    with client.open_stream(f"{talk}/say", {"text": "Считай"}) as writing:
        events = pieces(writing)
        for _ in range(5):
            next(events)
        client.web.stop()
        events.close()
    assert saved(client, talk)[-1]["finish"] == "cancelled"
    assert saved(client, talk)[-1]["content"].startswith("раз два раз")


def test_a_conversation_that_goes_on_reads_only_what_is_new(client: Client) -> None:
    """Each has a cache of its own, whoever spoke in between."""
    talks = [client.new() for _ in range(3)]
    for text in ("Один", "Два"):
        for talk in talks:
            client.post(f"{talk}/say", {"text": text, "sampling": {"max_tokens": 5}})
    for talk in talks:
        stats = client.web.talks._open[talk.rsplit("/", 1)[1]].chat.last.stats
        assert stats.reused > stats.prompt / 2


@pytest.mark.parametrize(("lines", "made"), [(1, 1), (3, 3), (9, 4)])
def test_there_are_no_more_caches_than_answers_at_once(client: Client, lines: int, made: int) -> None:
    for number in range(lines):
        client.post(f"{client.new()}/say", {"text": chr(ord("а") + number) * 30, "sampling": {"max_tokens": 1}})
    assert client.web.talks.voice.seats._made == made
