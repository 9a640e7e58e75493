"""What the program may be told when it is started, and its complaints where that makes no sense, in both languages."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn

from chat_app import __version__, language
from chat_app.errors import UsageError
from chat_app.language import OPTIONS, TWO_MINDS, USAGE, Phrase

_COMPLAINTS: Final = (  # argparse's own words, and ours
    (r"unrecognized arguments: (.+)", Phrase("Непонятно: {}.", "Unrecognized: {}.")),
    (r"argument (\S+): expected one argument", Phrase("После {} нужно значение.", "A value must follow {}.")),
    (r"argument (\S+): ignored explicit argument .*", Phrase("После {} значение не нужно.", "{} takes no value.")),
    (r"argument (\S+): invalid choice: '(.*?)'.*", Phrase("{} не может быть {}.", "{} cannot be {}.")),
)


def parse(arguments: list[str], lang: str) -> argparse.Namespace:
    """What the arguments ask for. UsageError where they make no sense."""

    def say(name: str) -> str:
        return OPTIONS[name](lang)

    path, text, number = (language.METAVARS[name](lang) for name in ("path", "text", "number"))
    parser = _Parser(lang)
    add = parser.add_argument_group(say("options")).add_argument
    add("path", nargs="?", type=Path, metavar=path, help=say("path"))
    add("--mind", type=Path, metavar=path, help=say("mind"))
    add("--prompt", metavar=text, help=say("prompt"))
    add("--max-tokens", metavar=number, help=say("max_tokens"))
    add("--seed", metavar=number, help=say("seed"))
    add("--lang", choices=("ru", "en"), default=lang, help=say("lang"))
    add("--web", action="store_true", help=say("web"))
    add("--port", metavar=number, help=say("port"))
    add("--lan", action="store_true", help=say("lan"))
    add("--api-key", metavar=text, help=say("api_key"))
    add("--plain", action="store_true", help=say("plain"))
    add("--selftest", action="store_true", help=say("selftest"))
    add("--verify", action="store_true", help=say("verify"))
    version = f"mind-in-a-box {__version__}"
    add("--version", action="version", version=version, help=say("version"))
    add("-h", "--help", action="help", help=say("help"))
    options = parser.parse_args(arguments)
    if options.path and options.mind:
        raise UsageError(reason=TWO_MINDS(lang, first=options.path, second=options.mind))
    return options


def language_of(arguments: list[str]) -> str:
    """The language to complain in, before the arguments are known to be right."""
    for before, value in zip(["", *arguments], arguments):
        if (before == "--lang" or value.startswith("--lang=")) and value[-2:] in ("ru", "en"):
            return value[-2:]
    return language.of_this_machine()


class _Parser(argparse.ArgumentParser):
    def __init__(self, lang: str) -> None:
        super().__init__(
            prog="mind-in-a-box", add_help=False, allow_abbrev=False,
            formatter_class=_Russian if lang == "ru" else argparse.HelpFormatter,
        )  # fmt: skip
        self._lang = lang

    def error(self, message: str) -> NoReturn:
        for pattern, ours in _COMPLAINTS:
            if found := re.fullmatch(pattern, message):
                raise UsageError(reason=(ours.ru if self._lang == "ru" else ours.en).format(*found.groups()))
        raise UsageError(reason=f"{message[:1].upper()}{message[1:]}.")


class _Russian(argparse.HelpFormatter):
    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup], prefix: str | None = None,
    ) -> None:  # fmt: skip
        super().add_usage(usage, actions, groups, USAGE.ru)
