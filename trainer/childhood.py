"""What a mind wrote at the stages of its growth, chosen small enough to travel in its card (spec/mind-format.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from trainer.checkpoint import State

MOMENTS: Final = (0, 0.03, 0.1, 0.3, 1)  # of all iterations: a mind learns most at the beginning
LETTERS: Final = 240  # of a text
LARGEST: Final = 8000  # bytes of JSON


def of(states: Sequence[State]) -> list[dict[str, Any]]:
    """The samples at those moments of every stage, prompt after prompt, as long as they fit into `LARGEST` bytes."""
    chosen: list[dict[str, Any]] = []
    for state in states:
        for prompt in dict.fromkeys(sample["prompt"] for sample in state.samples):
            found = [_sample(sample, state) for sample in _moments(state.samples, prompt)]
            if len(orjson.dumps(chosen + found)) <= LARGEST:
                chosen += found
    return chosen


def _moments(samples: list[dict[str, Any]], prompt: str) -> list[dict[str, Any]]:
    wanted = [sample for sample in samples if sample["prompt"] == prompt]
    last = wanted[-1]["iteration"]
    nearest = [min(wanted, key=lambda s: abs(s["iteration"] - share * last)) for share in MOMENTS]
    return list({sample["iteration"]: sample for sample in nearest}.values())


def _sample(sample: dict[str, Any], state: State) -> dict[str, Any]:
    text = sample["text"]
    if len(text) > LETTERS:
        text = text[:LETTERS].rpartition(" ")[0] + "…"
    return {
        "prompt": sample["prompt"],
        "iteration": sample["iteration"],
        "tokens_seen": sample["iteration"] * state.tokens_per_iteration,
        "text": text,
    }
