"""Streams and consoles: UTF-8 whatever the system says. Windows' own parts run against a kernel made here."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import minds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app import console, language, pipe
from chat_app.chat import Chat
from chat_app.mind import open_mind


class Kernel:
    """The part of kernel32 that is asked: a console with its two code pages, or none at all."""

    def __init__(self, pages: tuple[int, int], processes: int = 1) -> None:
        self.pages, self.processes = pages, processes

    def GetConsoleProcessList(self, ids: object, size: int) -> int:  # noqa: N802
        return self.processes

    def GetConsoleCP(self) -> int:  # noqa: N802
        return self.pages[0]

    def GetConsoleOutputCP(self) -> int:  # noqa: N802
        return self.pages[1]

    def GetOEMCP(self) -> int:  # noqa: N802
        return 866

    def SetConsoleCP(self, page: int) -> None:  # noqa: N802
        self.pages = (page, self.pages[1])

    def SetConsoleOutputCP(self, page: int) -> None:  # noqa: N802
        self.pages = (self.pages[0], page)


@pytest.fixture
def at_exit(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    waiting: list[Callable[[], None]] = []
    monkeypatch.setattr(console.atexit, "register", lambda call, *given: waiting.append(lambda: call(*given)))
    return waiting


def test_a_windows_console_speaks_utf8_until_the_program_ends(at_exit: list[Callable[[], None]]) -> None:
    kernel = Kernel((866, 1251))
    assert console.speak_utf8(kernel) == "cp866"
    assert kernel.pages == (65001, 65001)
    (restore,) = at_exit
    restore()
    assert kernel.pages == (866, 1251)


def test_without_a_console_nothing_is_set_and_pipes_are_in_the_encoding_of_consoles(
    at_exit: list[Callable[[], None]],
) -> None:
    kernel = Kernel((0, 0))
    assert console.speak_utf8(kernel) == "cp866"
    assert kernel.pages == (0, 0)
    assert not at_exit


@pytest.mark.parametrize(
    ("platform", "number", "told"),
    [
        ("win32", errno.EINVAL, "Broken pipe"),
        ("win32", errno.ENOSPC, "No space left on device"),
        ("linux", errno.EINVAL, "Invalid argument"),
    ],
)
def test_a_pipe_that_nobody_reads_is_called_so_on_windows_too(
    monkeypatch: pytest.MonkeyPatch, platform: str, number: int, told: str
) -> None:
    monkeypatch.setattr(console.sys, "platform", platform)
    assert f"({told})" in console.closed(OSError(number, os.strerror(number))).sentence("en")


@pytest.mark.skipif(sys.platform == "win32", reason="there are code pages")
def test_other_systems_have_no_code_pages() -> None:
    assert console.speak_utf8() == ""


@pytest.mark.parametrize(("processes", "ours"), [(1, True), (2, True), (3, False)])
@pytest.mark.parametrize("person", [True, False])
def test_a_window_is_ours_where_no_shell_shares_it_and_a_person_sees_it(
    monkeypatch: pytest.MonkeyPatch, processes: int, ours: bool, person: bool
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda stream: person)
    assert console.is_ours(2, Kernel((866, 866), processes)) == (ours and person)
    assert console.is_ours(1, Kernel((866, 866), processes)) == (processes == 1 and person)


@given(st.text())
def test_utf8_is_read_as_utf8_whatever_the_code_page(text: str) -> None:
    assert console.decode(text.encode("utf-8", "replace"), "cp866")[1] == "utf-8"


@pytest.mark.parametrize(("encoding", "found"), [("cp866", "cp866"), ("cp1251", "cp1251")])
def test_what_is_not_utf8_is_read_by_the_code_page(encoding: str, found: str) -> None:
    assert console.decode("Привет, ёж!".encode(encoding), encoding) == ("Привет, ёж!", found)


@pytest.mark.parametrize("encoding", ["", "cp99999", "ascii"])
def test_where_no_code_page_helps_the_bytes_are_marked(encoding: str) -> None:
    assert console.decode(b"abc \xff", encoding) == ("abc \ufffd", "")


def test_a_pipe_in_the_consoles_encoding_is_answered_and_told(
    chatting: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = "Привет\r\n".encode("cp866") + "Как дела?\r\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    chat = Chat.with_mind(open_mind(chatting), home)
    assert pipe.talk(chat, "ru", "cp866") == 0
    answers, remarks = capsys.readouterr()
    assert answers == 2 * (minds.ANSWER_TEXT + "\n")
    assert [turn.content for turn in chat.conversation.turns[::2]] == ["Привет", "Как дела?"]
    assert language.OTHER_ENCODING("ru", number=1, encoding="cp866") in remarks
    assert "Строка 2" not in remarks
