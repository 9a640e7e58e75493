"""What the dialogues stage found: what came in, what was dropped and why, lengths, and examples under the mask."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from chat_app.pieces import CONTROL
from chat_app.tokenizer import Tokenizer

_EXAMPLES = 20


@dataclass(slots=True)
class Found:
    """Of one source: why conversations were dropped, with the place of the first one, and the lengths of the others."""

    dropped: Counter[str] = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, array[int]] = field(default_factory=lambda: {"train": array("I"), "val": array("I")})


class Report:
    """Counts as the stage goes on; keeps a few conversations to look at."""

    def __init__(self) -> None:
        self.sources: dict[str, Found] = {}
        self.examples: list[tuple[list[int], list[int]]] = []
        self._seen, self._chance = 0, random.Random(0)

    def drop(self, name: str, reason: str, where: str) -> None:
        """Count a conversation that is left out."""
        found = self.sources.setdefault(name, Found())
        found.dropped[reason] += 1
        found.places.setdefault(reason, where)

    def keep(self, name: str, part: str, ids: list[int], mask: list[int]) -> None:
        """Count one that is learned or held out."""
        self.sources.setdefault(name, Found()).lengths[part].append(len(ids))
        self._seen += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append((ids, mask))
        elif (place := self._chance.randrange(self._seen)) < _EXAMPLES:  # each is shown with the same chance
            self.examples[place] = (ids, mask)

    def to_dict(self) -> dict[str, Any]:
        """For dialogues.json: lengths in tokens."""
        return {
            name: {
                "dropped": dict(found.dropped),
                "places": found.places,
                **{part: {"conversations": len(of), **_spread(of)} for part, of in found.lengths.items()},
            }
            for name, found in self.sources.items()
        }

    def table(self) -> Table:
        """A row a source, and one for each reason to drop."""
        table = Table("source", "learned", "held out", "tokens", "mean", "p50", "p90", "p99", title="Conversations")
        for name, found in self.sources.items():
            lengths = found.lengths["train"]
            counts = (len(lengths), len(found.lengths["val"]), sum(lengths), *_spread(lengths).values())
            table.add_row(name, *(f"{count:,}" for count in counts))
            for reason, count in found.dropped.most_common():
                table.add_row(Text(f"  {reason}"), f"-{count:,}", "", Text(found.places[reason]))
        return table

    def shown(self, tokenizer: Tokenizer) -> list[Text]:
        """The examples: what is learned in green, what is only read plain, marks dim."""
        return [_coloured(ids, mask, tokenizer) for ids, mask in self.examples]


def _spread(lengths: Sequence[int]) -> dict[str, int]:
    """Mean and percentiles, in tokens."""
    if not lengths:
        return dict.fromkeys(("mean", "p50", "p90", "p99"), 0)
    p50, p90, p99 = np.percentile(lengths, (50, 90, 99))
    return {"mean": round(sum(lengths) / len(lengths)), "p50": round(p50), "p90": round(p90), "p99": round(p99)}


def _coloured(ids: list[int], mask: list[int], tokenizer: Tokenizer) -> Text:
    text = Text()
    pieces = tokenizer.pieces
    for number, learned in zip(ids, mask, strict=True):
        mark = pieces.types[number] == CONTROL
        piece = pieces.pieces[number].replace("\u2581", " ")
        text.append(piece, style=("bold green" if mark else "green") if learned else "dim" if mark else "")
    return text
