"""Asking a person for a line: editing, completion and history, or a bare question where the window can do no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from chat_app import language, places
from chat_app.language import HELP
from chat_app.sampler import SETTINGS
from chat_app.screen import STYLE, Screen
from chat_app.text import encodable

_MARK: Final = "› "


def asker(screen: Screen, lang: str) -> Callable[[], str]:
    """What asks for a line. It raises KeyboardInterrupt on Ctrl-C, EOFError where no line will come."""
    if screen.bare:  # prompt_toolkit's codes would show as letters, or be read aloud
        return lambda: _typed(language.YOU(lang) if screen.plain else _MARK)
    session: PromptSession[str] = PromptSession(
        history=history(), completer=LineCompleter(), complete_while_typing=True,
        key_bindings=_keys(), style=STYLE, enable_open_in_editor=False,
        prompt_continuation=" " * len(_MARK),
    )  # fmt: skip
    return lambda: session.prompt(FormattedText([("class:you", _MARK)]))


def _typed(mark: str) -> str:
    """A bare line. What ends the asking leaves the cursor behind the mark, where nothing else may be written."""
    try:
        return input(mark)
    except (EOFError, KeyboardInterrupt):
        print(flush=True)
        raise


class LineCompleter(Completer):
    """Names of commands after a slash, names of settings after /set."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text[1:].partition(" ")
        if not space:
            for name in (*HELP, *SETTINGS):
                if name.startswith(command):
                    yield Completion(name, start_position=-len(command))
        elif command == "set" and " " not in rest:
            for name in SETTINGS:
                if name.startswith(rest):
                    yield Completion(name, start_position=-len(rest))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class SafeHistory(FileHistory):
    """Lines typed before; a disk that takes no more costs the history, never the line."""

    def store_string(self, string: str) -> None:
        try:
            super().store_string(encodable(string))
        except OSError:
            return


def history() -> History:
    path = places.home() / "line-history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return SafeHistory(str(path)) if os.access(path, os.R_OK | os.W_OK) else InMemoryHistory()
