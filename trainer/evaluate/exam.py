"""All that a mind is judged by: what it is asked, what it was taught, and what it shall foretell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.dialogues.shapes import Conversation
from trainer.evaluate import foretelling, probes, taught
from trainer.evaluate.probes import QUICK, Probe
from trainer.evaluate.taught import Taught


@dataclass(frozen=True, slots=True)
class Exam:
    """The same for every mind."""

    probes: list[Probe]
    taught: Taught
    held: dict[str, list[Conversation]]

    @property
    def steps(self) -> int:
        """How often `judge` will call its `step`."""
        return len(self.probes) + sum(map(len, self.held.values()))


def prepare(texts: Sequence[Path] = (), *, quick: bool = False) -> Exam:
    """The exam; a quick one has a tenth of everything. `texts` were taught too. CorpusError: one cannot be read."""
    talk = taught.small_talk()
    known = taught.of(talk, texts)
    return Exam(probes.of(known, quick=quick), known, foretelling.held(talk, 1 / QUICK if quick else 1))
