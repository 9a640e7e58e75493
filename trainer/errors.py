"""What can go wrong while growing a mind, as sentences for the maker."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class GrowError(Exception):
    """Base: the command line prints the sentence and exits with 2, without a traceback."""


class RecipeError(GrowError):
    """The recipe cannot be read or asks for something impossible."""


class CorpusError(GrowError):
    """The text cannot be read, or there is too little of it."""


class StageError(GrowError):
    """An earlier stage has not run, or its result does not fit this one."""


class ExportError(GrowError):
    """The checkpoint cannot become a mind."""


def first_line(error: BaseException) -> str:
    """What a library's exception says, as short as it can be quoted: its first line, or its name if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def nearest(name: str, known: Sequence[str]) -> str:
    """What to put behind a name that is not known: a question with the nearest one, or nothing."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
