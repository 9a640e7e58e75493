from __future__ import annotations

import io

import orjson
import pytest
from rich.console import Console

from chat_app import tokenizer as tokenizers
from trainer import tokens, vocabulary, vocabulary_report
from trainer.sections import Vocabulary


def test_a_vocabulary_is_measured_on_held_out_text(prepared) -> None:
    pieces = vocabulary.load(prepared)
    report = vocabulary_report.make(pieces, prepared)
    counts = tokens.load(prepared, "val").counts["stories"]
    assert report.characters_per_token == pytest.approx(counts.characters / (counts.tokens - counts.documents))
    assert report.bytes_per_token == pytest.approx(counts.bytes / (counts.tokens - counts.documents))
    assert len(report.longest[0]) >= len(report.longest[-1])
    assert report.most_frequent[0][1] >= report.most_frequent[1][1]
    assert report.bytes_share == report.unknown_share == 0
    values = orjson.loads((prepared / "vocabulary_report.json").read_bytes())
    assert list(values) == [
        "kind", "pieces", "characters_per_token", "bytes_per_token", "bytes_share", "unknown_share", "longest",
        "most_frequent",
    ]  # fmt: skip
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(report.table())
    assert f"{report.characters_per_token:.3f}" in console.export_text()


def test_letters_that_a_vocabulary_lacks_are_counted(tmp_path) -> None:
    for part, text in (("train", "абв\n" * 50), ("val", "а\nщщ")):
        (tmp_path / f"{part}.jsonl").write_bytes(orjson.dumps({"text": text, "source": "s"}))
    pieces = vocabulary.make(Vocabulary(kind="char"), tmp_path, yo_to_e=True)
    assert vocabulary_report.make(pieces, tmp_path).unknown_share == 0.5
    pieces = vocabulary.make(Vocabulary(kind="bpe", vocab_size=264), tmp_path, yo_to_e=True)
    report = vocabulary_report.make(pieces, tmp_path)
    assert report.bytes_share == 4 / len(tokenizers.from_dict(pieces.to_dict()).encode("а\nщщ"))
