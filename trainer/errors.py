"""What can go wrong while growing a mind, as sentences for the maker."""

from __future__ import annotations


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
