"""The terminal's face: its parts alone, then whole with keys fed by hand. A real pseudo-terminal is in test_window."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.utils import get_cwidth

from chat_app import language, screen, terminal
from chat_app.awakening import Awakening
from chat_app.errors import MindMissing, MindTruncated
from chat_app.line import LineCompleter, SafeHistory, history
from chat_app.sampler import SETTINGS
from chat_app.screen import Screen
from chat_app.terminal import Terminal
from chat_app.wrap import Wrap

WORDS = st.lists(st.text(st.sampled_from("абвx\u4e2d😀,."), max_size=50) | st.sampled_from([" ", "\n"])).map("".join)


# --- wrapping --------------------------------------------------------------------------------------------------


@given(WORDS, st.integers(0, 90), st.lists(st.integers(0, 60), max_size=5))
def test_wrapping_keeps_all_text_apart_from_spaces_and_line_breaks(text: str, width: int, cuts: list[int]) -> None:
    wrap = Wrap(width)
    pieces = [text[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), None])]
    shown = "".join(map(wrap.feed, pieces)) + wrap.finish()
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", text)
    assert shown.count("\n") >= text.count("\n")


@given(WORDS, st.integers(50, 90))
def test_no_line_is_wider_than_the_window(text: str, width: int) -> None:
    wrap = Wrap(width)
    shown = wrap.feed(re.sub(r"(\S{15})", r"\1 ", text)) + wrap.finish()
    assert all(get_cwidth(line) < width for line in shown.split("\n"))


@given(WORDS, st.integers(0, 90), st.integers(0, 60))
def test_the_pieces_of_a_stream_do_not_change_where_it_breaks(text: str, width: int, cut: int) -> None:
    whole, parted = Wrap(width), Wrap(width)
    assert parted.feed(text[:cut]) + parted.feed(text[cut:]) + parted.finish() == whole.feed(text) + whole.finish()


def test_lines_break_between_words() -> None:
    wrap = Wrap(20)
    assert wrap.feed("один два три четыре пять ") + wrap.finish() == "один два три четыре\nпять "


def test_the_indent_of_a_line_stays_and_a_broken_line_has_none() -> None:
    wrap = Wrap(20)
    assert wrap.feed(" Голоса:\n* один\n  второй говорит длинно") + wrap.finish() == (
        "Голоса:\n* один\n  второй говорит \nдлинно"
    )


def test_a_line_of_two_columns_goes_on_under_its_second() -> None:
    wrap = Wrap(30)
    said = "/help      этот список\n/save      сохранить весь разговор\nи сказать об этом, когда готово"
    assert (wrap.feed(said) + wrap.finish()).split("\n") == [
        "/help      этот список", "/save      сохранить весь ", "           разговор", "и сказать об этом, когда ",
        "готово",
    ]  # fmt: skip


def test_a_sentence_is_no_column_and_what_fits_no_second_column_stands_below() -> None:
    wrap = Wrap(20)
    assert wrap.feed("Да.  Это длинная строка") + wrap.finish() == "Да.  Это длинная \nстрока"
    wrap = Wrap(24)
    assert wrap.feed("/attract  перечисление-вариантов") + wrap.finish() == "/attract  \nперечисление-вариантов"


def test_no_line_break_gets_into_an_address() -> None:
    wrap, address = Wrap(60), "/home/" + "папка/" * 12 + "разговор.jsonl"
    shown = wrap.feed(f"Сохранено: {address} и всё") + wrap.finish()
    assert address in shown


def test_a_mind_cannot_command_the_terminal() -> None:
    assert Wrap(80).feed("дом\x1b[2J\x07 сад\x9b31m ") == "дом[2J сад31m "


def test_a_word_is_held_until_it_is_whole() -> None:
    wrap = Wrap(80)
    assert [wrap.feed("при"), wrap.feed("вет "), wrap.feed("друг"), wrap.finish()] == ["", "привет ", "", "друг"]


# --- completion and history --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("/re", ["retry", "reset", "repetition_penalty", "repetition_window"]),
        ("/qu", ["quit"]),
        ("/set top", ["top_k", "top_p"]),
        ("/set ", list(SETTINGS)),
        ("/set temperature 0", []),
        ("/save ", []),
        ("привет", []),
        ("/re\n", []),
        ("", []),
    ],
)
def test_commands_and_settings_are_completed(typed: str, offered: list[str]) -> None:
    completions = list(LineCompleter().get_completions(Document(typed), CompleteEvent()))
    assert [c.text for c in completions] == offered
    assert all((typed[: c.start_position] + c.text).startswith("/") for c in completions if c.start_position)


def test_lines_typed_before_are_kept_in_a_file_of_ones_own(home: Path) -> None:
    history().append_string("Привет \udcff")
    if sys.platform != "win32":  # whose files have no modes
        assert (home / "line-history").stat().st_mode & 0o777 == 0o600
    assert list(history().load_history_strings()) == ["Привет \ufffd"]


def test_a_disk_that_takes_no_history_costs_no_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    unwritable = SafeHistory(str(home))  # a folder
    unwritable.append_string("Привет")
    assert unwritable.get_strings() == ["Привет"]
    monkeypatch.setenv("MIND_IN_A_BOX_HOME", str(home / "line-history"))
    (home / "line-history").touch()
    assert isinstance(history(), InMemoryHistory)


# --- the whole face -----------------------------------------------------------------------------------------------

Talk = Callable[..., str]


@pytest.fixture
def talk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Type keys at a terminal with this mind; what the program wrote, escape codes left out."""
    monkeypatch.setattr(terminal, "_keys_unseen", contextlib.nullcontext)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")

    def run(
        path: Path, keys: str | bytes, *, lang: str = "ru", asked: Mapping[str, str] = MappingProxyType({}),
        **options: bool,
    ) -> str:  # fmt: skip
        shown: list[str] = []
        monkeypatch.setattr(screen, "print_formatted_text", lambda text, **_: print("".join(part[1] for part in text)))
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_bytes(keys if isinstance(keys, bytes) else keys.encode())
            assert Terminal(Awakening(path, asked), lang, **options).run() == 0
        shown.append(capsys.readouterr().out)
        return "".join(shown)

    return run


