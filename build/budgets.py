"""What a box may cost: build/budgets.toml, and the sentences about what costs more."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).resolve().parent / "budgets.toml"
_WORDS: Final = {
    "program_mb": "without its mind it weighs {cost:.1f} MB",
    "first_output_s": "its first line comes after {cost:.2f} s",
    "first_token_s": "its first token comes after {cost:.2f} s",
    "memory_mb": "besides its weights it takes {cost:.0f} MB of memory",
    "temp_mb": "it unpacks {cost:.0f} MB at each start",
}


def costs(figures: Mapping[str, Any], mind_bytes: int, carried_bytes: int) -> dict[str, float]:
    """What build/measure_box.py found, in the words of the budget; what it could not measure is left out.

    The mind takes `mind_bytes` unpacked, and `carried_bytes` of the program that was measured.
    """
    found = {"program_mb": figures["size_mb"] - carried_bytes / 1e6, "first_token_s": figures["first_token_best_s"]}
    if "peak_pss_mb" in figures:
        found |= {
            "first_output_s": figures["first_output_best_s"],
            "memory_mb": figures["peak_pss_mb"] - 2 * mind_bytes / 1e6,
            "temp_mb": figures["temp_mb"],
        }
    return found


def over(packer: str, found: Mapping[str, float], patience: float = 1) -> list[str]:
    """One sentence for each cost that is above its budget; a slow or busy machine may take `patience` times as long."""
    allowed = {
        name: limit * (patience if name.endswith("_s") else 1)
        for name, limit in tomllib.loads(_FILE.read_text("utf-8"))[packer].items()
    }
    return [
        f"The {packer} box is over its budget: {_WORDS[name].format(cost=cost)}, allowed are {allowed[name]:g}."
        for name, cost in found.items()
        if cost > allowed[name]
    ]
