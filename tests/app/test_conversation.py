"""Conversation files: whatever happens to the disk or to the program, what was said is still there."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import conversation as conversations
from chat_app import places
from chat_app.conversation import Conversation, load, recent
from chat_app.errors import (
    ConversationUnreadable,
    ConversationUnwritable,
    NotAConversation,
    NothingToRate,
    NothingToRetry,
)
from chat_app.template import Message


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in conversation.messages]


def talk(folder: Path, count: int = 2) -> Conversation:
    conversation = Conversation(folder, "мозг")
    for i in range(count):
        conversation.add(Message("user", f"вопрос {i}\nещё"))
        conversation.add(Message("assistant", f"ответ {i}", [i, 5]), finish="stop")
    return conversation


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files may not outgrow `size` bytes here: a full disk, down to the half-written line."""
    resource: Any = pytest.importorskip("resource", reason="Windows sets no limit to the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_every_turn_is_on_the_disk_at_once(tmp_path: Path) -> None:
    conversation = Conversation(tmp_path / "deep" / "folder", "мозг")
    assert not conversation.path.exists()
    conversation.add(Message("user", "Привет"))
    assert said(load(conversation.path, "мозг")) == [("user", "Привет")]
    rows = [orjson.loads(line) for line in conversation.path.read_bytes().splitlines()]
    assert rows[0]["mind"] == "мозг"
    assert [row["time"][:2] for row in rows] == ["20", "20"]


def test_a_conversation_comes_back_with_the_ids_that_its_mind_wrote(tmp_path: Path) -> None:
    path = talk(tmp_path).path
    assert [m.ids for m in load(path, "мозг").messages] == [[], [0, 5], [], [1, 5]]
    assert [m.ids for m in load(path, "другой").messages] == [[], [], [], []]


def test_the_voice_that_answered_comes_back_too(tmp_path: Path) -> None:
    conversation = Conversation(tmp_path, "мозг")
    conversation.add(Message("user", "а"))
    conversation.add(Message("assistant", "б", [5], "artistic"))
    copy = tmp_path / "copy.jsonl"
    conversation.save_as(copy)
    for path in (conversation.path, copy):
        assert load(path, "мозг").messages == conversation.messages
        assert [message.mode for message in load(path, "другой").messages] == ["", ""]  # voices are a mind's own


def test_undoing_is_a_line_too_and_nothing_is_erased(tmp_path: Path) -> None:
    conversation = talk(tmp_path)
    conversation.undo()
    conversation.add(Message("user", "иначе"))
    conversation.undo()
    conversation.undo(answer_only=True)
    assert said(conversation) == [("user", "вопрос 0\nещё")]
    assert said(load(conversation.path, "мозг")) == said(conversation)
    assert "ответ 1" in conversation.path.read_text("utf-8")


def test_undoing_nothing_is_refused(tmp_path: Path) -> None:
    conversation = Conversation(tmp_path)
    conversation.add(Message("system", "Ты добрый."))
    with pytest.raises(NothingToRetry):
        conversation.undo()


def test_the_last_system_text_is_the_one_in_force(tmp_path: Path) -> None:
    conversation = talk(tmp_path, 1)
    for text in ("Ты добрый.", "Ты строгий."):
        conversation.add(Message("system", text))
    assert conversation.system == load(conversation.path, "мозг").system == "Ты строгий."
    conversation.add(Message("system", ""))
    assert conversation.system is None
    assert len(conversation.turns) == 2


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["user", "assistant", "system", "undo", "undo answer"]), ANY_TEXT), max_size=12
)


@given(actions=ACTIONS)
def test_whatever_was_said_and_undone_the_file_tells_the_same(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Any]
) -> None:
    conversation = Conversation(tmp_path_factory.getbasetemp() / "said", "мозг")
    for role, text in actions:
        if not role.startswith("undo"):
            conversation.add(Message(role, text))
        elif conversation.turns:
            conversation.undo(answer_only=role == "undo answer")
    if conversation.messages:
        assert said(load(conversation.path, "мозг")) == said(conversation)


