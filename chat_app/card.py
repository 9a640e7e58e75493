"""A mind's card in a person's words: what it tells of itself, then what was measured. Knows no chat."""

from __future__ import annotations

from chat_app import language
from chat_app.language import CARD
from chat_app.mind import Mind


def told(mind: Mind, lang: str) -> str:
    """Line by line what the card says of all that has a name here; a card is free to hold anything else."""
    figures = mind.card.get("figures")
    known = {**mind.card, **(figures if isinstance(figures, dict) else {})}
    lines = [f"{name(lang)}: {_value(known[key], lang)}" for key, name in CARD.items() if known.get(key)]
    return "\n".join([*lines, f"sha256: {mind.sha256}"])


def _value(value: object, lang: str) -> str:
    if isinstance(value, float):
        return language.number(value, lang, 3).rstrip("0").rstrip(",.")
    return language.number(value, lang) if isinstance(value, int) else str(value)
