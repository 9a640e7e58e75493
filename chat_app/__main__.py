"""The program: reads the command line, chooses a face, and turns every failure into a sentence.

Imports nothing heavy at the top: the first line must stand on the screen before numpy is read.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import traceback
from pathlib import Path

from chat_app import __version__, command_line, console, housekeeping, language, places, startup
from chat_app.errors import BadSetting, BoxError, NoMind, OutputClosed, ProgramBroke, UsageError
from chat_app.text import encodable, printable

INTERRUPTED = 130


def _run(options: argparse.Namespace) -> int:
    encoding = console.speak_utf8()
    talks_to_person = (
        options.prompt is None
        and not options.selftest
        and not options.verify
        and console.is_terminal(sys.stdin)
        and console.is_terminal(sys.stdout)
    )
    on_desktop = options.prompt is None and console.is_absent()
    in_browser = on_desktop or options.web or options.lan or options.port is not None or options.api_key is not None
    if talks_to_person:
        print(f"Mind in a Box {__version__}", flush=True)
    housekeeping.start()
    startup.libraries()
    from chat_app import box
    from chat_app import mind as minds
    from chat_app.sampler import Sampling

    asked = {name: text for name in ("max_tokens", "seed") if (text := getattr(options, name)) is not None}
    Sampling().settled(asked)  # a wrong number is told before the mind is read

    path = options.mind or options.path or box.own_box()
    if path is None:
        raise NoMind(program="mind-in-a-box")
    if options.verify or options.selftest:
        return _check(path, options)
    if in_browser and options.prompt is None:
        return _serve(path, options, asked, seen=not on_desktop)
    if talks_to_person:
        from chat_app.awakening import Awakening
        from chat_app.terminal import Terminal

        return Terminal(Awakening(path, asked), options.lang, plain=options.plain).run()
    from chat_app import pipe
    from chat_app.chat import Chat

    chat = Chat.with_mind(minds.open_mind(path), places.conversations(), asked)
    if options.prompt is not None:
        return pipe.answer_once(chat, options.prompt, options.lang)
    return pipe.talk(chat, options.lang, encoding)


def _serve(path: Path, options: argparse.Namespace, asked: dict[str, str], *, seen: bool) -> int:
    from chat_app import mind as minds
    from chat_app.chat import Chat
    from chat_app.web import face

    port, key = _port(options.port), _key(options.api_key)
    chat = Chat.with_mind(minds.open_mind(path), places.conversations(), asked)
    return face.run(chat, options.lang, port=port, lan=options.lan, key=key, seen=seen, plain=options.plain)


def _port(text: str | None) -> int:
    """A port's number; 0, which is any free one, unless it is given."""
    number = int(text) if text is not None and re.fullmatch("[0-9]{1,5}", text) else 0
    if text is not None and not 1 <= number <= 65535:
        raise BadSetting(name="port", value=text, expected="1…65535")
    return number


def _key(text: str | None) -> str | None:
    """A key that a header can carry, or that of the environment, which no list of processes shows."""
    text = os.environ.get("MIND_IN_A_BOX_API_KEY") or None if text is None else text
    if text is not None and not re.fullmatch(r"[!-~]+", text):
        raise BadSetting(name="api_key", value=text, expected="A…Z, a…z, 0…9, -")
    return text


def _check(path: Path, options: argparse.Namespace) -> int:
    from chat_app import integrity, selftest
    from chat_app import mind as minds
    from chat_app.weights import Weights

    mind, said = minds.open_mind(path), []
    if options.verify:
        integrity.verify(mind)
        said.append(language.VERIFIED(options.lang, sha256=mind.sha256))
    if options.selftest:
        difference = selftest.run(mind, Weights.from_mind(mind))
        said.append(language.SELFTEST_OK(options.lang, count=selftest.count(mind), difference=difference))
    try:
        print("\n".join(said), flush=True)
    except OSError as error:
        raise console.closed(error) from error
    return 0


def _report(error: BoxError, lang: str, *, log: bool) -> int:
    """Tell what happened, where the details are, and keep the window open where it would vanish."""
    lines = [error.sentence(lang)]
    if log:
        path = places.home() / "last-error.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            details = "".join(traceback.format_exception(error))
            program = f"mind-in-a-box {__version__}, Python {sys.version}, {sys.platform}"
            path.write_text(encodable(f"{program}\n{details}"), "utf-8")
            lines.append(language.LOGGED(lang, path=path))
        except OSError:
            lines.append("".join(traceback.format_exception_only(error.__cause__ or error)).strip())
    try:
        print(printable("\n".join(lines)), file=sys.stderr, flush=True)
        if log and console.is_ours(1 + housekeeping.is_one_file()):
            input(language.PRESS_ENTER(lang))
    except (OSError, EOFError, KeyboardInterrupt):
        pass  # nobody is there to read it; the exit code still tells
    return error.exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    console.prepare()
    lang = command_line.language_of(arguments)
    try:
        if sys.stdout is None:
            raise OutputClosed(reason=OSError(errno.EBADF, os.strerror(errno.EBADF)))
        return _run(command_line.parse(arguments, lang))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OutputClosed, BrokenPipeError) as error:
        if sys.stdout is not None:  # or the interpreter complains at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        closed = error if isinstance(error, OutputClosed) else console.closed(error)
        return _report(closed, lang, log=False)
    except BoxError as error:
        return _report(error, lang, log=not isinstance(error, UsageError))
    except Exception as error:  # noqa: BLE001 - the last net: a person must never see a traceback
        broke = ProgramBroke(reason=f"{type(error).__name__}: {error}")
        broke.__cause__ = error
        return _report(broke, lang, log=True)


if __name__ == "__main__":
    sys.exit(main())