def test_a_torn_last_line_is_left_out_and_spoils_no_later_one(tmp_path: Path) -> None:
    path = talk(tmp_path, 1).path
    path.write_bytes(path.read_bytes()[:-9])
    again = load(path, "мозг")
    assert said(again) == [("user", "вопрос 0\nещё")]
    again.add(Message("user", "дальше"))
    again.add(Message("assistant", "да"))
    assert said(load(path, "мозг")) == [("user", "вопрос 0\nещё"), ("user", "дальше"), ("assistant", "да")]


@pytest.mark.parametrize("ids", ["все", 5, [1, "два"], [-1], [True], {"a": 1}])
def test_ids_that_cannot_be_are_forgotten(tmp_path: Path, ids: Any) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"start": 1, "mind": "м"}, {"role": "assistant", "content": "да", "ids": ids}]
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    assert load(path, "м").messages == [Message("assistant", "да")]


def test_a_person_brings_no_ids_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"start": 1, "mind": "м"}, {"role": "user", "content": "да", "ids": [1, 2]}]
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    assert load(path, "м").messages == [Message("user", "да")]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[1]\n", b'"role"', b"{}", b'{"role":"user","content":5}', b"null"]
)
def test_a_foreign_file_is_not_a_conversation(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jsonl"
    path.write_bytes(content)
    with pytest.raises(NotAConversation, match="photo"):
        load(path, "")


@pytest.mark.parametrize("name", ["gone.jsonl", "", "a\0b", "x" * 300, "."])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConversationUnreadable):
        load(tmp_path / name, "")


# --- a disk that takes no more -----------------------------------------------------------------------------------


def test_a_full_disk_takes_no_half_line_and_loses_nothing(tmp_path: Path) -> None:
    conversation = talk(tmp_path, 1)
    size = conversation.path.stat().st_size
    with disk_of(size + 10):
        conversation.add(Message("user", "это не влезет"))
        assert isinstance(conversation.problem, ConversationUnwritable)
        assert conversation.path.stat().st_size == size
        conversation.add(Message("assistant", "и это"))
        assert not conversation.saved
    conversation.add(Message("user", "а теперь влезет"))
    assert conversation.saved
    assert conversation.problem is None
    assert said(load(conversation.path, "мозг")) == said(conversation)


def test_a_folder_that_cannot_be_written_is_given_up_for_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "file").touch()
    conversation = talk(tmp_path / "file" / "folder")
    assert conversation.problem is not None
    assert conversation.saved
    assert conversation.path.parent == places.shelter()
    assert said(load(conversation.path, "мозг")) == said(conversation)


@pytest.mark.skipif(sys.platform == "win32", reason="the temporary folder is each person's own there")
def test_the_temporary_folder_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "file").touch()
    folder = tmp_path / f"mind-in-a-box-{os.getuid()}"
    folder.mkdir(mode=0o755)  # somebody came first, and would read along
    conversation = talk(tmp_path / "file" / "folder")
    assert not conversation.saved
    with pytest.raises(ConversationUnwritable):
        conversation.rescue()
    assert list(folder.iterdir()) == []
    folder.chmod(0o700)
    conversation.flush()
    assert conversation.saved


def test_a_folder_that_may_not_even_be_looked_into_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    with monkeypatch.context() as patch:
        for name in ("stat", "mkdir", "open", "exists"):
            patch.setattr(Path, name, forbidden)
        conversation = talk(tmp_path / "home", 1)
        assert str(conversation.problem).startswith("The conversation cannot be saved")
        assert len(conversation.messages) == 2
    conversation.flush()
    assert said(load(conversation.path, "мозг")) == said(conversation)


def test_with_no_disk_at_all_the_conversation_lives_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "file"))
    conversation = talk(tmp_path / "file")
    assert conversation.problem is not None
    assert not conversation.saved
    conversation.save_as(tmp_path / "rescued.jsonl")
    assert said(load(tmp_path / "rescued.jsonl", "мозг")) == said(conversation)


def test_a_machine_without_any_folder_to_write_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "gettempdir", none)
    conversation = talk(tmp_path / "file")
    assert len(conversation.messages) == 4
    with pytest.raises(ConversationUnwritable, match="No usable temporary directory"):
        conversation.rescue()


