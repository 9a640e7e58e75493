"""What a mind reads: text, its vocabulary, conversations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from trainer.dialogues import exercises
from trainer.errors import RecipeError
from trainer.sections.section import Section


class Librus(Section):
    """Works of lib.ru: `pages` are addresses of authors (ending in /) or of single works."""

    pages: tuple[str, ...] = ()
    contact: str = ""
    """An e-mail or a web page: how the library's keeper reaches you. Every request carries it."""
    delay: float = Field(default=1.0, ge=0.2)
    """Seconds between two requests; robots.txt may ask for more."""
    cache: str = "out/cache"
    """Where fetched pages stay, so that none is asked for twice."""

    @model_validator(mode="after")
    def _polite(self) -> Librus:
        if self.pages and len(self.contact) < 3:
            raise ValueError("contact is empty: give an e-mail or a page under which the library's keeper reaches you")
        if not self.contact.isascii():  # it stands in a header of every request
            raise ValueError(f"contact {self.contact} has other letters than Latin ones: give an address without them")
        return self


class Source(Section):
    """One kind of text. `text` are files or folders; the command line adds to them (`--text NAME=PATH`)."""

    text: tuple[str, ...] = ()
    hub: str = ""
    """A dataset of the Hugging Face Hub, owner/name: fetched once and read where no `text` is given."""
    librus: Librus = Librus()
    generated_documents: int = Field(default=0, ge=0)
    clean: bool | None = None
    """Remove editors' notes and the like; if not given, from lib.ru's works but not from `text`."""
    weight: PositiveFloat | None = None
    """This source's share of every batch, beside the others' weights; if not given, its share of the tokens."""
    cooldown_weight: PositiveFloat | None = None
    """The same during the cooldown, when the best text teaches most; `weight` if not given."""


class Corpus(Section):
    """Where the text comes from, and how it is prepared."""

    sources: dict[str, Source] = Field(min_length=1)
    yo_to_e: bool = True
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Held out of every source, by whole documents where they are short enough, else from the end of the largest."""
    near_duplicates: float = Field(default=0.8, gt=0, le=1)
    """Of two texts at least this alike (the share of runs of three words in common) one is kept; 1: only copies go."""
    shared_with_held_out: float = Field(default=0.25, gt=0, le=1)
    """A text to learn from goes when at least this share of its runs of six words is held out; 1: none goes."""
    seed: int = 0

    @model_validator(mode="after")
    def _weighted(self) -> Corpus:
        weighted = [name for name, source in self.sources.items() if source.weight]
        if weighted and len(weighted) < len(self.sources):
            missing = next(name for name in self.sources if name not in weighted)
            raise ValueError(f"sources.{missing}.weight is missing: give a weight to every source or to none")
        if not weighted and any(source.cooldown_weight for source in self.sources.values()):
            raise ValueError("cooldown_weight needs a weight beside it, for every source")
        return self


class Vocabulary(Section):
    """Characters, or SentencePiece BPE. `marks` are ids that no text can produce."""

    kind: Literal["char", "bpe"]
    marks: tuple[str, ...] = ()
    min_count: PositiveInt = 1
    """char: a character seen less often becomes the unknown one."""
    vocab_size: PositiveInt = 8192
    """bpe: pieces, marks and bytes included."""
    user_symbols: tuple[str, ...] = ()
    """bpe: strings that are always one piece."""
    character_coverage: float = Field(default=1.0, gt=0, le=1)
    split_digits: bool = True
    sample_characters: PositiveInt = 50_000_000
    """bpe: SentencePiece looks at no more than about so many characters, spread over the corpus, at 13 bytes each."""


class DialogueSource(Section):
    """One kind of conversation. `text` are files or folders; the command line adds to them (`--text NAME=PATH`)."""

    text: tuple[str, ...] = ()
    """JSONL or parquet rows; trainer/dialogues/shapes.py lists their shapes."""
    hub: str = ""
    """A dataset of the Hugging Face Hub, owner/name: fetched once and read where no `text` is given."""
    smalltalk: bool = False
    """The small talk that comes with the trainer."""
    only: tuple[str, ...] = ()
    """Of the small talk these files alone, as ["01-self-and-feelings"]: what people say most can weigh more."""
    generated: dict[str, PositiveInt] = Field(default_factory=dict)
    """Exercises made by rule: kind -> how many."""
    at_least: dict[str, float] = Field(default_factory=dict)
    """Only rows whose fields reach these values, as {overall_score = 6}."""
    at_most: dict[str, float] = Field(default_factory=dict)
    """Only rows whose fields do not exceed these values, as {pii_leak = 0}."""
    weight: PositiveFloat = 1.0
    """This source's share of every batch, beside the others' weights."""

    @model_validator(mode="after")
    def _known(self) -> DialogueSource:
        if self.only and not self.smalltalk:
            raise ValueError("only chooses files of the small talk: set smalltalk = true beside it")
        for kind in self.generated:
            try:
                exercises.check(kind)
            except RecipeError as error:
                raise ValueError(str(error).rstrip(".")) from error
        return self


class Dialogues(Section):
    """What the mind learns to answer."""

    sources: dict[str, DialogueSource] = Field(min_length=1)
    system: str = ""
    """System text put before conversations that have none."""
    pairs_per_intent: PositiveInt = 24
    """Of an intent's phrasings crossed with its replies at most about so many are learned, so that none dominates."""
    reworded: float = Field(default=0.0, ge=0, le=1)
    """This share of the small talk is asked as somebody else would: other words, an address, a slip of the finger."""
    elliptic: float = Field(default=0.0, ge=0, le=1)
    """This share of the small talk whose questions begin alike is asked in rows: «столица Франции?», «а Италии?»."""
    walks_per_tree: PositiveInt = 12
    """Of a talk that may go on in several ways (trainer/dialogues/trees.py) so many are learned."""
    chain: PositiveInt = 3
    """Single exchanges are strung into conversations of one to so many."""
    val_fraction: float = Field(default=0.02, gt=0, lt=1)
    """Held out of conversations; intents hold out wordings instead."""
    seed: int = 0
