"""Two minds side by side, for a person who shall not know which is which: a sheet to judge, and a key apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from trainer.evaluate import command, exam
from trainer.evaluate.asking import Asked, ask
from trainer.evaluate.probes import Probe
from trainer.files import replacing_all

QUESTIONS: Final = 100
_GROUPS: Final = {"talk": 40, "facts": 20, "identity": 20, "unknown": 20}  # what a person can judge at a glance


def make(
    mind: Path, other: Path, folder: Path, seed: int, step: Callable[[], None] = lambda: None
) -> tuple[Path, Path]:
    """Write FOLDER/compare.md and FOLDER/compare.key.json; their paths. `step` is called after each answer.

    StageError where one of the minds cannot be asked.
    """
    probes = _probes(exam.prepare().probes)
    answers = [_answers(path, probes, seed, step) for path in (mind, other)]
    chance = random.Random(f"blind {seed}")
    sheet, key = folder / "compare.md", folder / "compare.key.json"
    lines, sides = [_HEAD], []
    for number, pair in enumerate(zip(*answers, strict=True), 1):
        first = chance.randrange(2)
        sides.append({"А": str((mind, other)[first]), "Б": str((mind, other)[1 - first])})
        lines += [
            f"## {number}. {pair[0].probe.lines[-1]}", _quoted("А", pair[first]), _quoted("Б", pair[1 - first]),
            "Лучше: [ ] А  [ ] Б  [ ] одинаково",
        ]  # fmt: skip
    with replacing_all(sheet, key) as (text, solution):
        text.write(("\n\n".join(lines) + "\n").encode())
        solution.write(orjson.dumps(sides, option=orjson.OPT_INDENT_2))
    return sheet, key


_HEAD: Final = (
    "# Кто отвечает лучше?\n\nНа каждый вопрос ответили двое. Кто где, решил жребий, и это записано отдельно: сначала "
    "отметь, чей ответ лучше, потом смотри в ключ."
)


def _probes(every: list[Probe]) -> list[Probe]:
    found = []
    for group, count in _GROUPS.items():
        found += [probe for probe in every if probe.group == group][:count]
    return random.Random("blind").sample(found, len(found))


def _answers(path: Path, probes: list[Probe], seed: int, step: Callable[[], None]) -> list[Asked]:
    mind, engine = command.opened(path)
    return ask(mind, engine, probes, mind.manners.sampling, seed, step)


def _quoted(side: str, asked: Asked) -> str:
    text = "\n".join(f"> {line}".rstrip() for line in asked.text.splitlines()) or "> (молчание)"
    return f"**{side}**\n\n{text}"
