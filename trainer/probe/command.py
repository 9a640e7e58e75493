"""The stage: prompts through a mind -> tables, probe.json and a picture of each. Knows files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from chat_app.engine import Engine
from chat_app.errors import BoxError
from chat_app.mind import Mind, open_mind
from trainer import figures
from trainer.errors import StageError
from trainer.files import replacing
from trainer.probe import experiment, figure
from trainer.probe.experiment import Finding, Settings


def opened(path: Path) -> Mind:
    """The mind at `path`. StageError where there is none, or none that can be read."""
    try:
        return open_mind(path)
    except BoxError as error:
        raise StageError(f"{error.sentence('en')} `trainer export` makes one of a grown recipe.") from error


def make(mind: Mind, prompts: Sequence[str], settings: Settings, folder: Path) -> tuple[list[Finding], list[Path]]:
    """Probe every prompt; (what was found, the files written into `folder`). StageError where that cannot be done."""
    try:
        engine = Engine.with_mind(mind)
    except BoxError as error:
        raise StageError(error.sentence("en")) from error
    findings = [experiment.probe(mind, engine, prompt, settings) for prompt in prompts]
    about = folder / "probe.json"
    with replacing(about) as file:
        values = {
            "mind": mind.card.get("title", ""), "sha256": mind.sha256, "settings": asdict(settings),
            "prompts": [finding.to_dict() for finding in findings],
        }  # fmt: skip
        file.write(orjson.dumps(values, option=orjson.OPT_INDENT_2))
    pictures = []
    for number, finding in enumerate(findings, 1):
        picture = folder / (f"probe-{number}.png" if len(findings) > 1 else "probe.png")
        drawn = figure.draw(finding, lambda ids: experiment.text_of(mind, ids), mind.manners.language)
        with replacing(picture) as file:
            file.write(figures.png(drawn))
        pictures.append(picture)
    return findings, [about, *pictures]
