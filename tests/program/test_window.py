"""The program in a real pseudo-terminal, seen as a person sees it."""

from __future__ import annotations

import multiprocessing
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import minds
import pytest

from chat_app import __main__ as program
from chat_app import language, places

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")
pyte = pytest.importorskip("pyte")

LONGEST = 60  # seconds, on a machine that is busy with other things
_CHILDREN = multiprocessing.get_context("forkserver")  # a process that has read everything, so that no start costs that
_CHILDREN.set_forkserver_preload(["pytest", "chat_app.__main__", "chat_app.chat", "chat_app.terminal"])


def run(terminal: str, arguments: list[str], environment: dict[str, str]) -> None:
    """The program, in a process whose terminal this is."""
    os.setsid()
    descriptor = os.open(terminal, os.O_RDWR)  # and the first that it opens is its own
    for number in range(3):
        os.dup2(descriptor, number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", 1, "utf-8", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(program.main(arguments))


class Window:
    """A terminal of 80 by 24 with the program in it."""

    def __init__(self, path: Path, home: Path, *options: str, **environment: str) -> None:
        environment = {
            "PATH": "", "LANG": "ru_RU.UTF-8", "TERM": "xterm-256color", places.VARIABLE: str(home), **environment,
        }  # fmt: skip
        self.raw = b""
        self._screen = pyte.HistoryScreen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self._screen.write_process_input = self.type
        self._ours, self._its = pty.openpty()
        termios.tcsetwinsize(self._ours, (24, 80))
        self._child = _CHILDREN.Process(target=run, args=(os.ttyname(self._its), [str(path), *options], environment))
        self._child.start()

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def read(self) -> bool:
        """Show what the program writes; whether it wrote anything."""
        if not select.select([self._ours], [], [], 0.05)[0]:
            return False
        data = os.read(self._ours, 65536)
        self.raw += data
        self._stream.feed(data)
        return True

    def wait(self, words: str, count: int = 1) -> None:
        """Until the words stand on the screen."""
        deadline = time.monotonic() + LONGEST
        while self.text.count(words) < count:
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{self.text}"
            self.read()

    def type(self, keys: str | bytes) -> None:
        os.write(self._ours, keys if isinstance(keys, bytes) else keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        termios.tcsetwinsize(self._ours, (rows, columns))

    def leave(self, keys: str = "\x04") -> int:
        """Send the keys and wait for the end; the exit code."""
        self.type(keys)
        return self.ended()

    def ended(self) -> int:
        deadline = time.monotonic() + LONGEST
        while self._child.is_alive():
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
            self.read()
        while self.read():
            pass
        assert b"Traceback" not in self.raw
        return self._child.exitcode

    def close(self) -> None:
        self._child.kill()
        self._child.join()
        self._child.close()
        os.close(self._ours)
        os.close(self._its)


Open = Callable[..., Window]


@pytest.fixture
def window(home: Path) -> Iterator[Open]:
    opened: list[Window] = []

    def open_window(path: Path, *options: str, **environment: str) -> Window:
        opened.append(Window(path, home, *options, **environment))
        return opened[-1]

    yield open_window
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def endless(folder: Path) -> Path:
    return minds.scripted_mind(folder / "river.mind", ["▁вода", "▁река"], chats=False, max_tokens=10**7)


def test_a_person_is_greeted_types_cyrillic_and_reads_the_answer(window: Open, chatting: Path, home: Path) -> None:
    it = window(chatting)
    it.wait(language.HINT("ru"))
    assert it.text.splitlines()[1:3] == ["Проба", minds.GREETING]
    it.wait("›")
    it.type("Приветик, ёж")
    it.wait("› Приветик, ёж")
    it.type("\x7f\x7fш!\r")
    it.wait(minds.ANSWER_TEXT)
    it.wait("›", 2)
    assert it.leave("/quit\r") == 0
    assert "› Приветик, ш!" in it.text
    assert it.text.count(minds.ANSWER_TEXT) == 1
    assert "Приветик, ш!" in next((home / "conversations").glob("*")).read_text()


def test_interrupting_stops_only_the_answer(window: Open, endless: Path, home: Path) -> None:
    it = window(endless)
    it.wait("›")
    it.type("Дом\r")
    it.wait("река вода река вода")
    it.type("ждёт")  # keys pressed meanwhile wait for the prompt, and stand nowhere in the text
    it.type("\x03")
    it.wait(language.STOPPED("ru"))
    it.wait("› ждёт")
    assert it.text.count("ждёт") == 1
    assert it.leave("\x15/quit\r") == 0
    assert '"finish":"cancelled"' in next((home / "conversations").glob("*")).read_text()


def test_interrupting_an_empty_prompt_tells_how_to_leave_and_tab_completes(window: Open, chatting: Path) -> None:
    it = window(chatting)
    it.wait("›")
    it.type("\x03")
    it.wait(language.LEAVE("ru"))
    it.wait("›", 2)
    it.type("/tempe")
    it.wait("  temperature")
    it.type("\t")
    it.wait("› /temperature")
    it.type(" 0,7\r")
    it.wait("temperature = 0.7")
    it.wait("›", 3)
    assert it.leave() == 0


def test_a_pasted_text_of_many_lines_is_one_message(window: Open, chatting: Path, home: Path) -> None:
    it = window(chatting)
    it.wait("›")
    it.type("\x1b[200~первая\nвторая\n\nтретья\x1b[201~")
    it.wait("третья")
    assert minds.ANSWER_TEXT not in it.text
    it.type("\r")
    it.wait(minds.ANSWER_TEXT)
    it.wait("›", 2)
    assert it.leave() == 0
    assert "первая\\nвторая\\n\\nтретья" in next((home / "conversations").glob("*")).read_text()


def test_a_window_made_narrow_wraps_what_comes_by_its_new_width(window: Open, folder: Path) -> None:
    path = minds.scripted_mind(folder / "long.mind", ["▁вода", ",", "▁а", "▁за", "▁нею", "▁снова", "▁река"])
    it = window(path)
    it.wait("›")
    it.resize(20, 24)
    it.type("Дом\r")
    it.wait("›", 2)
    lines = it.text.splitlines()
    assert lines[-3:-1] == ["вода, а за нею", "снова река"]
    assert lines[-4] == "› Дом"
    assert it.leave() == 0


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_without_colour_gets_none(window: Open, chatting: Path, environment: dict[str, str]) -> None:
    it = window(chatting, **environment)
    it.wait(language.HINT("ru"))
    it.wait("›")
    it.type("Дом\r")
    it.wait("›", 2)
    assert minds.ANSWER_TEXT in it.text
    assert it.leave("/quit\r") == 0
    assert painted(it.raw) == []
    if environment.get("TERM") == "dumb":
        assert b"\x1b" not in it.raw


def painted(raw: bytes) -> list[bytes]:
    """The codes that set a colour."""
    codes = [code.split(b"m")[0] for code in raw.split(b"\x1b[")[1:]]
    numbers = [code for code in codes if code.replace(b";", b"").isdigit()]
    return [code for code in numbers if any(30 <= int(number or 0) <= 107 for number in code.split(b";"))]


def test_an_answer_is_looked_into_in_colours_and_taken_another_way(window: Open, chatting: Path, home: Path) -> None:
    it = window(chatting)
    it.wait("›")
    it.type("Дом\r")
    it.wait("›", 2)
    before = len(painted(it.raw))
    it.type("/look\r")
    it.wait("■ ≥ 50 %")
    it.wait("›", 3)
    lines = it.text.splitlines()
    row = next(i for i, line in enumerate(lines) if "■" in line) - 2
    assert lines[row] == minds.ANSWER_TEXT
    assert b"0;32" in painted(it.raw)[before:]  # green: it was sure
    it.type("/fork 3 2\r")
    it.wait("›", 4)
    assert '"undo":"answer"' in next((home / "conversations").glob("*")).read_text()
    assert it.leave() == 0


def test_without_colour_an_answer_is_looked_into_all_the_same(window: Open, chatting: Path) -> None:
    it = window(chatting, NO_COLOR="1")
    it.wait("›")
    it.type("Дом\r")
    it.wait("›", 2)
    it.type("/look\r")
    it.wait("1 Привет 100 %")
    it.wait("›", 3)
    assert it.leave() == 0
    assert painted(it.raw) == []


def test_interrupting_a_survey_shows_what_there_is(window: Open, folder: Path) -> None:
    path = minds.scripted_mind(folder / "brook.mind", ["▁вода", "▁река"], chats=False, max_tokens=20)
    it = window(path)
    it.wait("›")
    it.type("/attract 500 Дом\r")
    it.wait("  3/500  вода река")
    it.type("\x03")
    it.wait(language.BEGINNINGS("ru"))
    it.wait("100 %")
    it.wait("›", 2)
    assert it.leave() == 0


def test_interrupting_one_voice_silences_the_next_one_too(window: Open) -> None:
    it = window(minds.ROOT / "assets" / "homunculus-small.mind")
    it.wait("›")
    for number, setting in enumerate(("temperature 5", "min_p 0", "max_tokens 400"), 2):  # it babbles on
        it.type(f"/set {setting}\r")
        it.wait("›", number)
    it.type("/both Что дальше?\r")
    it.wait("Гомункул-младший", 2)
    deadline = time.monotonic() + LONGEST
    while len(it.text.rpartition("Гомункул-младший")[2]) < 40 and time.monotonic() < deadline:
        it.read()
    it.type("\x03")
    it.wait(language.STOPPED("ru"))
    it.wait("›", 5)
    assert "Безумный философ" not in it.text
    assert it.leave() == 0


def test_a_screen_reader_hears_who_speaks_in_whole_lines_and_no_codes(window: Open, folder: Path, home: Path) -> None:
    path = minds.scripted_mind(folder / "verse.mind", ["▁вода", "<0x0A>", "▁река"])
    it = window(path, "--plain")
    it.wait(language.YOU("ru").strip())
    it.type("Дом\r")
    it.wait(language.YOU("ru").strip(), 2)
    said = it.text.splitlines()
    answers = said.index(language.ANSWERS("ru"))
    assert said[answers - 1] == "Ты: Дом"
    assert said[answers + 1 : answers + 3] == ["вода", " река"]
    it.type("/look 1\r")
    it.wait("1. вода: 100 %, стоит здесь")
    it.wait(language.YOU("ru").strip(), 3)
    deadline = time.monotonic() + LONGEST
    while language.LEAVE("ru") not in it.text and time.monotonic() < deadline:
        it.type("\x03")  # Python's input() misses one that comes just before it begins to read
        it.read()
    it.wait(language.LEAVE("ru"))
    assert it.leave("/quit\r") == 0
    assert b"\x1b" not in it.raw
    assert b"\r" not in it.raw.replace(b"\r\n", b"")


def test_a_window_that_would_vanish_waits_after_a_fatal_error(window: Open, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "none.mind"
    it = window(path)
    it.wait(language.PRESS_ENTER("ru"))
    told = "".join(it.text.split())
    assert f"Попути{path}разуманет" in told
    assert str(home / "last-error.log") in told
    assert it.leave("\r") == 1
    assert "MindMissing" in (home / "last-error.log").read_text()
