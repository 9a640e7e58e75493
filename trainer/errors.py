"""What can go wrong while growing a mind, as sentences for the maker."""

from __future__ import annotations


class GrowError(Exception):
    """Base: the command line prints the sentence and exits with 1, without a traceback."""


class RecipeError(GrowError):
    """The recipe cannot be read or asks for something impossible."""


class CorpusError(GrowError):
    """The text cannot be read, or there is too little of it."""


class StageError(GrowError):
    """An earlier stage has not run, or its result does not fit this one."""


class ExportError(GrowError):
    """The checkpoint cannot become a mind."""
