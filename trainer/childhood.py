"""What a mind wrote at the stages of its growth, chosen small enough to travel in its card (spec/mind-format.md).

A run that begins as a grown mind inherits what that one wrote, so that the whole growth stays told.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from chat_app import childhood
from chat_app.errors import NoChildhood
from trainer import checkpoint, vocabulary
from trainer.checkpoint import State

MOMENTS: Final = (0, 0.03, 0.1, 0.3, 1)  # of all tokens: a mind learns most at the beginning
LETTERS: Final = 240  # of a text
LARGEST: Final = 8000  # bytes of JSON


def of(state: State) -> list[dict[str, Any]]:
    """The samples at those moments, prompt after prompt, as long as they fit into `LARGEST` bytes."""
    samples = [*state.samples_before, *(_sample(sample, state) for sample in state.samples)]
    chosen: list[dict[str, Any]] = []
    for prompt in dict.fromkeys(sample["prompt"] for sample in samples):
        found = _moments([sample for sample in samples if sample["prompt"] == prompt])
        if len(orjson.dumps(chosen + found)) <= LARGEST:
            chosen += found
    return chosen


def before(start: Path) -> tuple[int, float, list[dict[str, Any]]]:
    """(tokens read, seconds that took, samples) of the checkpoint's folder or the `.mind` that a run begins as."""
    if checkpoint.is_one(start):
        state = checkpoint.load(start).state
        read = state.tokens_before + state.iteration * state.tokens_per_iteration
        return read, state.seconds_before + state.seconds, of(state)
    card = vocabulary.opened(start).card  # which may hold anything
    samples = []
    with suppress(NoChildhood):
        samples = [
            {"prompt": told.prompt, "iteration": stage.iteration, "tokens_seen": stage.tokens, "text": stage.text}
            for told in childhood.of(card)
            for stage in told.stages
            if stage.tokens is not None
        ]
    figures = card.get("figures")
    read, hours = (figures.get(name) if isinstance(figures, dict) else None for name in ("tokens_seen", "hours"))
    tokens = max([read if isinstance(read, int) else 0, *(sample["tokens_seen"] for sample in samples)])
    return tokens, 3600 * hours if isinstance(hours, (int, float)) and hours > 0 else 0.0, samples


def _moments(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first, last = samples[0]["tokens_seen"], samples[-1]["tokens_seen"]
    wanted = (first + share * (last - first) for share in MOMENTS)
    nearest = [min(samples, key=lambda sample: abs(sample["tokens_seen"] - tokens)) for tokens in wanted]
    return list({sample["tokens_seen"]: sample for sample in nearest}.values())


def _sample(sample: dict[str, Any], state: State) -> dict[str, Any]:
    text = sample["text"]
    if len(text) > LETTERS:
        text = text[:LETTERS].rpartition(" ")[0] + "…"
    return {
        "prompt": sample["prompt"],
        "iteration": sample["iteration"],
        "tokens_seen": state.tokens_before + sample["iteration"] * state.tokens_per_iteration,
        "text": text,
    }
