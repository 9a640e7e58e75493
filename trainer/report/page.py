"""The report as one HTML page that asks nothing of any other address. Knows findings, captions and panels."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from chat_app.pieces import SPACE
from chat_app.text import printable
from trainer.files import replacing
from trainer.recipe import Recipe
from trainer.report import captions, findings, panels
from trainer.report.findings import Findings, Stage
from trainer.report.numbers import Numbers

_CSS = Path(__file__).with_name("page.css")
_PIECES = 40  # shown of the longest and of the most frequent


def make(recipe: Recipe, source: str, folder: Path, to: Path) -> list[Path]:
    """Write report.html and report.png of the run in `folder` into `to`; the files written.

    `source` is the recipe as its maker wrote it. StageError where nothing has been trained.
    """
    found = findings.read(folder, recipe.name if recipe.extends else "kto")
    language = recipe.mind.language
    html, png = to / "report.html", to / "report.png"
    with replacing(html) as file:
        file.write(page(recipe, source, found).encode())
    drawn = [panel for stage in found.stages for panel in panels.of_stage(stage, found.baselines, language)]
    if not drawn:  # nothing has been measured yet
        return [html]
    with replacing(png) as file:
        file.write(panels.as_png(drawn, recipe.mind.title, language))
    return [html, png]


def page(recipe: Recipe, source: str, found: Findings) -> str:
    """The whole page. What a mind wrote, or its maker, stands in it as text, never as markup."""
    language = recipe.mind.language
    numbers = Numbers(language)
    sections = [
        _head(recipe, recipe.model.model_dump() | (found.stages[-1].state.get("config") or {})),
        *(part for stage in found.stages for part in (_stage(stage, found, numbers), _evolution(stage, numbers))),
        _corpus(found, numbers),
        _vocabulary(found, numbers),
        _recipe(recipe.name, source, language),
    ]
    body = "\n".join(section for section in sections if section)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(recipe.mind.title)}</title>\n<style>\n{_CSS.read_text('utf-8')}</style>\n"
        f"<main>\n{body}\n</main>\n</html>\n"
    )


def _head(recipe: Recipe, config: dict[str, Any]) -> str:
    mind = recipe.mind
    shape = captions.SHAPE(mind.language, **config)
    return (
        f'<header><p class="eyebrow">{escape(recipe.name)} · {shape} · {escape(mind.licence)}</p>'
        f"<h1>{escape(mind.title)}</h1><p>{escape(mind.description)}</p>"
        f'<p class="note">{escape(mind.training_data)}</p></header>'
    )


def _stage(stage: Stage, found: Findings, numbers: Numbers) -> str:
    language, state = numbers.language, stage.state
    parts = [f"<h2>{captions.STAGE[stage.name](language)}</h2>"]
    done, last = state.get("iteration", 0), state.get("max_iters") or 0
    if done < last:
        running = captions.RUNNING(language, done=numbers.whole(done), all=numbers.whole(last))
        parts.append(f'<p class="note">{running}</p>')
    parts.append(_figures(_outcome(stage, found, numbers)))
    drawn = panels.of_stage(stage, found.baselines, language)
    parts.append(_drawn(drawn, stage.name, language))
    if found.baselines and any(panel.levels for panel in drawn):
        parts.append(f'<p class="note">{captions.COMPARED(language)}</p>')
    return "".join(parts)


def _outcome(stage: Stage, found: Findings, numbers: Numbers) -> dict[str, str]:
    """Caption -> figure, those that are known."""
    language, state, best = numbers.language, stage.state, stage.best
    val = found.token_counts(stage.name, "val")
    once = found.token_counts(stage.name, "train").get("tokens") if stage.name == "pretrain" else None
    loss = findings.held_out_loss(best)
    per_character = loss / np.log(2) * val["tokens"] / val["characters"] if loss and val.get("characters") else None
    read = state.get("iteration", 0) * (state.get("tokens_per_iteration") or 0)
    speeds, memory = stage.series("tokens_per_second")[1], stage.series("memory_mb")[1]
    outcome = {
        captions.PARAMETERS(language): numbers.large(state.get("parameters")),
        captions.BEST_LOSS(language): numbers.decimal(loss, 3),
        captions.BEST_BITS(language): numbers.decimal(best.get("bits_per_byte"), 3),
        captions.BEST_BITS_CHARACTER(language): numbers.decimal(per_character, 3),
        captions.ITERATIONS(language): numbers.whole(state.get("iteration")),
        captions.READ(language): numbers.large(read or None),
        captions.EPOCHS(language): numbers.decimal(read / once if read and once else None, 1),
        captions.TIME(language): numbers.duration(state.get("seconds")),
        captions.MEDIAN_SPEED(language): numbers.whole(np.median(speeds) if len(speeds) else None),
        captions.PEAK_MEMORY(language): numbers.decimal(memory.max() / 1000 if len(memory) else None, 1),
    }
    return {caption: figure for caption, figure in outcome.items() if figure}


def _figures(rows: dict[str, str]) -> str:
    inside = "".join(f"<div><dt>{caption}</dt><dd>{figure}</dd></div>" for caption, figure in rows.items())
    return f'<dl class="figures">{inside}</dl>' if rows else ""


def _drawn(shown: list[panels.Panel], name: str, language: str) -> str:
    inside = [
        f'<figure class="{size}">{panels.as_svg(panel, f"{name}-{panel.name}", language)}</figure>'
        for panel in shown
        for size in ("minor" if panel.minor else "major",)
    ]
    return f'<div class="panels">{"".join(inside)}</div>' if shown else ""


def _evolution(stage: Stage, numbers: Numbers) -> str:
    language, samples = numbers.language, stage.samples()
    if not samples:
        return ""
    parts = [f"<h2>{captions.EVOLUTION(language)}</h2>", f'<p class="note">{captions.EVOLUTION_NOTE(language)}</p>']
    for prompt, written in samples.items():
        if len(samples) > 1:
            parts.append(f"<h3>{escape(prompt if prompt.strip() else _visible(prompt))}</h3>")
        rows = "".join(
            f"<dt>{captions.ITERATION(language)} <b>{numbers.whole(sample['iteration'])}</b>"
            f"{_loss_then(stage, sample['iteration'], numbers)}</dt><dd>{_sample(prompt, str(sample['text']))}</dd>"
            for sample in written
        )
        parts.append(f'<dl class="samples">{rows}</dl>')
    return "".join(parts)


def _loss_then(stage: Stage, iteration: int, numbers: Numbers) -> str:
    loss = stage.loss_at(iteration)
    if loss is None:
        return ""
    return f"<br>{captions.LOSS_THEN(numbers.language, loss=numbers.decimal(loss, 3))}"


def _sample(prompt: str, text: str) -> str:
    """What was given is muted, what was written is not."""
    prompt, text = printable(prompt), printable(text)
    if not prompt.strip() or not text.startswith(prompt):
        return escape(text.strip())
    return f'<span class="prompt">{escape(prompt)}</span>{escape(text[len(prompt) :].rstrip())}'


def _corpus(found: Findings, numbers: Numbers) -> str:
    language, sources = numbers.language, found.corpus.get("sources") or {}
    if not sources:
        return ""
    named = {name: _source(row, found.tokens.get("train", {}).get(name)) for name, row in sources.items()}
    if len(named) > 1:
        keys = next(iter(named.values()))
        named[""] = {key: _sum(row[key] for row in named.values()) for key in keys}
    columns = [key for key in next(iter(named.values())) if any(row[key] is not None for row in named.values())]
    head = "".join(f"<th>{_COLUMNS[key](language)}</th>" for key in columns)
    rows = "".join(
        (f"<tr><td>{escape(name)}</td>" if name else f'<tr class="total"><td>{captions.TOTAL(language)}</td>')
        + "".join(f"<td>{_cell(key, row, numbers)}</td>" for key in columns)
        + "</tr>"
        for name, row in named.items()
    )
    return (
        f'<h2>{captions.CORPUS(language)}</h2><div class="scroll"><table>'
        f"<thead><tr><th>{captions.SOURCE(language)}</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_COLUMNS = {
    "documents": captions.DOCUMENTS, "characters": captions.CHARACTERS, "bytes": captions.MEGABYTES,
    "exact_duplicates": captions.EXACT, "near_duplicates": captions.NEAR, "overlap_with_held_out": captions.OVERLAP,
    "held_out": captions.HELD_OUT_PART, "tokens": captions.TRAIN_TOKENS,
}  # fmt: skip


def _source(row: dict[str, Any], tokens: Any) -> dict[str, float | None]:
    """Column -> number, None where the corpus stage did not say."""
    values: dict[str, float | None] = {key: row.get(key) for key in _COLUMNS}
    values["held_out"] = (row.get("val") or {}).get("characters")
    values["tokens"] = tokens.get("tokens") if isinstance(tokens, dict) else None
    return values


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _cell(key: str, row: dict[str, float | None], numbers: Numbers) -> str:
    value = row[key]
    if value is None:
        return ""
    if key == "bytes":
        return numbers.decimal(value / 1e6, 1)
    if key == "held_out":
        return numbers.decimal(100 * value / row["characters"], 1) if row["characters"] else ""
    return numbers.whole(value)


def _vocabulary(found: Findings, numbers: Numbers) -> str:
    language, report = numbers.language, found.vocabulary
    if not report:
        return ""
    parts = [f"<h2>{captions.VOCABULARY(language)}</h2>"]
    if kind := captions.KIND.get(report.get("kind", "")):
        parts.append(f'<p class="note">{kind(language)}</p>')
    rows = {
        captions.PIECES(language): numbers.whole(report.get("pieces")),
        captions.CHARACTERS_PER_TOKEN(language): numbers.decimal(report.get("characters_per_token"), 2),
        captions.BYTES_PER_TOKEN(language): numbers.decimal(report.get("bytes_per_token"), 2),
        captions.BYTES_SHARE(language): numbers.percent(report.get("bytes_share")),
        captions.UNKNOWN_SHARE(language): numbers.percent(report.get("unknown_share")),
    }
    parts.append(_figures({caption: figure for caption, figure in rows.items() if figure}))
    parts.append(_drawn(panels.of_vocabulary(found, language), "vocabulary", language))
    frequent = [(piece, numbers.whole(count)) for piece, count in report.get("most_frequent") or []]
    parts.append(_pieces(captions.FREQUENT(language), frequent))
    parts.append(_pieces(captions.LONGEST(language), [(piece, "") for piece in report.get("longest") or []]))
    return "".join(parts)


def _pieces(title: str, pieces: list[tuple[str, str]]) -> str:
    if not pieces:
        return ""
    items = "".join(
        f"<li>{escape(_visible(piece))}{f'<small>{note}</small>' if note else ''}</li>"
        for piece, note in pieces[:_PIECES]
    )
    return f'<h3>{title}</h3><ul class="pieces">{items}</ul>'


def _visible(piece: str) -> str:
    """A space is shown as an open box, a line's end as a pilcrow."""
    return piece.replace(SPACE, "␣").replace(" ", "␣").replace("\n", "¶")


def _recipe(name: str, source: str, language: str) -> str:
    return (
        f"<h2>{captions.RECIPE(language)}</h2><details><summary>{escape(name)}.toml</summary>"
        f"<pre>{escape(source)}</pre></details>"
    )