def test_a_conversation_that_is_left_is_brought_to_whatever_disk_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    conversation = talk(tmp_path, 1)
    assert conversation.rescue() == conversation.path
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if self == conversation.path and "a" in mode:
            raise OSError(28, "No space left on device")
        return real(self, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", full)
    conversation.add(Message("user", "последнее слово"))
    assert not conversation.saved
    kept = conversation.rescue()
    assert kept == places.shelter() / conversation.path.name
    assert said(load(kept, "мозг")) == said(conversation)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes there, and a person's folder is their own")
def test_conversations_are_kept_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert talk(tmp_path / "home").path.parent.stat().st_mode & 0o777 == 0o700


def test_names_differ_though_the_clock_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2100, 1, 1, tzinfo=tz)

    monkeypatch.setattr(Conversation, "_latest", datetime.now())  # and back
    monkeypatch.setattr(conversations, "datetime", Still)
    names = [Conversation(tmp_path).path.name for _ in range(3)]
    assert names == [f"2100-01-01-000000-00000{number}.jsonl" for number in range(3)]


# --- files that others touch -----------------------------------------------------------------------------------


def test_a_file_that_vanished_is_written_anew_with_all_that_was_said_and_rated(tmp_path: Path) -> None:
    conversation = talk(tmp_path)
    conversation.rate(good=True)
    conversation.path.unlink()
    conversation.add(Message("user", "дальше"))
    again = load(conversation.path, "мозг")
    assert said(again) == said(conversation)
    assert [m.ids for m in again.messages] == [m.ids for m in conversation.messages]
    assert [good for _, good in again.rated] == [True]
    assert conversation.problem is None


def test_a_file_that_another_program_went_on_with_is_left_to_it(tmp_path: Path) -> None:
    ours = talk(tmp_path, 1)
    theirs = load(ours.path, "мозг")
    theirs.add(Message("user", "от них"))
    path = ours.path
    ours.add(Message("user", "от нас"))
    ours.undo()
    assert ours.path != path
    assert ours.path.parent == path.parent
    assert str(path) in str(ours.problem)
    assert ours.saved
    theirs.add(Message("assistant", "их ответ"))
    assert said(load(path, "мозг")) == said(theirs)
    assert said(load(ours.path, "мозг")) == said(ours)


def test_a_full_disk_that_recovers_leaves_the_other_program_as_the_reason(tmp_path: Path) -> None:
    ours = talk(tmp_path, 1)
    load(ours.path, "мозг").add(Message("user", "от них"))
    path = ours.path
    ours.add(Message("user", "от нас"))
    with disk_of(ours.path.stat().st_size):
        ours.add(Message("assistant", "не влезет"))
        assert isinstance(ours.problem, ConversationUnwritable)
    ours.flush()
    assert ours.saved
    assert str(path) in str(ours.problem)


def test_a_disk_that_is_full_when_the_file_is_gone_gets_all_of_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = talk(tmp_path, 5)
    conversation.path.unlink()
    with disk_of(50):
        conversation.add(Message("user", "дальше"))
    assert not conversation.saved
    conversation.flush()
    assert said(load(conversation.path, "мозг")) == said(conversation)


def test_ids_are_those_of_the_mind_that_wrote_them_whoever_went_on(tmp_path: Path) -> None:
    path = talk(tmp_path, 1).path
    other = load(path, "другой")
    assert other.foreign
    other.add(Message("user", "а ты?"))
    other.add(Message("assistant", "я другой", [7, 7]))
    again, foreign = load(path, "мозг"), load(path, "другой")
    assert [m.ids for m in again.messages] == [[], [0, 5], [], []]
    assert [m.ids for m in foreign.messages] == [[], [], [], [7, 7]]
    assert again.foreign
    assert foreign.foreign


# --- saving elsewhere ------------------------------------------------------------------------------------------


