"""A mind's childhood: what it wrote after the same words at the stages of its growth, as its card tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chat_app.errors import NoChildhood


@dataclass(frozen=True, slots=True)
class Stage:
    """What it wrote after so many steps of training; `tokens` it had read by then, None where that is not known."""

    iteration: int
    tokens: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Childhood:
    """The stages after one prompt, the earliest first. `prompt` is empty where the card does not tell it apart."""

    prompt: str
    stages: tuple[Stage, ...]


def of(card: dict[str, Any]) -> list[Childhood]:
    """One a prompt. NoChildhood where the card holds none that can be read: a card is free to hold anything."""
    samples = card.get("samples")
    found: dict[str, list[Stage]] = {}
    for sample in samples if isinstance(samples, list) else ():
        if isinstance(sample, dict) and type(sample.get("iteration")) is int and isinstance(sample.get("text"), str):
            stage = Stage(sample["iteration"], _tokens(sample, card), sample["text"])
            found.setdefault(str(sample.get("prompt", "")), []).append(stage)
    if not found:
        raise NoChildhood
    return [Childhood(prompt, tuple(stages)) for prompt, stages in found.items()]


def _tokens(sample: dict[str, Any], card: dict[str, Any]) -> int | None:
    """Read by then; of a card that tells only the whole, in proportion."""
    if (tokens := _number(sample, "tokens_seen")) is not None:
        return tokens
    whole, iterations = (_number(card.get("figures"), key) for key in ("tokens_seen", "iterations"))
    return round(sample["iteration"] / iterations * whole) if whole and iterations else None


def _number(values: object, key: str) -> int | None:
    value = values.get(key) if isinstance(values, dict) else None
    return value if isinstance(value, int) else None
