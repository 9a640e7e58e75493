"""How a vocabulary spells text that it was not made from: vocabulary_report.json and a table. Changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from rich.table import Table
from rich.text import Text

from chat_app.pieces import BYTE, NORMAL, UNKNOWN, Pieces
from trainer.files import replacing
from trainer.tokens import Encode, rows

_KEPT: Final = 200  # of the longest and of the most frequent pieces; the table shows fewer
_SHOWN: Final = 30
_LINE_END: Final = "<0x0A>"  # a byte in SentencePiece's eyes, and no sign of a letter that is missing


@dataclass(frozen=True, slots=True)
class Report:
    """Measured on the held-out text; shares are of its tokens. Line ends are not counted among the bytes."""

    kind: str
    pieces: int
    characters_per_token: float
    bytes_per_token: float
    bytes_share: float
    unknown_share: float
    longest: list[str]
    most_frequent: list[tuple[str, int]]

    def table(self) -> Table:
        """For the person who chooses a size: large shares of bytes or unknown ask for more pieces."""
        table = Table(
            title=f"Vocabulary: {self.pieces:,} pieces ({self.kind}), on the held-out text", show_header=False
        )
        table.add_row("characters a token", f"{self.characters_per_token:.3f}")
        table.add_row("bytes a token", f"{self.bytes_per_token:.3f}")
        table.add_row("letters spelled by bytes", f"{self.bytes_share:.3%} of tokens")
        table.add_row("unknown", f"{self.unknown_share:.3%} of tokens")
        table.add_row("most frequent", Text("  ".join(piece for piece, _ in self.most_frequent[:_SHOWN])))
        if self.kind != "char":
            table.add_row("longest", Text("  ".join(self.longest[:_SHOWN])))
        return table


def make(pieces: Pieces, folder: Path) -> Report:
    """Measure, and write vocabulary_report.json."""
    encode = Encode(pieces, folder)
    counts = np.zeros(len(pieces.pieces), np.int64)
    characters = size = 0
    for row in rows(folder, "val"):
        counts += np.bincount(encode.ids(row["text"]), minlength=len(counts))
        characters += len(row["text"])
        size += len(row["text"].encode())
    tokens = max(int(counts.sum()), 1)
    of_type = Counter[int]()
    for piece, kind, count in zip(pieces.pieces, pieces.types, counts.tolist(), strict=True):
        if piece != _LINE_END:
            of_type[kind] += count
    normal = [piece for piece, kind in zip(pieces.pieces, pieces.types, strict=True) if kind == NORMAL]
    report = Report(
        kind=pieces.kind,
        pieces=len(pieces.pieces),
        characters_per_token=characters / tokens,
        bytes_per_token=size / tokens,
        bytes_share=of_type[BYTE] / tokens,
        unknown_share=of_type[UNKNOWN] / tokens,
        longest=sorted(normal, key=len, reverse=True)[:_KEPT],
        most_frequent=[(pieces.pieces[i], int(counts[i])) for i in np.argsort(-counts, kind="stable")[:_KEPT]],
    )
    with replacing(folder / "vocabulary_report.json") as file:
        file.write(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))
    return report