END = "\x04"


def test_it_greets_answers_and_leaves(talk: Talk, chatting: Path) -> None:
    said = talk(chatting, "Как дела?\r/quit\rне прочтут\r")
    assert said.splitlines() == ["Проба", minds.GREETING, language.HINT("ru"), minds.ANSWER_TEXT]


def test_settings_of_the_command_line_come_over_those_of_the_mind(talk: Talk, chatting: Path) -> None:
    said = talk(chatting, f"a\r/max_tokens\r{END}", asked={"max_tokens": "2"})
    assert said.splitlines()[3:] == ["Привет,", language.CUT_ANSWER("ru", longer=4), "max_tokens = 2"]


def test_commands_answer_and_errors_do_not_end_the_talk(talk: Talk, chatting: Path) -> None:
    said = talk(chatting, f"a\r/retry\r  /undo\r/undo\r/set top_p 9\r\r/nothing\r{END}", lang="en").splitlines()[3:]
    assert said[:3] == [minds.ANSWER_TEXT, minds.ANSWER_TEXT, language.UNDONE("en")]
    assert said[3] == "There is no answer to go back to yet."
    assert said[4].startswith("top_p cannot be 9")
    assert said[5].startswith("There is no command /nothing")
    assert len(said) == 6


def test_a_continuation_is_shown_with_what_it_continues(talk: Talk, continuing: Path) -> None:
    said = talk(continuing, f"Привет, дру\r{END}")
    answers = [line for line in said.splitlines() if line.startswith("Привет, дру")]
    assert len(answers) == 1
    assert len(answers[0]) > len("Привет, дру")


