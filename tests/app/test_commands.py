"""The slash commands: every one of them, and what people type instead."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import commands, language
from chat_app.box import MAGIC
from chat_app.chat import Chat
from chat_app.commands import COMMANDS, is_command
from chat_app.conversation import Conversation, load
from chat_app.errors import (
    BadSetting,
    BoxError,
    ConversationUnreadable,
    ConversationUnwritable,
    FileExists,
    MindError,
    MindTooLarge,
    MindTruncated,
    NothingToLookAt,
    NothingToRetry,
    UnknownSetting,
)
from chat_app.insight import INSIGHTS
from chat_app.language import HELP
from chat_app.mind import open_mind
from chat_app.remarks import DiskWatch, remarks
from chat_app.sampler import SETTINGS
from chat_app.voices import VOICES
from chat_app.weights import Weights


@pytest.fixture(params=["ru", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat(chatting: Path, home: Path) -> Chat:
    return Chat.with_mind(open_mind(chatting), home)


@pytest.fixture
def tale(continuing: Path, home: Path) -> Chat:
    return Chat.with_mind(open_mind(continuing), home)


def run(chat: Chat, line: str, lang: str = "ru") -> str:
    outcome = commands.run(chat, line, lang)
    return outcome.text + ("".join(outcome.answer) if outcome.answer else "")


def test_help_names_every_command(chat: Chat, lang: str) -> None:
    assert HELP.keys() == COMMANDS.keys() | INSIGHTS.keys() | VOICES.keys()
    text = run(chat, "/help", lang)
    assert all(f"/{name} " in text for name in HELP)


@pytest.fixture
def two_minds(chatting: Path, continuing: Path, tmp_path: Path) -> Path:
    """A folder with a mind that chats, a box that carries one that goes on, and what is neither."""
    folder = tmp_path / "minds"
    folder.mkdir()
    shutil.copy(chatting, folder / "talker.mind")
    mind = continuing.read_bytes()
    (folder / "mind-in-a-box-linux-x86_64").write_bytes(b"\x7fELF" + mind + len(mind).to_bytes(8, "little") + MAGIC)
    (folder / "mind-in-a-box-linux-x86_64.tar.gz").write_bytes(b"packed")
    (folder / "mind-in-a-box-folder").mkdir()
    (folder / "broken.mind").write_bytes(b"no mind")
    return folder


def test_mind_lists_the_minds_of_the_folder(two_minds: Path, home: Path, lang: str) -> None:
    chat = Chat.with_mind(open_mind(two_minds / "talker.mind"), home)
    lines = run(chat, "/mind", lang).split("\n")
    assert [line[:2] + line[2:].partition(":")[0] for line in lines[1:]] == [
        "  broken", "  mind-in-a-box-linux-x86_64", "* talker",
    ]  # fmt: skip
    assert str(chat.mind.card["title"]) in lines[3]


@pytest.mark.parametrize("name", ["mind-in-a-box-linux-x86_64", "{folder}/mind-in-a-box-linux-x86_64"])
def test_mind_changes_the_mind_and_keeps_what_was_said(two_minds: Path, home: Path, lang: str, name: str) -> None:
    chat = Chat.with_mind(open_mind(two_minds / "talker.mind"), home)
    "".join(chat.say("Привет"))
    kept = chat.conversation.path
    said = run(chat, f"/mind {name.format(folder=two_minds)}", lang)
    assert str(chat.mind.card["title"]) in said
    assert not chat.mind.can_chat
    assert chat.sampling == chat.mind.manners.sampling
    assert chat.conversation.path != kept
    assert load(kept, "").turns[0].content == "Привет"
    assert "".join(chat.say("да"))
    run(chat, "/mind talker", lang)
    assert chat.mind.can_chat
    assert "".join(chat.say("Привет")) == minds.ANSWER_TEXT


def test_minds_are_listed_beside_a_link_to_nowhere_and_after_the_present_one_was_moved(
    two_minds: Path, home: Path, lang: str, link: Callable[[Path, Path], None]
) -> None:
    chat = Chat.with_mind(open_mind(two_minds / "talker.mind"), home)
    link(two_minds / "link.mind", two_minds / "gone.mind")
    (two_minds / "talker.mind").rename(two_minds / "moved.mind")
    lines = run(chat, "/mind", lang).split("\n")
    assert "  link: ?" in lines
    assert [line for line in lines if line.startswith("*")] == [f"* talker: {chat.mind.card['title']}"]


@pytest.mark.parametrize(
    "problem",
    [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), OSError(errno.EIO, "Input/output error"),
     MindTruncated(path="a.mind", expected=2, actual=1)],
    ids=["memory", "no pages", "disk", "truncated"],
)  # fmt: skip
def test_a_mind_that_cannot_be_loaded_leaves_the_present_one_talking(
    two_minds: Path, home: Path, lang: str, problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat.with_mind(open_mind(two_minds / "talker.mind"), home)
    chat.sampling = replace(chat.sampling, max_tokens=7)
    "".join(chat.say("Привет"))
    with monkeypatch.context() as patch:
        patch.setattr(Weights, "from_mind", lambda *_: _fail(problem))
        with pytest.raises(MindError) as caught:
            run(chat, "/mind mind-in-a-box-linux-x86_64", lang)
        assert caught.value.sentence(lang)
        with pytest.raises(MindError):  # nor can the present one, for now
            chat.say("Ты тут?")
    assert (chat.mind.path.name, chat.sampling.max_tokens) == ("talker.mind", 7)
    assert "".join(chat.say("Ты тут?")) == minds.ANSWER_TEXT
    assert [turn.content for turn in chat.conversation.turns][::2] == ["Привет", "Ты тут?"]


def _fail(problem: Exception) -> Weights:
    raise problem


def test_memory_that_does_not_hold_a_mind_is_a_sentence(
    two_minds: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Weights, "from_mind", lambda *_: _fail(MemoryError()))
    with pytest.raises(MindTooLarge, match="not enough memory for the mind"):
        Chat.with_mind(open_mind(two_minds / "talker.mind"), home)


def test_a_mind_that_cannot_be_opened_leaves_the_present_one(two_minds: Path, home: Path, lang: str) -> None:
    chat = Chat.with_mind(open_mind(two_minds / "talker.mind"), home)
    for name in ("broken", "nobody"):
        with pytest.raises(MindError):
            run(chat, f"/mind {name}", lang)
    assert chat.mind.path.name == "talker.mind"
    assert "".join(chat.say("Привет")) == minds.ANSWER_TEXT


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("/set temperature 0.7", "temperature", 0.7),
        ("/set temperature=0,7", "temperature", 0.7),
        ("/temperature=0,7", "temperature", 0.7),
        ("/temperature 0,7", "temperature", 0.7),
        ("/max_tokens 50", "max_tokens", 50),
        ("/max_tokens 50.0", "max_tokens", 50),
        ("/max_tokens 1e3", "max_tokens", 1000),
        ("/MAX-TOKENS 50", "max_tokens", 50),
        ("/set Top-K 5", "top_k", 5),
        ("/seed 7", "seed", 7),
        ("/set seed off", "seed", None),
        ("/set\ttop_p\t0.9", "top_p", 0.9),
    ],
)
def test_settings_are_changed_as_people_write_them(chat: Chat, line: str, name: str, value: object) -> None:
    assert run(chat, line) == f"{name} = {'random' if value is None else value}"
    assert getattr(chat.sampling, name) == value


def test_settings_are_shown_one_or_all(chat: Chat, lang: str) -> None:
    text = run(chat, "/set", lang)
    assert all(f"{name} = " in text for name in SETTINGS)
    assert "  seed = random" in text.splitlines()
    assert run(chat, "/set max_tokens", lang) == run(chat, "/max_tokens", lang) == "max_tokens = 40"


def test_an_unknown_setting_is_answered_with_the_nearest(chat: Chat) -> None:
    with pytest.raises(UnknownSetting, match="Did you mean temperature"):
        run(chat, "/set temprature 1")


@pytest.mark.parametrize("line", ["/set top_p 5", "/temperature горячо", "/max_tokens -1", "/set seed 1.5"])
def test_an_impossible_value_is_refused_and_nothing_changes(chat: Chat, line: str) -> None:
    before = chat.sampling
    with pytest.raises(BadSetting):
        run(chat, line)
    assert chat.sampling == before


@pytest.mark.parametrize(
    ("typed", "nearest"), [("hlep", "help"), ("quti", "quit"), ("temp", "temperature"), ("temprature", "temperature")]
)
def test_an_unknown_command_is_answered_with_the_nearest(chat: Chat, lang: str, typed: str, nearest: str) -> None:
    text = run(chat, f"/{typed}", lang)
    assert f"/{typed}" in text
    assert "/help" in text
    assert f"/{nearest}?" in text


@pytest.mark.parametrize("line", [
    "/", "//", "/ привет", "/5", "/*", "привет /help", "", "|/help", "/usr/bin/python упал", "/сад.",
    "/save имя\nи ещё строка",
])  # fmt: skip
def test_what_only_looks_like_a_command_is_said_to_the_mind(line: str) -> None:
    assert not is_command(line)


@given(st.text())
def test_any_command_line_ends_in_words_or_in_a_sentence(fuzzed: Chat, text: str) -> None:
    for name in ("", "set ", "temperature ", "load ", "system ", "load ~"):
        line = f"/{name}{text}"
        if is_command(line):
            try:
                assert run(fuzzed, line) is not None
            except BoxError as error:
                assert error.sentence("ru")


@pytest.fixture(scope="module")
def fuzzed(chatting: Path, tmp_path_factory: pytest.TempPathFactory) -> Chat:
    return Chat.with_mind(open_mind(chatting), tmp_path_factory.mktemp("fuzzed"))


def test_retry_streams_a_new_answer(chat: Chat) -> None:
    "".join(chat.say("Дом"))
    assert run(chat, "/retry") == minds.ANSWER_TEXT
    assert len(chat.conversation.turns) == 2


@pytest.mark.parametrize("command", ["good", "bad"])
def test_what_the_person_thinks_of_an_answer_is_kept(chat: Chat, lang: str, command: str) -> None:
    list(chat.say("привет"))
    assert commands.run(chat, f"/{command}", lang).text == language.RATED(lang)
    ((messages, good),) = load(chat.conversation.path, chat.mind.sha256).rated
    assert [m.content for m in messages] == ["привет", chat.last.text]
    assert good == (command == "good")


def test_undo_forgets_and_says_so(chat: Chat, lang: str) -> None:
    "".join(chat.say("Дом"))
    assert run(chat, "/undo", lang) == language.UNDONE(lang)
    assert chat.conversation.turns == []
    with pytest.raises(NothingToRetry):
        run(chat, "/undo", lang)


def test_reset_tells_where_the_old_conversation_is(chat: Chat, lang: str) -> None:
    "".join(chat.say("Дом"))
    old = chat.conversation.path
    assert str(old) in run(chat, "/reset", lang)
    assert chat.conversation.turns == []


def test_reset_promises_no_file_where_nothing_was_said(chat: Chat, lang: str) -> None:
    assert run(chat, "/reset", lang) == language.FRESH(lang)


def test_a_conversation_that_is_nowhere_but_in_memory_is_not_thrown_away(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.jsonl"
    "".join(chat.say("Сад"))
    run(chat, f"/save {other}")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        patch.setattr(Path, "touch", full)
        chat.conversation.add(minds.template.Message("user", "Река"))
        for line in ("/reset", f"/load {other}"):
            with pytest.raises(BoxError):
                run(chat, line)
        assert [m.content for m in chat.conversation.turns] == ["Сад", minds.ANSWER_TEXT, "Река"]
        assert DiskWatch().farewell(chat, "en") != []
    run(chat, "/reset")
    assert chat.conversation.turns == []


def test_leaving_tells_where_the_words_went_if_not_to_the_usual_file(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    "".join(chat.say("Сад"))
    assert DiskWatch().farewell(chat, lang) == []
    monkeypatch.setattr(chat.conversation, "rescue", lambda: tmp_path / "rescued.jsonl")
    assert DiskWatch().farewell(chat, lang) == [language.SAVED(lang, path=tmp_path / "rescued.jsonl")]


def test_the_system_text_is_shown_and_set(chat: Chat, lang: str) -> None:
    assert "Ты добрый." in run(chat, "/system", lang)
    assert "Ты строгий\nи честный." in run(chat, "/system Ты строгий\nи честный.", lang)
    assert chat.system == "Ты строгий\nи честный."
    assert run(chat, "/system\nВ две\nстроки", lang).endswith("В две\nстроки")


def test_a_base_mind_says_that_it_has_no_system_text(tale: Chat, lang: str) -> None:
    assert run(tale, "/system Ты добрый.", lang) == language.SYSTEM_BASE(lang)
    assert tale.conversation.system is None


def test_a_mind_without_a_system_text_says_so(chat: Chat, lang: str) -> None:
    chat.mind = replace(chat.mind, manners=replace(chat.mind.manners, system=""))
    assert run(chat, "/system", lang) == language.NO_SYSTEM(lang)


def test_save_and_load_bring_a_conversation_elsewhere_and_back(chat: Chat, tmp_path: Path, lang: str) -> None:
    "".join(chat.say("Дом"))
    path = tmp_path / "имя с пробелом.jsonl"
    assert str(path) in run(chat, f"/save {path}", lang)
    chat.reset()
    assert str(path) in run(chat, f"/load {path}", lang)
    assert [m.content for m in chat.conversation.turns] == ["Дом", minds.ANSWER_TEXT]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_path_is_understood_in_the_quotes_that_a_file_manager_gives_it(
    chat: Chat, tmp_path: Path, quote: str
) -> None:
    "".join(chat.say("Дом"))
    path = tmp_path / "мой разговор.jsonl"
    run(chat, f"/save {quote}{path}{quote}")
    assert path.is_file()
    run(chat, "/reset")
    run(chat, f"/load {quote}{path}{quote}")
    assert chat.conversation.path == path
    run(chat, f"/mind {quote}{chat.mind.path}{quote}")


def test_save_overwrites_no_file_but_its_own_copies(chat: Chat, tmp_path: Path) -> None:
    notes, copy = tmp_path / "notes.txt", tmp_path / "copy.txt"
    notes.write_text("Важное.", "utf-8")
    assert run(chat, f"/save {notes}", "en") == "There is nothing to save yet."
    "".join(chat.say("Дом"))
    with pytest.raises(FileExists):
        run(chat, f"/save {notes}")
    assert notes.read_text("utf-8") == "Важное."
    run(chat, f"/save {copy}")
    "".join(chat.say("Сад"))
    run(chat, f"/save {copy}")
    assert "> Сад" in copy.read_text("utf-8")
    assert run(chat, f"/save {chat.conversation.path}", "en") == language.SAVED("en", path=chat.conversation.path)


def test_save_replaces_nothing_that_lies_beside(chat: Chat, tmp_path: Path) -> None:
    "".join(chat.say("Дом"))
    mine = tmp_path / "talk.txt.partial"
    mine.write_text("моё", "utf-8")
    run(chat, f"/save {tmp_path / 'talk.txt'}")
    assert mine.read_text("utf-8") == "моё"


def test_save_replaces_no_link_even_to_nowhere(chat: Chat, tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    "".join(chat.say("Дом"))
    link(tmp_path / "link.txt", tmp_path / "nothing")
    with pytest.raises(FileExists):
        run(chat, f"/save {tmp_path / 'link.txt'}")


@pytest.mark.skipif(sys.platform == "win32", reason="devices are no files there")
def test_save_replaces_no_device(chat: Chat) -> None:
    "".join(chat.say("Дом"))
    with pytest.raises(FileExists):
        run(chat, "/save /dev/null")


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that a program runs in cannot be removed there")
def test_saving_from_a_folder_that_is_gone_is_a_sentence(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    "".join(chat.say("Дом"))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConversationUnwritable):
        run(chat, "/save talk.txt")


@pytest.mark.parametrize("line", ["/mind \0a", "/load \0a", f"/look {'9' * 5000}", f"/attract {'9' * 5000}"])
def test_odd_arguments_are_a_sentence(chat: Chat, line: str) -> None:
    "".join(chat.say("Дом"))
    with pytest.raises(BoxError):
        list(commands.run(chat, line, "ru").lines)


def test_an_answer_of_spaces_has_nothing_to_look_into(chat: Chat) -> None:
    chat.conversation.add(minds.template.Message("user", "Дом"))
    chat.conversation.add(minds.template.Message("assistant", " "))
    with pytest.raises(NothingToLookAt):
        run(chat, "/look")


def test_nothing_said_is_nothing_saved(chat: Chat, lang: str) -> None:
    assert run(chat, "/save", lang) == language.NOTHING_TO_SAVE(lang)
    assert not chat.conversation.path.exists()


def test_a_conversation_that_another_mind_began_is_told_from_ones_own(chat: Chat, tmp_path: Path, lang: str) -> None:
    for mind, told in ((chat.mind.sha256, False), ("0" * 64, True)):
        other = Conversation(tmp_path, mind)
        other.add(minds.template.Message("user", "Река"))
        said = run(chat, f"/load {other.path}", lang)
        assert said.endswith(language.OF_ANOTHER_MIND(lang)) is told


def test_what_the_system_refuses_is_told_in_the_persons_language(chat: Chat) -> None:
    with pytest.raises(ConversationUnreadable) as refused:
        run(chat, "/load нет такого")
    assert refused.value.sentence("ru").endswith("«нет такого»: такого файла или такой папки нет.")
    assert refused.value.sentence("en").endswith("“нет такого” cannot be opened: No such file or directory.")


def test_no_refusal_contradicts_what_was_typed(chat: Chat) -> None:
    for line, needed in (("/top_k 1.5", "целое число ≥ 0"), ("/max_tokens 99999999999999999999", "целое число ≥ 1")):
        with pytest.raises(BadSetting) as refused:
            run(chat, line)
        assert needed in refused.value.sentence("ru")


@pytest.mark.parametrize("line", ["/help", "/help?", "/help!", "/HELP?!"])
def test_a_mark_after_a_command_is_part_of_the_question(chat: Chat, lang: str, line: str) -> None:
    assert run(chat, line, lang) == run(chat, "/help", lang)


def test_a_command_that_is_like_none_is_answered_without_a_guess(chat: Chat) -> None:
    assert "/help?" in run(chat, "/hepl", "en")
    assert run(chat, "/помощь", "en") == "There is no command /помощь. All commands: /help"


def test_save_alone_names_the_file_that_is_kept_anyway(chat: Chat, lang: str) -> None:
    "".join(chat.say("Дом"))
    assert run(chat, "/save", lang) == language.SAVED(lang, path=chat.conversation.path)


def test_save_tells_when_the_disk_does_not_take_it(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    chat = Chat.with_mind(open_mind(chatting), tmp_path / "file")
    "".join(chat.say("Дом"))
    with pytest.raises(ConversationUnwritable):
        run(chat, "/save")


def test_load_alone_lists_the_latest_and_takes_their_names(chat: Chat, lang: str) -> None:
    assert run(chat, "/load", lang) == language.NO_RECENT(lang)
    "".join(chat.say("Дом"))
    name = chat.conversation.path.stem
    (chat.folder / "0.jsonl").write_text("это не разговор", "utf-8")
    assert run(chat, "/load", lang) == f"{language.RECENT(lang)}\n  {name}  Дом\n  0  ?"
    chat.reset()
    run(chat, f"/load {name}", lang)
    assert len(chat.conversation.turns) == 2


@pytest.mark.parametrize("name", ["нет такого", "a\0b", "x" * 300, "~nobody-here/talk.jsonl", "/", "."])
def test_paths_that_cannot_be_are_sentences(chat: Chat, name: str) -> None:
    with pytest.raises(ConversationUnreadable):
        run(chat, f"/load {name}")
    "".join(chat.say("Дом"))
    with pytest.raises(ConversationUnwritable):
        run(chat, f"/save {name}/{name}")


def test_the_home_folder_is_understood(chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):  # Windows' word for it is the second
        monkeypatch.setenv(name, str(tmp_path))
    "".join(chat.say("Дом"))
    run(chat, "/save ~/talk.jsonl")
    assert len(load(tmp_path / "talk.jsonl", "").messages) == 2


def test_stats_context_card_license_and_where_tell_their_part(chat: Chat, lang: str) -> None:
    assert run(chat, "/stats", lang) == language.NO_STATS(lang)
    assert "0" in run(chat, "/context", lang)
    "".join(chat.say("Дом"))
    assert "4" in run(chat, "/stats", lang)
    spoken = len(chat.engine.cache.ids) + 1  # the end mark, which is read with the next line
    assert f" {spoken} " in run(chat, "/context", lang)
    run(chat, "/undo", lang)
    assert " 0 " in run(chat, "/context", lang)
    "".join(chat.say("Дом"))
    chat.mind.card.update(figures={"hours": 2.5, "iterations": 7}, parameters=12345)
    assert run(chat, "/card", lang).splitlines() == [
        f"{language.CARD['title'](lang)}: Проба",
        f"{language.CARD['licence'](lang)}: CC0-1.0",
        f"{language.CARD['parameters'](lang)}: {language.number(12345, lang)}",
        f"{language.CARD['hours'](lang)}: {language.number(2.5, lang, 1)}",
        f"sha256: {chat.mind.sha256}",
    ]
    assert run(chat, "/license", lang) == "CC0-1.0"
    where = run(chat, "/where", lang)
    assert str(chat.conversation.path) in where
    assert str(chat.mind.path.absolute()) in where


def test_a_mind_without_terms_says_so(chat: Chat, lang: str) -> None:
    chat.mind = replace(chat.mind, card={})
    assert run(chat, "/license", lang) == language.NO_LICENCE(lang)


def test_quit_leaves(chat: Chat) -> None:
    for line in ("/quit", "/exit", "/QUIT now"):
        assert commands.run(chat, line, "ru").leave
    assert not commands.run(chat, "/help", "ru").leave


def test_remarks_tell_why_an_answer_ended(chat: Chat, tale: Chat, lang: str) -> None:
    answer = chat.say("Дом")
    "".join(answer)
    assert remarks(chat, answer, lang) == []
    for finish, phrase in (("cancelled", language.STOPPED), ("context", language.CONTEXT_FULL)):
        answer.stats.finish = finish
        assert remarks(chat, answer, lang) == [phrase(lang)]
    answer.stats.finish = "length"
    assert remarks(chat, answer, lang) == [language.CUT_ANSWER(lang, longer=80)]
    assert remarks(tale, answer, lang) == [language.CUT(lang, longer=16)]
    answer.forgot = True
    assert remarks(chat, answer, lang)[-1] == language.FORGOT(lang)


def test_a_disk_that_takes_nothing_is_told_once_with_the_place_of_the_words(
    chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    chat, watch = Chat.with_mind(open_mind(chatting), tmp_path / "file"), DiskWatch()
    assert watch.remarks(chat, lang) == []
    chat.conversation.add(minds.template.Message("user", "Дом"))
    said = watch.remarks(chat, lang)
    assert str(tmp_path / "file") in said[0]
    assert said[1] == language.MOVED(lang, path=chat.conversation.path)
    assert chat.conversation.path.exists()
    assert watch.remarks(chat, lang) == []


def test_words_that_are_only_in_memory_are_never_said_to_be_in_a_file(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    watch = DiskWatch()
    "".join(chat.say("Дом"))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        chat.conversation.add(minds.template.Message("user", "Река"))
        said = watch.remarks(chat, lang)
    assert ("нет места" if lang == "ru" else "No space left on device") in said[0]
    assert said[1] == language.IN_MEMORY(lang)
    chat.conversation.flush()
    assert watch.remarks(chat, lang) == []
    assert len(load(chat.conversation.path, "").messages) == 3
