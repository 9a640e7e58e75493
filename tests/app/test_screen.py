"""The window: what is streamed to those who look and to those who listen, and how waiting is told."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest

from chat_app import screen
from chat_app.screen import Screen


class Heard(io.TextIOBase):
    """A stdout that remembers every single write."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes += [text] if text else []
        return len(text)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    return Heard()


PIECES = ["вода", " уходит", " и уходит,\nа ре", "ка", "\n\nостаётся \x1b[2J"]


def test_those_who_listen_get_whole_lines_unbroken(heard: Heard) -> None:
    with redirect_stdout(heard):
        Screen(plain=True).write(PIECES)
    assert heard.writes == ["вода уходит и уходит,\n", "а река\n", "\n", "остаётся [2J\n"]


def test_those_who_look_get_words_as_they_come(heard: Heard) -> None:
    with redirect_stdout(heard):
        Screen().write(PIECES)
    assert "".join(heard.writes) == "вода уходит и \nуходит,\nа река\n\nостаётся [2J\n"
    assert heard.writes[0] == "вода "


def test_sentences_of_the_program_break_between_words_too(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stdout(heard):
        Screen().show("remark", "Чтобы выйти, набери /quit.")
    assert "".join(heard.writes) == "Чтобы выйти, набери\n/quit.\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    return now


def test_waiting_is_one_line_that_is_gone_afterwards(heard: Heard, clock: list[float]) -> None:
    with redirect_stdout(heard), Screen().progress() as tell:
        tell("просыпается 9,6 %")
        tell("просыпается 42 %")
    assert heard.writes[:2] == ["\rпросыпается 9,6 %", "\rпросыпается 42 % "]  # nothing of the longer one stays
    assert "".join(heard.writes[2:]) == "\r" + " " * len("просыпается 9,6 %") + "\r"


@pytest.mark.parametrize("plain", [True, False])
def test_where_nothing_can_be_redrawn_waiting_is_told_now_and_then(
    heard: Heard, clock: list[float], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stdout(heard), Screen(plain=plain).progress() as tell:
        for second in range(25):
            clock[0] = 100.0 + second
            tell(f"{second} с")
    assert "".join(heard.writes) == "0 с\n11 с\n22 с\n"