def test_saving_writes_a_readable_text_or_a_file_to_go_on_with(tmp_path: Path) -> None:
    conversation = talk(tmp_path, 1)
    conversation.add(Message("system", "Ты добрый."))
    conversation.save_as(tmp_path / "talk.md")
    assert (tmp_path / "talk.md").read_text("utf-8") == "# Ты добрый.\n\n> вопрос 0\nещё\n\nответ 0\n"
    conversation.save_as(tmp_path / "TALK.TXT")
    assert (tmp_path / "TALK.TXT").read_bytes() == (tmp_path / "talk.md").read_bytes()
    conversation.save_as(tmp_path / "talk.jsonl")
    again = load(tmp_path / "talk.jsonl", "мозг")
    assert again.messages == conversation.messages


@pytest.mark.parametrize("name", ["", "..", "a\0b", "x" * 300, "file/talk.txt", "none/talk.txt"])
def test_saving_where_nothing_can_be_is_a_sentence_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    with pytest.raises(ConversationUnwritable):
        talk(tmp_path).save_as(folder / name)
    assert [path.name for path in folder.iterdir()] == ["file"]
    with pytest.raises(ConversationUnwritable):
        talk(tmp_path).save_as(Path("/"))


def test_a_full_disk_keeps_what_was_saved_before(tmp_path: Path) -> None:
    path = tmp_path / "talk.txt"
    talk(tmp_path, 1).save_as(path)
    before = path.read_bytes()
    longer = talk(tmp_path, 5)
    with disk_of(50), pytest.raises(ConversationUnwritable):
        longer.save_as(path)
    assert path.read_bytes() == before
    assert [file for file in tmp_path.iterdir() if file.suffix != ".jsonl"] == [path]


def test_a_disk_that_fills_up_under_a_copy_gets_rid_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:9])
            raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "folder"
    folder.mkdir()
    conversation = talk(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConversationUnwritable, match="No space left"):
        conversation.save_as(folder / "talk.txt")
    assert list(folder.iterdir()) == []


def test_a_forbidden_folder_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows says so of a folder into which it lets nobody write, and Python's tempfile does not believe it."""
    tried: list[Any] = []

    def forbidden(*given: Any) -> int:
        tried.append(given)
        assert len(tried) == 1
        raise PermissionError(errno.EACCES, "Permission denied")

    conversation = talk(tmp_path)
    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(ConversationUnwritable, match="Permission denied"):
        conversation.save_as(tmp_path / "talk.txt")
    assert tried


def test_a_copy_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    talk(tmp_path).save_as(tmp_path / "talk.txt")
    assert sys.platform == "win32" or (tmp_path / "talk.txt").stat().st_mode & 0o777 == 0o600


def test_the_latest_conversations_come_first_and_are_found_by_name(tmp_path: Path) -> None:
    paths = [talk(tmp_path, 1).path for _ in range(12)]
    assert recent(tmp_path) == paths[:1:-1]
    assert recent(tmp_path / "nothing") == []
    assert conversations.named(tmp_path, paths[3].stem) == paths[3]
    assert conversations.named(tmp_path, paths[3].name) == paths[3]
    assert conversations.named(tmp_path, "x" * 300) is None


def test_a_rating_outlives_the_answer_that_is_taken_back(tmp_path) -> None:
    conversation = talk(tmp_path, 1)
    conversation.rate(good=False)
    conversation.undo(answer_only=True)
    conversation.add(Message("assistant", "другой ответ"))
    conversation.rate(good=False)
    conversation.rate(good=True)
    again = load(conversation.path, "мозг")
    for found in (conversation.rated, again.rated):
        assert [([m.content for m in messages], good) for messages, good in found] == [
            (["вопрос 0\nещё", "ответ 0"], False), (["вопрос 0\nещё", "другой ответ"], True),
        ]  # fmt: skip


def test_nothing_is_rated_where_nothing_was_answered(tmp_path) -> None:
    conversation = Conversation(tmp_path)
    with pytest.raises(NothingToRate):
        conversation.rate(good=True)
    conversation.add(Message("user", "привет"))
    with pytest.raises(NothingToRate):
        conversation.rate(good=True)
    assert "rating" not in conversation.path.read_text("utf-8")


def test_a_rating_written_by_hand_without_an_answer_is_left_out(tmp_path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text(
        '{"rating": "good"}\n{"role": "user", "content": "привет"}\n{"rating": "bad"}\n{"rating": 1}\n', "utf-8"
    )
    assert load(path, "").rated == []
