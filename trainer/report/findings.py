"""What a run left in its folder, as far as it got. Knows the files; knows nothing of how they will be shown.

Only a stage's state is needed; a file that is missing leaves its section out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import StageError
from trainer.files import read_json

MOMENTS = 6  # at which samples are shown
STAGES = ("pretrain", "sft", "kto")  # in the order of growth


def held_out_loss(row: dict[str, Any]) -> float | None:
    """The held-out loss of a row of the curve, by the averaged weights where they are the better ones."""
    return min((row[key] for key in ("val", "ema_val") if row.get(key) is not None), default=None)


def _thinned(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A mind learns most at the beginning, so the moments lie evenly in the logarithm of the iteration."""
    iterations = np.array([max(1, sample["iteration"]) for sample in samples], np.float64)
    wanted = np.geomspace(iterations[0], iterations[-1], MOMENTS)
    nearest = {int(np.abs(np.log(iterations / moment)).argmin()) for moment in wanted}
    return [samples[i] for i in sorted(nearest)]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training: the state that its last checkpoint was saved with."""

    name: str
    state: dict[str, Any]

    @property
    def curve(self) -> list[dict[str, Any]]:
        """The rows that say when they were measured."""
        return [row for row in self.state.get("curve") or [] if "iteration" in row]

    def series(self, key: str, source: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(iterations, values) of a key of the curve, or of one source, where it was measured."""
        found = []
        for row in self.curve:
            value = row.get(key) if source is None else (row.get(key) or {}).get(source)
            if value is not None and math.isfinite(value):
                found.append((row["iteration"], value))
        points = np.array(found, np.float64).reshape(-1, 2)
        return points[:, 0], points[:, 1]

    @property
    def sources(self) -> list[str]:
        """The names of the sources that were measured apart."""
        return list(dict.fromkeys(name for row in self.curve for name in row.get("sources") or {}))

    @property
    def best(self) -> dict[str, Any]:
        """The row of the weights that are kept, whatever the stage keeps them for; empty before the first.

        A state that does not say which they are is judged by the lowest held-out loss.
        """
        rows = [row for row in self.curve if held_out_loss(row) is not None]
        kept = self.state.get("best_iteration")
        if kept is None:
            return min(rows, key=held_out_loss, default={})
        return next((row for row in rows if row["iteration"] == kept), {})

    @property
    def keys(self) -> set[str]:
        """All that was measured."""
        return {key for row in self.curve for key in row}

    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """Prompt -> what was written after it, at up to MOMENTS moments: the first, the last, and ever rarer ones."""
        found: dict[str, list[dict[str, Any]]] = {}
        for sample in self.state.get("samples") or []:
            if not {"iteration", "text"} <= sample.keys():
                continue
            found.setdefault(sample.get("prompt") or "", []).append(sample)
        if "kl" in self.keys:  # what changes here changes late, and every moment of it matters
            return found
        return {prompt: _thinned(samples) for prompt, samples in found.items()}

    def loss_at(self, iteration: int) -> float | None:
        """The held-out loss that was last measured up to `iteration`."""
        rows = self.curve
        losses = [loss for row in rows if row["iteration"] <= iteration and (loss := held_out_loss(row)) is not None]
        return losses[-1] if losses else None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything a report is made of; what is empty was not there."""

    stages: list[Stage]
    corpus: dict[str, Any]
    vocabulary: dict[str, Any]
    tokens: dict[str, Any]
    dialogues: dict[str, Any]
    baselines: dict[str, float]

    def token_counts(self, stage: str, part: str) -> dict[str, int]:
        """Tokens, characters, bytes and documents of "train" or "val", all sources together.

        Of the text in pretraining, in the later stages of the answers, which alone are learned there.
        """
        parts = self.tokens if stage == "pretrain" else self.dialogues.get("parts", {})
        rows = [row for row in parts.get(part, {}).values() if isinstance(row, dict)]
        return {key: sum(row.get(key, 0) for row in rows) for key in (rows[0] if rows else ())}


def read(folder: Path, kto: str = "kto") -> Findings:
    """What stands in `folder`, of the kto stages that a family may have there the one called `kto`.

    StageError where no stage of training has run, or a file is not what its stage writes.
    """
    places = {name: kto if name == "kto" else name for name in STAGES}
    states = {name: _json(folder / place / "last" / "state.json", name) for name, place in places.items()}
    if not any(states.values()):
        raise StageError(f"There is no run in {folder} to report on: run the pretrain stage first.")
    return Findings(
        stages=[Stage(name, state) for name, state in states.items() if state],
        corpus=_json(folder / "corpus.json", "corpus"),
        vocabulary=_json(folder / "vocabulary_report.json", "vocabulary"),
        tokens=_json(folder / "tokens.json", "tokens"),
        dialogues=_json(folder / "dialogues" / "dialogues.json", "dialogues"),
        baselines=_json(folder / "baselines.json", "report"),
    )


def _json(path: Path, stage: str) -> dict[str, Any]:
    return read_json(path, stage) if path.exists() else {}
