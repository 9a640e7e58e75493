"""The cleaners in their order, and a report of what each removed. Knows no source and no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from rich.table import Table
from rich.text import Text

from chat_app.text import normalise
from trainer.corpora import apparatus, letters, sections, within_lines

# Sections first, while their headings and their neighbours still stand; line by line after them.
CLEANERS: Final[tuple[Callable[[str], str], ...]] = (
    within_lines.hyphenation,
    apparatus.credits_of_the_digitisers,
    sections.contents,
    sections.lists_of_abbreviations,
    sections.notes,
    sections.variants,
    sections.notes_without_heading,
    letters.letter_headings,
    letters.foreign_signatures_and_addresses,
    apparatus.textological_notes,
    apparatus.archive_codes,
    apparatus.abbreviations,
    apparatus.writing_history,
    apparatus.people_explained,
    apparatus.page_references,
    apparatus.footnotes,
    sections.page_numbers,
    within_lines.archive_codes_within_lines,
    within_lines.marks_within_lines,
    within_lines.conjecture_brackets,
    apparatus.bibliography,  # judges how dense the marks are, so those of the prose must be gone
)
SAMPLES: Final = 5


@dataclass(slots=True)
class Removed:
    """What one cleaner took away."""

    documents: int = 0
    lines: int = 0
    characters: int = 0
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What every cleaner took away, and of how much."""

    documents: int = 0
    characters: int = 0
    cleaners: dict[str, Removed] = field(default_factory=lambda: {c.__name__: Removed() for c in CLEANERS})

    def add(self, later: Report) -> None:
        """Take over what another process removed from documents further on."""
        self.documents += later.documents
        self.characters += later.characters
        for name, removed in later.cleaners.items():
            mine = self.cleaners[name]
            mine.documents += removed.documents
            mine.lines += removed.lines
            mine.characters += removed.characters
            mine.samples = [*mine.samples, *removed.samples][-SAMPLES:]

    def table(self) -> Table:
        """A row a cleaner, with a sample to judge by: prose among the samples means that a cleaner is wrong here."""
        removed = sum(each.characters for each in self.cleaners.values())
        share = removed / max(self.characters, 1)
        title = f"Editors' apparatus: {removed:,} of {self.characters:,} characters removed ({share:.2%})"
        table = Table("removed", "works", "lines", "characters", "for example", title=title)
        for name, each in self.cleaners.items():
            if each.documents:
                counts = (f"{n:,}" for n in (each.documents, each.lines, each.characters))
                table.add_row(name.replace("_", " "), *counts, Text("\n".join(each.samples[:3])))
        return table


def clean(text: str, report: Report | None = None) -> str:
    """Return `text`, normalised and without its editors' apparatus; `report` learns what went."""
    text = normalise(text)
    if report:
        report.documents += 1
        report.characters += len(text)
    for cleaner in CLEANERS:
        cleaned = cleaner(text)
        if report and cleaned != text:
            _note(report.cleaners[cleaner.__name__], text, cleaned)
        text = cleaned
    return re.sub("\n{3,}", "\n\n", text).strip()


def _note(removed: Removed, before: str, after: str) -> None:
    removed.documents += 1
    removed.characters += len(before) - len(after)
    gone = [line for line in _differences(before.split("\n"), after.split("\n")) if line]
    removed.lines += len(gone)
    # Spread over the corpus: a document adds one sample until there are enough, later ones replace the oldest.
    removed.samples = [*removed.samples, *(_short(line) for line in gone[:1])][-SAMPLES:]


def _differences(before: list[str], after: list[str]) -> Iterator[str]:
    """Lines of `before` that `after` has changed or lacks; `after` changes lines or drops some, never both."""
    if len(before) == len(after):
        yield from (old for old, new in zip(before, after) if old != new)
        return
    gone, i = [], 0
    for line in before:
        if i < len(after) and after[i] == line:
            i += 1
        else:
            gone.append(line)
    yield from gone if i == len(after) else gone[:1]  # lines that were joined: what follows is only shifted


def _short(line: str, width: int = 90) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