def test_who_waits_for_a_large_mind_is_told_that_it_wakes(
    talk: Talk, chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert language.WAKING("ru") not in talk(chatting, f"Да\r{END}")
    waited = iter([False, False, True, True])
    monkeypatch.setattr(Awakening, "ready", lambda *_: next(waited))
    said = talk(chatting, f"Да\r{END}")
    assert said.count(f"\r{language.WAKING('ru')} ") == 2
    assert " %" in said
    assert "Привет, друг!" in said


def test_an_answer_does_not_repeat_the_question(talk: Talk, chatting: Path) -> None:
    assert "Как дела" not in talk(chatting, f"Как дела\r{END}")


def test_an_empty_line_lets_a_base_mind_go_on(talk: Talk, continuing: Path) -> None:
    said = talk(continuing, f"\r\r{END}")
    assert said.count("вода, река; вода, река;") == 2


def test_interrupting_an_empty_prompt_tells_how_to_leave(talk: Talk, chatting: Path) -> None:
    assert language.LEAVE("ru") in talk(chatting, f"\x03{END}")


def test_how_to_leave_names_no_key_where_none_does(
    chatting: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    face = Terminal(Awakening(chatting), "en", plain=True)
    face._tell_how_to_leave()
    assert "Ctrl-D" in capsys.readouterr().out
    monkeypatch.setattr(sys, "platform", "win32")  # where a bare line ends at Ctrl-Z
    face._tell_how_to_leave()
    told = capsys.readouterr().out
    assert "/quit" in told
    assert "Ctrl-D" not in told


def test_interrupting_an_answer_keeps_the_talk(talk: Talk, babbling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Screen.write

    def interrupted(it: Screen, pieces: Any) -> None:
        def stream() -> Iterator[str]:
            for count, piece in enumerate(pieces):
                yield piece
                if count == 2:
                    signal.raise_signal(signal.SIGINT)

        write(it, stream())

    monkeypatch.setattr(Screen, "write", interrupted)
    said = talk(babbling, f"Дом\r/context\r{END}", asked={"seed": "1"}).splitlines()
    assert len(said[3].strip()) <= 3
    assert said[4] == language.STOPPED("ru")
    assert said[5].startswith("Токенов в памяти")


def test_interrupting_while_the_mind_wakes_is_no_end(
    talk: Talk, chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts = iter([KeyboardInterrupt])
    chat = Awakening.chat

    def impatient(self: Awakening) -> Any:
        for interrupt in interrupts:
            raise interrupt
        return chat(self)

    monkeypatch.setattr(Awakening, "chat", impatient)
    assert talk(chatting, f"a\rb\r{END}").splitlines()[3:] == [language.LEAVE("ru"), minds.ANSWER_TEXT]


@pytest.mark.skipif(sys.platform == "win32", reason="a console hands over letters there, never bytes")
def test_bytes_that_are_no_letters_are_said_and_kept_as_signs(talk: Talk, chatting: Path, home: Path) -> None:
    assert minds.ANSWER_TEXT in talk(chatting, b"\xcf\xf0\xe8\r\x04")
    assert "\ufffd" in next((home / "conversations").glob("*")).read_text("utf-8")
    assert "\ufffd" in (home / "line-history").read_text("utf-8")


def test_escape_enter_begins_a_new_line(talk: Talk, chatting: Path, home: Path) -> None:
    talk(chatting, f"раз\x1b\rдва\r{END}")
    assert "раз\\nдва" in next((home / "conversations").glob("*")).read_text("utf-8")


def test_a_disk_that_takes_nothing_is_told_once(
    talk: Talk, chatting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIND_IN_A_BOX_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    said = talk(chatting, f"a\rb\r{END}", lang="en")
    assert said.count("cannot be saved") == 1
    assert str(next((tmp_path / "tmp").rglob("*.jsonl"))) in said


def test_a_mind_that_does_not_open_ends_before_the_greeting(talk: Talk, tmp_path: Path) -> None:
    with pytest.raises(MindMissing):
        talk(tmp_path / "none.mind", END)


def test_weights_that_cannot_be_read_end_it_at_the_first_line(
    talk: Talk, chatting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise MindTruncated(path="a.mind", expected=2, actual=1)

    monkeypatch.setattr("chat_app.engine.Weights.from_mind", cut)
    with pytest.raises(MindTruncated):
        talk(chatting, f"a\r{END}")
