"""Twenty invented works in tests/train/apparatus, each line labelled: `= ` prose, `- ` apparatus, `~ ` prose with
apparatus inside. The works from UNSEEN on were not looked at while the cleaners were made."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chat_app.text import normalise
from trainer.corpora import apparatus, cleaning, sections
from trainer.corpora.cleaning import CLEANERS, Report, clean

WORKS = sorted((Path(__file__).parent / "apparatus").glob("*.txt"))
UNSEEN = 14


@dataclass
class Score:
    prose: int = 0
    apparatus: int = 0
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        removed = 1 - len(self.left) / self.apparatus
        return (
            f"{removed:.2%} of {self.apparatus} apparatus lines removed,"
            f" {len(self.lost) / self.prose:.2%} of {self.prose} prose lines lost"
        )

    def add(self, path: Path) -> None:
        rows = [line.partition(" ")[::2] for line in path.read_text("utf-8").splitlines()]
        assert {label for label, _ in rows} <= set("=-~"), path
        before = [normalise(text) for _, text in rows]
        after = clean("\n".join(before)).split("\n")
        same = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        kept = {i for block in same for i in range(block.a, block.a + block.size)}
        for i, ((label, _), text) in enumerate(zip(rows, before, strict=True)):
            if not text:
                continue
            if label == "-":
                self.apparatus += 1
                self.left += [text] * (i in kept)
            else:
                self.prose += 1
                found = i in kept if label == "=" else any(shortened(text, line) for line in after)
                self.lost += [text] * (not found)


def shortened(text: str, line: str) -> bool:
    """Whether `line` is `text` with some characters left out, but most of them kept."""
    letters = iter(text)
    return len(text) > len(line) > 0.5 * len(text) and all(c in letters for c in line)


def scored(works: list[Path]) -> Score:
    score = Score()
    for path in works:
        score.add(path)
    return score


@pytest.mark.parametrize(("name", "works"), [("seen", WORKS[:UNSEEN]), ("unseen", WORKS[UNSEEN:]), ("all", WORKS)])
def test_apparatus_goes_and_prose_stays(name, works, capsys) -> None:
    score = scored(works)
    with capsys.disabled():
        print(f"\n{name}: {score}")
    assert len(score.left) <= 0.05 * score.apparatus, score.left
    assert len(score.lost) <= 0.005 * score.prose, score.lost
    if name == "all":
        assert len(WORKS) == 20
        assert score.prose + score.apparatus >= 1500
