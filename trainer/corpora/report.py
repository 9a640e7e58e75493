"""What the corpus stage found: sizes of every source and what was dropped of it, as corpus.json and as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from rich.table import Table
from rich.text import Text

from trainer.files import read_json

Item = TypeVar("Item")

_SHOWN: Final = 5  # dropped documents of a kind


@dataclass(slots=True)
class Size:
    """Of documents; bytes are of UTF-8."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, characters: int, size: int) -> None:
        """Count one more document."""
        self.documents += 1
        self.characters += characters
        self.bytes += size


@dataclass(slots=True)
class Found:
    """What one source gives to each part, and how many of its documents were dropped why."""

    train: Size = field(default_factory=Size)
    val: Size = field(default_factory=Size)
    exact_duplicates: int = 0
    near_duplicates: int = 0
    overlap_with_held_out: int = 0
    held_out_but_learned: int = 0
    """Held-out documents that were dropped because they stand in longer ones of the training part: loss on them would
    show memory."""

    @property
    def whole(self) -> Size:
        """Both parts together."""
        a, b = self.train, self.val
        return Size(a.documents + b.documents, a.characters + b.characters, a.bytes + b.bytes)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Found:
        """What `to_dict` gave."""
        parts = {part: Size(**values[part]) for part in ("train", "val")}
        return cls(**parts, **{key: values[key] for key in cls.__slots__ if key not in parts})

    def to_dict(self) -> dict[str, Any]:
        """As corpus.json has it: the sizes of the whole, then the parts."""
        return {**asdict(self.whole), **asdict(self)}


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that was dropped for another's sake; `share` is what it has in common with that."""

    why: str
    share: float
    text: str
    other: str = ""


@dataclass(slots=True)
class Report:
    """Of the whole corpus; `dropped` are samples to judge by."""

    sources: dict[str, Found]
    seconds: float = 0.0
    dropped: list[Dropped] = field(default_factory=list)

    def to_json(self) -> bytes:
        """As corpus.json has it."""
        values = {"sources": {name: found.to_dict() for name, found in self.sources.items()}, "seconds": self.seconds}
        return orjson.dumps(values, option=orjson.OPT_INDENT_2)

    def samples(self) -> Table:
        """Dropped documents beside what they repeat: two texts that are not alike mean that a threshold is too low."""
        table = Table("dropped as", "shared", "text", "like", title="For example")
        for each in self.dropped:
            table.add_row(each.why, f"{each.share:.0%}", Text(each.text), Text(each.other))
        return table


def load(folder: Path) -> Report:
    """What corpus.json says, without the samples. StageError where the corpus stage has not run."""
    values = read_json(folder / "corpus.json", "corpus", "sources", "seconds")
    sources = {name: Found.from_dict(found) for name, found in values["sources"].items()}
    return Report(sources, values["seconds"])


def table(report: Report, tokens: dict[str, int] | None = None) -> Table:
    """A column a source, narrow enough for 80; `tokens` are those of both parts, once they are known."""
    shown = Table("", title="Corpus")
    for name in report.sources:
        shown.add_column(name, justify="right")
    total = sum(found.whole.bytes for found in report.sources.values())
    rows: list[tuple[str, Callable[[Found], str]]] = [
        ("documents", lambda found: f"{found.whole.documents:,}"),
        ("characters", lambda found: f"{found.whole.characters:,}"),
        ("MB", lambda found: f"{found.whole.bytes / 1e6:,.1f}"),
        ("share", lambda found: f"{found.whole.bytes / total:.1%}"),
        ("documents held out", lambda found: f"{found.val.documents:,}"),
        ("dropped: copies", lambda found: f"{found.exact_duplicates:,}"),
        ("dropped: near copies", lambda found: f"{found.near_duplicates:,}"),
        ("dropped: held out elsewhere", lambda found: f"{found.overlap_with_held_out:,}"),
        ("dropped: held out, but learned elsewhere", lambda found: f"{found.held_out_but_learned:,}"),
    ]
    for title, figure in rows:
        shown.add_row(title, *map(figure, report.sources.values()))
    if tokens:
        shown.add_row("tokens", *(f"{tokens[name]:,}" for name in report.sources))
    return shown


def spread(items: list[Item]) -> list[Item]:
    """A few samples from the whole length of a list."""
    return items[:: -(-len(items) // _SHOWN)] if items else []
