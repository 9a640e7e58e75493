"""Talking without a terminal: a line in, a line out on stdout; everything else goes to stderr."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress

from chat_app import commands, console, language
from chat_app.answer import Answer
from chat_app.chat import Chat
from chat_app.errors import BoxError, InputUnreadable, OutputClosed
from chat_app.remarks import DiskWatch, remarks, stats_line
from chat_app.shades import text_of
from chat_app.text import printable


def answer_once(chat: Chat, prompt: str, lang: str) -> int:
    """Answer `prompt` with the lines as the mind wrote them; the exit code."""
    _stream(chat, chat.say(prompt), lang, once=True)
    _remark(DiskWatch().farewell(chat, lang))
    return 0


def talk(chat: Chat, lang: str, encoding: str = "") -> int:
    """Answer stdin line by line until it ends or says /quit; the exit code is that of the last line that failed.

    What is not UTF-8 may be in `encoding`.
    """
    if sys.stdin is None:  # closed by the caller: there is nothing to answer
        return 0
    code = 0
    disk = DiskWatch()
    for line in _lines(lang, encoding):
        if not line.strip() and chat.mind.can_chat:
            continue
        try:
            if not commands.is_command(line):
                _stream(chat, chat.say(line), lang)
            else:
                outcome = commands.run(chat, line, lang)
                _remark([outcome.text] if outcome.text else [])
                _remark(map(text_of, outcome.lines))
                if outcome.answer:
                    _stream(chat, outcome.answer, lang)
                for name, answer in outcome.voices:
                    _remark([f"{name}:"])
                    _stream(chat, answer, lang)
                if outcome.leave:
                    break
        except OutputClosed:
            raise
        except BoxError as error:
            code = error.exit_code
            _remark([error.sentence(lang)])
            if not commands.is_command(line):  # the next answer must not be taken for this line's
                _write("\n")
        _remark(disk.remarks(chat, lang))
    _remark(disk.farewell(chat, lang))
    return code


def _lines(lang: str, encoding: str) -> Iterator[str]:
    """The lines of stdin, commands without the spaces around them."""
    try:
        for number, raw in enumerate(sys.stdin.buffer, 1):
            line, found = console.decode(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, encoding)
            if found != "utf-8":
                odd = language.OTHER_ENCODING if found else language.ODD_BYTES
                _remark([odd(lang, number=number, encoding=found)])
            line = line.rstrip("\r\n")
            yield line.strip() if commands.is_command(line.strip()) else line
    except OSError as error:
        raise InputUnreadable(reason=error) from error


def _stream(chat: Chat, answer: Answer, lang: str, *, once: bool = False) -> None:
    """On one line, unless it is asked for `once`: then with the lines as the mind wrote them."""
    with closing(iter(answer)) as pieces:  # closed stdout or not, what was written goes into the conversation
        for piece in pieces:
            shown = printable(piece)
            _write(shown if once else shown.replace("\n", " "))
    _write("\n")
    _remark([*remarks(chat, answer, lang, once=once), stats_line(answer, lang)])


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        raise console.closed(error) from error


def _remark(lines: Iterable[str]) -> None:
    with suppress(OSError):  # nobody hears remarks: the answers go on
        for line in lines:
            print(printable(line), file=sys.stderr, flush=True)
