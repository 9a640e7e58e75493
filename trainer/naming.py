"""Which source a text of the command line is for. Knows names and paths, opens nothing."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from trainer.errors import CorpusError, nearest


def of_text(text: str, sources: Collection[str]) -> tuple[str, str]:
    """(source, path) of `NAME=PATH`; of a path alone, even one with an equals sign in it, the source is "".

    CorpusError where there is no path, or where nobody knows the name.
    """
    name, equals, path = text.partition("=")
    if not path if equals else not name:
        raise CorpusError(f"--text {text} gives no path: write {name or 'NAME'}= and a file or a folder after it.")
    if equals and name in sources:
        return name, path
    if not equals or Path(text).expanduser().exists():
        return "", text
    known = sorted(sources)
    guess = nearest(name, known) or "."
    raise CorpusError(f"No source is called {name} (--text {text}){guess} Known: {', '.join(known)}.")
