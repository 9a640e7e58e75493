"""Documents that repeat others, and are dropped for it: near copies, and whatever stands on both sides of the split.

No threshold moves a document from one side to the other.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from trainer.corpora.likeness import near_duplicates
from trainer.corpora.overlap import HeldOut
from trainer.corpora.report import Dropped, Report, spread
from trainer.corpora.rows import Entry, Rows
from trainer.processes import batched, in_order
from trainer.progress import bar

_BATCH: Final = 1 << 20  # bytes of rows
_BEGINNING: Final = 80  # characters of a sample


def drop_near_copies(rows: Rows, threshold: float, report: Report) -> None:
    """Of documents to learn from that are nearly the same the first stays, unless it is like a held-out one."""
    kept = [number for number, entry in enumerate(rows.entries) if not entry.dropped]
    held = [number for number in kept if rows.entries[number].held]
    judged = [number for number in kept if not rows.entries[number].held]
    pairs = list(near_duplicates(rows.signatures, held, judged, threshold))
    for pair in pairs:
        entry = rows.entries[pair.document]
        entry.dropped = True
        report.sources[entry.name].near_duplicates += 1
    for pair in spread(pairs):
        ours, theirs = (_sample(rows, rows.entries[number]) for number in (pair.document, pair.earlier))
        report.dropped.append(Dropped("near copy", pair.likeness, ours, theirs))


def drop_what_both_sides_share(rows: Rows, threshold: float, report: Report, processes: int) -> None:
    """Drop documents to learn from of which at least `threshold` stands in held-out ones; then the reverse.

    A held-out dialogue may stand in a novel that is learned: the dialogue goes, for its loss would show memory.
    """
    held_out = HeldOut(orjson.loads(row)["text"] for entry, row in rows.kept() if entry.held)
    learned = np.zeros(len(held_out), bool)
    entries = [entry for entry in rows.entries if not (entry.dropped or entry.held)]
    batches = batched((row for entry, row in rows.kept() if not entry.held), _BATCH, len)
    shared = list[tuple[float, Entry]]()
    with bar("corpus: comparing with what is held out", len(entries)) as advance:
        looked_up = itertools.chain.from_iterable(in_order(LookUp(held_out), batches, processes))
        for entry, (share, places) in zip(entries, looked_up, strict=True):
            advance(1)
            if share >= threshold:
                shared.append((share, entry))
            else:
                learned[places] = True
    for _, entry in shared:
        entry.dropped = True
        report.sources[entry.name].overlap_with_held_out += 1
    for share, entry in spread(shared):
        report.dropped.append(Dropped("held out elsewhere", share, _sample(rows, entry)))
    for entry, row in rows.kept():
        if entry.held:
            _, places = held_out.look_up(orjson.loads(row)["text"])
            if len(places) and learned[places].mean() >= threshold:
                entry.dropped = True
                report.sources[entry.name].held_out_but_learned += 1


@dataclass(frozen=True, slots=True)
class LookUp:
    """The work of one process: for each row of a batch, how much of its text is held out, and what of it."""

    held_out: HeldOut

    def __call__(self, rows: list[bytes]) -> list[tuple[float, np.ndarray]]:
        return [self.held_out.look_up(orjson.loads(row)["text"]) for row in rows]


def _sample(rows: Rows, entry: Entry) -> str:
    """Enough of a document to know it by."""
    row = rows.one(entry)
    named = [part for part in (row["author"], row["title"]) if part]
    return ": ".join((*named, row["text"][:_BEGINNING].replace("\n", " ")))
